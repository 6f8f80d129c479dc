"""The workflows for GitHub: what they may do, what they run, and that they use the roles of the bootstrap."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from lambda_packages.target import PROJECT
from stacks.config.environments import ENVIRONMENTS as OWN
from tests.project.test_commands import TARGETS

FOLDER = PROJECT / ".github" / "workflows"
# Every action, with the commit of its version's tag as it was when it was pinned. A new one is a decision.
PINNED = {
    "actions/attest": ("1e69f48acb82d1966a394da916b4c1698aa569d6", "v4.2.2"),
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": ("043fb46d1a93c77aae656e7c1c64a875d1fc6a0a", "v7.0.1"),
    "aws-actions/configure-aws-credentials": ("e6de054238d6b7531b4efff3b6587d9aade6a06c", "v6.2.3"),
    "hashicorp/setup-terraform": ("dfe3c3f87815947d99a8997f908cb6525fc44e9e", "v4.0.1"),
}
JOB_KEYS = {"concurrency", "env", "environment", "if", "needs", "outputs", "permissions", "runs-on", "steps"}
STEP_KEYS = {"env", "id", "if", "run", "uses", "with"}
CONTEXTS = {"github", "inputs", "needs", "steps", "vars"}
EXPRESSION = re.compile(r"\$\{\{ (.*?) \}\}")

Yaml = Mapping[str, Any]


def workflow(name: str) -> Yaml:
    # BaseLoader: every value is a string, and `on` is not a truth value.
    loaded: Yaml = yaml.load((FOLDER / f"{name}.yml").read_text(), Loader=yaml.BaseLoader)  # noqa: S506
    return loaded


def jobs(name: str) -> Mapping[str, Yaml]:
    found: Mapping[str, Yaml] = workflow(name)["jobs"]
    return found


def steps(name: str) -> Iterator[Yaml]:
    for job in jobs(name).values():
        yield from job["steps"]


NAMES = ("ci", "deploy", "release")
each_workflow = pytest.mark.parametrize("name", NAMES)


def test_these_are_all() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yml" for name in NAMES}


@each_workflow
def test_every_action_is_pinned_by_its_commit(name: str) -> None:
    lines = re.findall(r"uses: (.*)", (FOLDER / f"{name}.yml").read_text())
    assert len(lines) == sum("uses" in step for step in steps(name))
    for line in lines:
        action, commit, version = re.fullmatch(r"([\w/-]+)@([0-9a-f]{40}) # (v[\d.]+)", line).groups()  # type: ignore[union-attr]
        assert PINNED[action] == (commit, version)


@each_workflow
def test_it_has_only_keys_that_github_knows(name: str) -> None:
    found = workflow(name)
    assert set(found) <= {"name", "on", "permissions", "concurrency", "env", "jobs"}
    for job in found["jobs"].values():
        assert set(job) <= JOB_KEYS | {"timeout-minutes"}
        assert job["runs-on"] == "ubuntu-24.04"
        assert int(job["timeout-minutes"]) <= 90
        for step in job["steps"]:
            assert set(step) <= STEP_KEYS
            assert ("run" in step) != ("uses" in step)


def test_ci_may_only_read_and_runs_what_ci_runs_elsewhere() -> None:
    found = workflow("ci")
    assert found["permissions"] == {"contents": "read"}
    assert found["on"] == {"push": {"branches": ["main"]}, "pull_request": ""}
    (job,) = found["jobs"].values()
    assert "permissions" not in job
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_a_release_is_built_and_checked_before_anything_may_be_published() -> None:
    found = workflow("release")
    assert found["on"] == {"push": {"tags": ["v*"]}}
    assert found["permissions"] == {}
    build, publish = found["jobs"]["build"], found["jobs"]["publish"]
    assert build["permissions"] == {"contents": "read"}
    scripts = [step["run"] for step in build["steps"] if "run" in step]
    assert scripts == ['make release TAG="$GITHUB_REF_NAME"', "bash .ci/run"]
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"attestations": "write", "contents": "write", "id-token": "write"}
    # With these rights no code of the repository runs, and nothing that another machine changed is published.
    assert not [step for step in publish["steps"] if "checkout" in step.get("uses", "")]
    first, attest, last = publish["steps"][1:]
    assert "sha256sum --check SHA256SUMS" in first["run"]
    assert attest["with"] == {"subject-checksums": "release/SHA256SUMS"}
    assert "gh release create" in last["run"]


def test_a_deploy_is_started_by_a_person_for_an_environment() -> None:
    found = workflow("deploy")
    (trigger,) = found["on"]
    assert trigger == "workflow_dispatch"
    options = found["on"][trigger]["inputs"]["environment"]["options"]
    names = [environment.name for environment in OWN]
    assert options == names, (
        f"give `options` in .github/workflows/deploy.yml the environments' names: {names}"
    )
    assert found["concurrency"]["cancel-in-progress"] == "false"
    assert found["permissions"] == {}
    assert jobs("deploy")["plan"]["permissions"] == {"contents": "read", "id-token": "write"}
    assert jobs("deploy")["apply"]["permissions"] == {"id-token": "write"}


@pytest.mark.parametrize(("job", "kind", "suffix"), [("plan", "plan", "-plan"), ("apply", "deploy", "")])
def test_each_job_has_the_role_of_its_environment(job: str, kind: str, suffix: str) -> None:
    """The names that `tests/infrastructure/test_bootstrap.py` finds in the roles and their trust."""
    found = jobs("deploy")[job]
    assert found["environment"] == f"${{{{ inputs.environment }}}}{suffix}"
    (login,) = [step["with"] for step in found["steps"] if "configure-aws" in step.get("uses", "")]
    assert login["role-to-assume"] == (
        "arn:aws:iam::${{ vars.CATALOG_ACCOUNT_ID }}:role${{ vars.CATALOG_ROLE_PATH || '/' }}"
        f"product-catalog-{kind}-"
        "${{ inputs.environment }}"
    )
    assert login["allowed-account-ids"] == "${{ vars.CATALOG_ACCOUNT_ID }}"


def test_a_plan_has_the_boundary_of_the_repository_s_variable_or_ours() -> None:
    (expression,) = EXPRESSION.findall(jobs("deploy")["plan"]["env"]["CATALOG_PERMISSIONS_BOUNDARY"])
    own, _, ours = expression.partition(" || ")
    assert own == "vars.CATALOG_PERMISSIONS_BOUNDARY"
    assert ours == (
        "format('arn:aws:iam::{0}:policy{1}product-catalog-functions', "
        "vars.CATALOG_ACCOUNT_ID, vars.CATALOG_ROLE_PATH || '/')"
    )


def test_only_what_was_read_is_applied() -> None:
    """The job with the rights runs Terraform on a plan, and no code of the repository."""
    apply = jobs("deploy")["apply"]
    assert (apply["needs"], apply["if"]) == ("plan", "needs.plan.outputs.changes == 'true'")
    assert not [step for step in apply["steps"] if "checkout" in step.get("uses", "")]
    (script,) = [step["run"] for step in apply["steps"] if "run" in step]
    assert "apply -input=false plan\n" in script
    assert "auto-approve" not in script


@each_workflow
def test_no_key_is_stored(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text()
    assert "secrets." not in text
    assert "access-key" not in text
    for step in steps(name):
        if "checkout" in step.get("uses", ""):
            assert step["with"] == {"persist-credentials": "false"}


@each_workflow
def test_expressions_name_what_exists_and_are_in_no_script(name: str) -> None:
    ids = {step["id"] for step in steps(name) if "id" in step}
    outputs = {output for job in jobs(name).values() for output in job.get("outputs", ())}
    for expression in EXPRESSION.findall((FOLDER / f"{name}.yml").read_text()):
        context, *rest = expression.split(".")
        assert context in CONTEXTS
        if context == "steps":
            assert rest[0] in ids
            assert any(f"{rest[-1]}=" in step.get("run", "") for step in steps(name))
        if context == "needs":
            assert rest[-1] in outputs
    for step in steps(name):
        # An expression there is replaced before the shell reads it, quotes or not.
        assert not EXPRESSION.search(step.get("run", ""))


@each_workflow
def test_commands_exist(name: str) -> None:
    for step in steps(name):
        script = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z-]+)", script)) <= TARGETS
        assert all((PROJECT / path).is_file() for path in re.findall(r"\bbash (\S+)", script))
        assert all((PROJECT / module).is_dir() for module in re.findall(r"python -m (\w+)", script))
        checked = subprocess.run(["bash", "-n"], input=script, text=True, check=False)  # noqa: S607
        assert checked.returncode == 0


def test_terraform_is_one_version_that_the_stacks_accept() -> None:
    versions = {
        step["with"]["terraform_version"]
        for name in NAMES
        for step in steps(name)
        if "setup-terraform" in step.get("uses", "")
    }
    (version,) = versions
    assert tuple(map(int, version.split("."))) >= (1, 11)


AWS = """#!/bin/bash
[ "$1 $2 $3" = "s3 cp --only-show-errors" ] || exit 1
cp "${4/s3:\\/\\//$BUCKETS/}" "${5/s3:\\/\\//$BUCKETS/}"
"""


@pytest.mark.parametrize("changed", [False, True])
def test_the_plan_that_was_saved_is_applied_unless_it_was_changed(tmp_path: Path, *, changed: bool) -> None:
    """Run the scripts with a program in place of the AWS CLI and of Terraform."""
    tools = tmp_path / "tools"
    stack = tmp_path / "plan" / "cdktf.out" / "stacks" / "dev-stack"
    for folder in (tools, stack / ".terraform", tmp_path / "apply", tmp_path / "bucket"):
        folder.mkdir(parents=True)
    (stack / "plan").write_text("planned")
    (stack / ".terraform" / "provider").touch()
    for program, text in {"aws": AWS, "terraform": '#!/bin/bash\necho "$@" >> calls\n'}.items():
        (tools / program).write_text(text)
        (tools / program).chmod(0o755)
    variables = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "BUCKETS": str(tmp_path),
        "STACK": "dev-stack",
        "SAVED": "s3://bucket/1.tgz",
        "GITHUB_OUTPUT": str(tmp_path / "outputs"),
    }

    def run(job: str, **more: str) -> int:
        script = [step["run"] for step in jobs("deploy")[job]["steps"] if "run" in step][-1]
        return subprocess.run(  # noqa: S603
            ["bash", "-e", "-c", script],  # noqa: S607
            cwd=tmp_path / job,
            env=variables | more,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode

    assert run("plan") == 0
    name, _, sha256 = (tmp_path / "outputs").read_text().strip().partition("=")
    assert name == "sha256"
    if changed:
        with (tmp_path / "bucket" / "1.tgz").open("ab") as saved:
            saved.write(b"more")
    assert (run("apply", SHA256=sha256) == 0) == (not changed)
    calls = tmp_path / "apply" / "calls"
    if changed:
        assert not calls.exists()
        return
    assert calls.read_text().splitlines() == [
        "-chdir=dev-stack init -input=false -lockfile=readonly",
        "-chdir=dev-stack apply -input=false plan",
    ]
    assert (tmp_path / "apply" / "dev-stack" / "plan").read_text() == "planned"
    assert not (tmp_path / "apply" / "dev-stack" / ".terraform").exists()
