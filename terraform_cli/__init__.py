"""Runs Terraform on the synthesized stacks: finds the binary and a mirror of its AWS provider.

`python -m terraform_cli validate` checks every stack, `plan` shows what a deploy of one would change. Other
code calls these, which raise `TerraformError`:
`find_terraform`, `choose_provider`, and `Provider.variables`.
"""

from terraform_cli.errors import TerraformError
from terraform_cli.installation import Terraform, find_terraform
from terraform_cli.mirror import Mirror, find_mirror
from terraform_cli.provider import Provider, choose_provider

__all__ = [
    "Mirror",
    "Provider",
    "Terraform",
    "TerraformError",
    "choose_provider",
    "find_mirror",
    "find_terraform",
]
