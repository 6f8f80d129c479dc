"""Checks synthesized stacks with Terraform and the provider's schema, without any request to AWS."""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from terraform_cli.installation import Terraform

_WARNING = re.compile(r"^(?:│ )?Warning: ", re.MULTILINE)
# Terraform's error for a valid backend block when it finds no credentials.
_BACKEND_IS_VALID = "No valid credential sources found"
# No configuration on this machine may give access to an account.
_WITHOUT_CREDENTIALS = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """Terraform's findings on one stack; `output`: its text if there are errors or warnings, else empty."""

    name: str
    is_valid: bool
    warnings: int
    output: str
    seconds: float

    def line(self) -> str:
        """Return a one-line summary."""
        warnings = f", {self.warnings} warning{'s'[: self.warnings > 1]}" if self.warnings else ""
        return f"{self.name:20} {'valid' if self.is_valid else 'NOT VALID'}{warnings} ({self.seconds:.1f} s)"


def validate(folder: Path, terraform: Terraform, variables: Mapping[str, str]) -> ValidationResult:
    """Validate the stack in a folder, and leave Terraform's `.terraform` there.

    No state is read, so no credentials are needed.
    """
    started = monotonic()
    run = terraform.run(folder, "init", "-backend=false", "-no-color", variables=variables)
    if run.returncode == 0:
        run = terraform.run(folder, "validate", "-no-color", variables=variables)
    refusal = run.stdout if run.returncode else backend_refusal(folder, terraform, variables)
    warnings = len(_WARNING.findall(run.stdout))
    return ValidationResult(
        name=folder.name,
        is_valid=refusal is None,
        warnings=warnings,
        output=(refusal or (run.stdout if warnings else "")).strip(),
        seconds=monotonic() - started,
    )


def backend_refusal(folder: Path, terraform: Terraform, variables: Mapping[str, str]) -> str | None:
    """Return Terraform's refusal of a stack's S3 backend; None if it is valid or there is none.

    `init -backend=false` and `validate` never read the block, only access to the state does. So Terraform is
    given the block alone and no credentials: it reads the block and stops before any request to AWS.
    """
    document = json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8"))
    backend = document.get("terraform", {}).get("backend", {})
    if "s3" not in backend:
        return None
    without = {name: value for name, value in variables.items() if not name.startswith("AWS_")}
    with tempfile.TemporaryDirectory() as directory:
        alone = json.dumps({"terraform": {"backend": backend}}, indent=2)
        (Path(directory) / "cdk.tf.json").write_text(alone, encoding="utf-8")
        run = terraform.run(Path(directory), "init", "-no-color", variables=without | _WITHOUT_CREDENTIALS)
    return None if _BACKEND_IS_VALID in run.stdout else run.stdout
