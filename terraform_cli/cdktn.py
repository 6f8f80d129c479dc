"""Synthesizes every stack with CDK Terrain (cdktn) too, the fork of cdktf, and compares the two.

A copy of the project gets renamed imports and nothing else: what a move would change (docs/adr/0018).
`scripts/cdktn.sh` installs cdktn, then runs this.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from difflib import unified_diff
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any

from stacks.provider_binding import bundled_node
from terraform_cli.synthesis import ROOT, SynthesisError, synthesize

PYTHON = ROOT / ".local" / "cdktn" / "venv" / "bin" / "python"
# What is large, and not read by a synthesis.
_NOT_COPIED = shutil.ignore_patterns(
    ".git",
    ".local",
    ".venv*",
    ".*_cache",
    ".hypothesis",
    "__pycache__",
    "node_modules*",
    "cdktf.out",
    "tests",
)
_IMPORT = re.compile(r"^(from|import) cdktf\b", re.MULTILINE)
# With a bucket the S3 backend is compared too. Account and repository are only in text.
_ENVIRONMENTS = {"CATALOG_STATE_BUCKET": "no-such-bucket"}
_BOOTSTRAP = _ENVIRONMENTS | {
    "CATALOG_BOOTSTRAP": "1",
    "CATALOG_ACCOUNT_ID": "123456789012",
    "CATALOG_REPOSITORY": "owner/name",
}
# What cdktn's CLI reads from `targetVersions` of cdktf.json: cdktn refuses write-only arguments if the stacks
# may be run by a Terraform that is too old for them.
_TARGETS = {"CDKTF_CONTEXT_JSON": json.dumps({"targetVersions": {"terraform": ">=1.11"}})}


def main() -> None:
    """Compare the environments' stacks and the bootstrap stack; exit with 1 and a diff if they differ."""
    try:
        found = compare()
    except SynthesisError as error:
        sys.exit(f"The stacks cannot be synthesized:\n{error}")
    _print(
        "\n".join(found) or "The same, but for the library's version and the name of the provider's source."
    )
    sys.exit(1 if found else 0)


def compare() -> list[str]:
    """Synthesize every stack with both, and return how they differ.

    Raises: SynthesisError.
    """
    theirs_only = _TARGETS | {"JSII_NODE": str(bundled_node() or "node")}
    found: list[str] = []
    with tempfile.TemporaryDirectory() as directory:
        project = Path(directory).resolve() / "project"
        copy_renamed(project)
        for name, settings in (("environments", _ENVIRONMENTS), ("bootstrap", _BOOTSTRAP)):
            ours, theirs = (project.parent / f"{library}-{name}" for library in ("cdktf", "cdktn"))
            variables = {**os.environ, **settings}
            started = monotonic()
            stacks = synthesize(ours, variables)
            between = monotonic()
            synthesize(theirs, variables | theirs_only, project=project, python=PYTHON)
            _print(
                f"{', '.join(stack.name for stack in stacks)}: "
                f"cdktf {between - started:.1f} s, cdktn {monotonic() - between:.1f} s"
            )
            found += differences(ours / "stacks", theirs / "stacks")
    return found


def copy_renamed(project: Path) -> None:
    """Copy what a synthesis needs, with cdktn in place of cdktf."""
    shutil.copytree(ROOT, project, ignore=_NOT_COPIED)
    for path in [project / "main.py", *(project / "stacks").rglob("*.py")]:
        path.write_text(renamed(path.read_text()))


def renamed(source: str) -> str:
    """Return the source of a module that imports cdktn and its binding of the AWS provider."""
    return _IMPORT.sub(r"\1 cdktn", source.replace("cdktf_cdktf_provider_aws", "cdktn_provider_aws"))


def differences(ours: Path, theirs: Path) -> Iterator[str]:
    """Yield a diff of the files in two folders of stacks, line by line."""
    names = {
        path.relative_to(folder) for folder in (ours, theirs) for path in folder.rglob("*") if path.is_file()
    }
    for name in sorted(names):
        for folder, other in ((ours, theirs), (theirs, ours)):
            if not (other / name).is_file():
                yield f"{name}: only in {folder}"
        if not ((ours / name).is_file() and (theirs / name).is_file()):
            continue
        if name.name == "cdk.tf.json":
            expected = json.loads((ours / name).read_text())
            actual = as_cdktf(json.loads((theirs / name).read_text()))
            yield from unified_diff(
                _lines(expected), _lines(actual), f"cdktf: {name}", f"cdktn: {name}", lineterm=""
            )
        elif (ours / name).read_bytes() != (theirs / name).read_bytes():
            yield f"{name}: differs"


def as_cdktf(stack: dict[str, Any]) -> dict[str, Any]:
    """Return a stack of cdktn without the two differences that mean nothing to Terraform.

    They are the version of the library, and the full name of the provider's source.
    """
    stack["//"]["metadata"]["version"] = version("cdktf")
    provider = stack["terraform"]["required_providers"]["aws"]
    if provider["source"] == "hashicorp/aws":
        provider["source"] = "aws"
    return stack


def _lines(stack: dict[str, Any]) -> list[str]:
    return json.dumps(stack, indent=2, sort_keys=True).splitlines()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
