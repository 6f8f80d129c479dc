"""What Terraform and the AWS provider plan for a stack that is deployed already.

These tests are skipped where Terraform or the provider is missing.
"""

from pathlib import Path

from tests.support.stub_rds import stub_rds
from tests.support.synthesized import Stack
from tests.support.terraform_runs import configuration, terraform_run


def test_the_parameter_group_has_no_change_after_it_was_applied(
    readable: dict[str, Stack], tmp_path: Path
) -> None:
    group = dict(readable["prod"].only("aws_db_parameter_group"))
    with terraform_run(tmp_path) as run, stub_rds() as rds:
        provider = {"endpoints": [{"rds": rds.endpoint_url}]}
        run.configure(configuration(provider, {"aws_db_parameter_group": {"parameters": group}}))
        run.run("apply", "-auto-approve")
        run.run("plan", "-detailed-exitcode", expected=0)
