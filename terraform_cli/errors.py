"""What keeps Terraform from running here at all, as against what it finds wrong."""


class TerraformError(Exception):
    """Terraform or its provider is not to be had on this machine; the message says what to do."""
