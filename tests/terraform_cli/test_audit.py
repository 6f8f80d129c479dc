"""The audit fails for what is not accepted, not read, or accepted and gone. The first tests run checkov."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from terraform_cli.audit import (
    CHECKOV,
    Accepted,
    AuditError,
    Finding,
    Scan,
    problems,
    read_accepted,
    read_report,
    scan,
    stale,
)

needs_checkov = pytest.mark.skipif(
    not CHECKOV.exists(),
    reason="CHECKOV IS NOT INSTALLED, so the audit is not tested: bash scripts/checkov.sh",
)

BUCKET = {"bucket": "ours"}
PUBLIC = {"bucket": "${aws_s3_bucket.Ours_0123ABCD.id}", "acl": "public-read"}
ACL_IS_PUBLIC = Finding("CKV_AWS_20", "Ours")


def stack(folder: Path, *, public: bool, **terraform: Any) -> Path:
    """Write a stack as cdktf does; returns its folder."""
    resources: dict[str, Any] = {"aws_s3_bucket": {"Ours_0123ABCD": BUCKET}}
    if public:
        resources["aws_s3_bucket_acl"] = {"Acl_0123ABCD": PUBLIC}
    folder.mkdir()
    (folder / "cdk.tf.json").write_text(json.dumps({"terraform": terraform, "resource": resources}, indent=2))
    return folder


@needs_checkov
def test_a_public_bucket_is_found_although_a_terraform_version_is_required(tmp_path: Path) -> None:
    found = scan(stack(tmp_path / "bad-stack", public=True, required_version=">= 1.11"), os.environ)
    assert ACL_IS_PUBLIC in found.names
    lines = list(problems(found, [], fewest=1))
    assert f"CKV_AWS_20 Ours: {found.names[ACL_IS_PUBLIC]}" in lines
    private = scan(stack(tmp_path / "good-stack", public=False), os.environ)
    assert ACL_IS_PUBLIC not in private.names


@needs_checkov
def test_a_small_stack_has_too_few_checks(tmp_path: Path) -> None:
    found = scan(stack(tmp_path / "dev-stack", public=False), os.environ)
    assert 0 < found.checks < 50
    assert any(line.startswith(f"only {found.checks} checks") for line in problems(found, []))


@needs_checkov
def test_a_stack_that_checkov_cannot_read_is_a_problem(tmp_path: Path) -> None:
    # A text in place of a block stops the parser, as `required_version` does.
    folder = stack(tmp_path / "dev-stack", public=True, experiments="none")
    assert "checkov cannot read cdk.tf.json" in problems(scan(folder, os.environ), [])


@needs_checkov
def test_nobodys_settings_can_skip_a_check(tmp_path: Path) -> None:
    folder = stack(tmp_path / "bad-stack", public=True)
    for place in (tmp_path, folder):
        (place / ".checkov.yaml").write_text("skip-check: [CKV_AWS_20]\n")
    variables = {**os.environ, "HOME": str(tmp_path), "CKV_SKIP_CHECK": "CKV_AWS_20"}
    assert ACL_IS_PUBLIC in scan(folder, variables).names


def test_what_is_no_report_is_an_error(tmp_path: Path) -> None:
    silent = tmp_path / "checkov"
    silent.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 2\n")
    silent.chmod(0o755)
    with pytest.raises(AuditError, match=r"^dev-stack: checkov did not report\. It printed: no such option$"):
        scan(stack(tmp_path / "dev-stack", public=False), os.environ, checkov=silent)


def test_a_report_of_nothing_has_no_checks() -> None:
    # What checkov 3.3 prints of a folder of which it reads nothing.
    nothing = {"passed": 0, "failed": 0, "skipped": 0, "parsing_errors": 0, "resource_count": 0}
    assert read_report("dev-stack", nothing).checks == 0


def test_a_file_with_a_parsing_error_is_a_problem() -> None:
    report = {
        "summary": {"passed": 400, "failed": 0, "skipped": 0, "parsing_errors": 1},
        "results": {"failed_checks": [], "parsing_errors": ["/tmp/x/cdk.tf.json"]},
    }
    assert list(problems(read_report("dev-stack", report), [])) == ["checkov cannot read cdk.tf.json"]


def test_a_skipped_check_counts_as_a_finding() -> None:
    skipped = {
        "check_id": "CKV_AWS_20",
        "resource": "aws_s3_bucket.Ours_0123ABCD",
        "check_name": "Not public",
    }
    report = {
        "summary": {"passed": 400, "failed": 0, "skipped": 1, "parsing_errors": 0},
        "results": {"failed_checks": [], "skipped_checks": [skipped]},
    }
    assert list(problems(read_report("dev-stack", report), [])) == ["CKV_AWS_20 Ours: Not public"]


def scanned(name: str, *findings: Finding) -> Scan:
    return Scan(stack=name, checks=400, names=dict.fromkeys(findings, "Not public"), unread=())


def accepted(*stacks: str) -> list[Accepted]:
    return [
        Accepted(
            check="CKV_AWS_20",
            resources=frozenset({"Ours"}),
            optional=frozenset({"Chosen"}),
            stacks=frozenset(stacks) or None,
        )
    ]


@pytest.mark.parametrize(
    ("name", "where", "explained"),
    [
        ("dev-stack", accepted(), True),
        ("dev-stack", accepted("dev-stack"), True),
        ("prod-stack", accepted("dev-stack"), False),
        ("dev-stack", [], False),
    ],
)
def test_a_finding_is_accepted_only_where_the_list_says(
    name: str, where: list[Accepted], *, explained: bool
) -> None:
    assert (list(problems(scanned(name, ACL_IS_PUBLIC), where)) == []) is explained


def test_the_same_check_of_another_resource_is_not_accepted() -> None:
    assert list(problems(scanned("dev-stack", Finding("CKV_AWS_20", "Theirs")), accepted()))


def test_a_finding_of_what_is_there_by_choice_is_accepted_and_need_not_be_found() -> None:
    chosen = scanned("dev-stack", ACL_IS_PUBLIC, Finding("CKV_AWS_20", "Chosen"))
    assert list(problems(chosen, accepted())) == []
    assert list(stale([scanned("dev-stack", ACL_IS_PUBLIC)], accepted())) == []


@pytest.mark.parametrize(
    ("scans", "where", "gone"),
    [
        ([scanned("dev-stack", ACL_IS_PUBLIC), scanned("prod-stack")], accepted(), False),
        ([scanned("dev-stack"), scanned("prod-stack")], accepted(), True),
        ([scanned("dev-stack"), scanned("prod-stack", ACL_IS_PUBLIC)], accepted("dev-stack"), True),
    ],
)
def test_an_accepted_finding_that_is_gone_is_reported(
    scans: list[Scan], where: list[Accepted], *, gone: bool
) -> None:
    expected = ["CKV_AWS_20 Ours: not found any more: remove it from accepted_findings.toml"]
    assert list(stale(scans, where)) == (expected if gone else [])


@pytest.mark.parametrize("reason", ["", 'reason = " "', 'reason = "so"\nresource = "Ours"'])
def test_each_accepted_finding_has_a_reason(tmp_path: Path, reason: str) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text(f'[[accepted]]\ncheck = "CKV_AWS_20"\nresources = ["Ours"]\n{reason}\n')
    with pytest.raises(AuditError, match="an entry has check, resources, reason"):
        read_accepted(file)


def test_prod_needs_no_exception_of_its_own() -> None:
    """Whatever is accepted in prod is accepted everywhere, except what only prod has."""
    only_prod = [each.check for each in read_accepted() if each.stacks == frozenset({"prod-stack"})]
    assert only_prod == ["CKV_AWS_354"]
