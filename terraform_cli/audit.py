"""Scans synthesized stacks with checkov, and compares what it finds with the findings that are accepted.

checkov exits with 0 although it cannot parse a stack. Since `terraform.required_version` stops its parser, it
gets a copy without it. A file that it cannot read and a scan of only a few checks are problems too, and no
settings of a person or a folder reach it.
"""

import json
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terraform_cli.errors import TerraformError

FEWEST_CHECKS = 300
"""Fewer mean that checkov did not read the stack: dev-stack, the smallest, has 367."""
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
    """A check that some resources may fail, in some stacks or, without `stacks`, in every one.

    `optional`: those that an environment has by choice, and that may be in no stack.
    """

    check: str
    resources: frozenset[str]
    optional: frozenset[str]
    stacks: frozenset[str] | None

    def covers(self, finding: Finding, stack: str) -> bool:
        """Return whether a finding is accepted in a stack."""
        is_here = self.stacks is None or stack in self.stacks
        return is_here and finding.check == self.check and finding.resource in self.resources | self.optional


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
        if (
            entry.keys() - {"optional", "stacks"} != {"check", "resources", "reason"}
            or not entry["reason"].strip()
        ):
            raise AuditError(
                f"{file.name}: an entry has check, resources, reason, perhaps optional and stacks: {entry}"
            )
        stacks = frozenset(entry["stacks"]) if "stacks" in entry else None
        accepted.append(
            Accepted(
                check=entry["check"],
                resources=frozenset(entry["resources"]),
                optional=frozenset(entry.get("optional", ())),
                stacks=stacks,
            )
        )
    return accepted


def problems(scanned: Scan, accepted: Iterable[Accepted], *, fewest: int = FEWEST_CHECKS) -> Iterator[str]:
    """Yield what is wrong with a stack or its scan, one line each."""
    for file in scanned.unread:
        yield f"checkov cannot read {file}"
    if scanned.checks < fewest:
        yield f"only {scanned.checks} checks, not {fewest} or more: checkov did not read the whole stack"
    for finding in sorted(scanned.names):
        if not any(each.covers(finding, scanned.stack) for each in accepted):
            yield f"{finding.check} {finding.resource}: {scanned.names[finding]}"


def stale(scans: Sequence[Scan], accepted: Iterable[Accepted]) -> Iterator[str]:
    """Yield which accepted findings no stack has any more, one line each; `scans`: every stack's."""
    for each in accepted:
        for resource in sorted(each.resources):
            finding = Finding(each.check, resource)
            if not any(finding in scanned.names and each.covers(finding, scanned.stack) for scanned in scans):
                yield f"{each.check} {resource}: not found any more: remove it from {ACCEPTED.name}"
