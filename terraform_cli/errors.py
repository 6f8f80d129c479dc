"""What keeps Terraform from running here at all, as against what it finds wrong."""


class Unavailable(Exception):
    """Terraform or its provider is not to be had on this machine; the message says what to do."""
