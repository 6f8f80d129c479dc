"""Holds synthesized stacks against Terraform and the provider's schema; nothing is asked of AWS."""

import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from terraform_cli.installation import Terraform

_WARNING = re.compile(r"^(?:│ )?Warning: ", re.MULTILINE)
# What Terraform says of a backend it has understood, where nothing gives it credentials.
_UNDERSTOOD = "No valid credential sources found"
# Nothing on this machine may lead to an account of somebody's.
_WITHOUT_CREDENTIALS = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What Terraform thinks of one stack; `said` is its own text wherever there is something to read."""

    name: str
    is_valid: bool
    warnings: int
    said: str
    seconds: float

    def line(self) -> str:
        """Return the verdict in one line."""
        warnings = f", {self.warnings} warning{'s'[: self.warnings > 1]}" if self.warnings else ""
        return f"{self.name:20} {'valid' if self.is_valid else 'NOT VALID'}{warnings} ({self.seconds:.1f} s)"


def validate(folder: Path, terraform: Terraform, variables: Mapping[str, str]) -> Verdict:
    """Return the verdict on the stack in a folder, which keeps Terraform's `.terraform` afterwards.

    Without its state: none is read, and no credentials are needed.
    """
    started = monotonic()
    run = terraform.run(folder, "init", "-backend=false", "-no-color", variables=variables)
    if run.returncode == 0:
        run = terraform.run(folder, "validate", "-no-color", variables=variables)
    refusal = run.stdout if run.returncode else backend_refusal(folder, terraform, variables)
    warnings = len(_WARNING.findall(run.stdout))
    return Verdict(
        name=folder.name,
        is_valid=refusal is None,
        warnings=warnings,
        said=(refusal or (run.stdout if warnings else "")).strip(),
        seconds=monotonic() - started,
    )


def backend_refusal(folder: Path, terraform: Terraform, variables: Mapping[str, str]) -> str | None:
    """Return what Terraform has against a stack's S3 backend; None: nothing, or it has none.

    `init -backend=false` and `validate` never look into the block; only the way to the state does. So
    Terraform gets the block alone and no credentials: it reads it, and stops before it asks AWS for anything.
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
    return None if _UNDERSTOOD in run.stdout else run.stdout
