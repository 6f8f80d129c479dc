"""Scans synthesized stacks with checkov, and compares what it finds with the findings that are accepted.

checkov reads nothing of a stack that it cannot parse and exits with 0 all the same. `terraform.required_version`
stops its parser, so it gets a copy without it; a scan of a few checks is an error; and every setting by which a
folder or a person can make checkov skip something is kept from it.
"""

import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terraform_cli.errors import TerraformError

FEWEST_CHECKS = 300
"""Fewer mean that checkov did not read the stack: dev-stack, the smallest, has more than 360."""
ACCEPTED = Path(__file__).with_name("accepted_findings.toml")
CHECKOV = Path(__file__).resolve().parent.parent / ".local" / "checkov" / "venv" / "bin" / "checkov"
_CANNOT_INSTALL = 3
_OPTIONS = ("--framework", "terraform_json", "--output", "json", "--compact", "--skip-download")
# cdktf adds this to the id of a construct that is not a direct child of the stack.
_ID_HASH = re.compile(r"_[0-9A-F]{8}$")


class AuditError(TerraformError):
    """There is no scan to judge; the message says why."""


@dataclass(frozen=True, order=True)
class Finding:
    """A check of checkov that a resource fails; `resource`: its logical id without cdktf's hash."""

    check: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What checkov found; `names`: what each check asks for; `checks`: how many were made."""

    stack: str
    checks: int
    names: Mapping[Finding, str]
    unread: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A check that some resources may fail, in some stacks or, without `stacks`, in every one."""

    check: str
    resources: frozenset[str]
    stacks: frozenset[str] | None

    def findings(self, stack: str) -> frozenset[Finding]:
        """Return what is accepted in a stack."""
        if self.stacks is not None and stack not in self.stacks:
            return frozenset()
        return frozenset(Finding(self.check, resource) for resource in self.resources)


def install_checkov(root: Path, variables: Mapping[str, str]) -> None:
    """Install checkov into a separate virtual environment, unless it is there.

    Raises: TerraformError if this machine cannot; AuditError if the installation fails otherwise.
    """
    run = subprocess.run(
        ["bash", "scripts/checkov.sh"],  # noqa: S607
        cwd=root,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if run.returncode == _CANNOT_INSTALL:
        raise TerraformError(run.stderr.strip())
    if run.returncode:
        raise AuditError(f"checkov cannot be installed:\n{run.stderr.strip()}")


def scan(folder: Path, variables: Mapping[str, str], *, checkov: Path = CHECKOV) -> Scan:
    """Scan the stack in a folder.

    Raises: AuditError if checkov does not report.
    """
    document = json.loads((folder / "cdk.tf.json").read_text(encoding="utf-8"))
    document.get("terraform", {}).pop("required_version", None)
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / folder.name
        copy.mkdir()
        (copy / "cdk.tf.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
        # checkov reads settings from the home, the folder it runs in, and variables of many prefixes.
        run = subprocess.run(  # noqa: S603
            [str(checkov), "--directory", str(copy), *_OPTIONS],
            cwd=directory,
            env={"PATH": variables.get("PATH", ""), "HOME": directory, "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        return read_report(folder.name, json.loads(run.stdout))
    except (ValueError, KeyError, TypeError) as error:
        said = (run.stderr.strip() or run.stdout.strip())[-2000:]
        raise AuditError(f"{folder.name}: checkov did not report. It printed: {said or 'nothing'}") from error


def read_report(stack: str, report: Any) -> Scan:
    """Return checkov's JSON as a scan.

    Raises: KeyError, TypeError if it is something else.
    """
    if "summary" not in report:
        # Of a folder of which it read nothing, checkov prints only numbers.
        return Scan(stack=stack, checks=report["passed"] + report["failed"], names={}, unread=())
    summary, results = report["summary"], report["results"]
    names = {
        Finding(each["check_id"], _ID_HASH.sub("", each["resource"].rpartition(".")[2])): each["check_name"]
        for each in (*results["failed_checks"], *results.get("skipped_checks", ()))
    }
    unread = tuple(Path(file).name for file in results.get("parsing_errors", ()))
    if summary["parsing_errors"] and not unread:
        unread = (f"{summary['parsing_errors']} files",)
    return Scan(stack=stack, checks=summary["passed"] + summary["failed"], names=names, unread=unread)


def read_accepted(file: Path = ACCEPTED) -> list[Accepted]:
    """Return the findings that are accepted; each has a reason in the file.

    Raises: AuditError if an entry lacks something.
    """
    accepted = []
    for entry in tomllib.loads(file.read_text(encoding="utf-8"))["accepted"]:
        if entry.keys() - {"stacks"} != {"check", "resources", "reason"} or not entry["reason"].strip():
            raise AuditError(f"{file.name}: an entry has check, resources, reason and perhaps stacks: {entry}")
        stacks = frozenset(entry["stacks"]) if "stacks" in entry else None
        accepted.append(
            Accepted(check=entry["check"], resources=frozenset(entry["resources"]), stacks=stacks)
        )
    return accepted


def problems(scanned: Scan, accepted: Iterable[Accepted], *, fewest: int = FEWEST_CHECKS) -> Iterator[str]:
    """Yield what is wrong with a stack or its scan, one line each."""
    for file in scanned.unread:
        yield f"checkov cannot read {file}"
    if scanned.checks < fewest:
        yield f"checkov made {scanned.checks} checks, and fewer than {fewest} mean that it did not read the stack"
    expected = {finding for each in accepted for finding in each.findings(scanned.stack)}
    for finding in sorted(scanned.names.keys() - expected):
        yield f"{finding.check} {finding.resource}: {scanned.names[finding]}"
    for finding in sorted(expected - scanned.names.keys()):
        yield f"{finding.check} {finding.resource}: accepted in {ACCEPTED.name}, but not found; remove it there"
