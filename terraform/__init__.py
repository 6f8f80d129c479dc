"""Runs Terraform itself on the synthesized stacks: finds the binary, and a mirror of its AWS provider.

`python -m terraform validate` checks every stack. Others build on three calls, which raise `Unavailable`:
`find_terraform`, `choose_provider`, and `Provider.variables`.
"""

from terraform.errors import Unavailable
from terraform.installation import Terraform, find_terraform
from terraform.mirror import Mirror, find_mirror
from terraform.provider import Provider, choose_provider

__all__ = [
    "Mirror",
    "Provider",
    "Terraform",
    "Unavailable",
    "choose_provider",
    "find_mirror",
    "find_terraform",
]
