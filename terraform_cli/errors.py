"""The error raised when Terraform cannot run here; what it finds wrong in a stack is a result."""


class TerraformError(Exception):
    """Terraform or its provider is missing on this machine; the message says what to do."""
