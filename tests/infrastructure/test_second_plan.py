"""What Terraform and the AWS provider plan for a stack that is deployed already.

These tests are skipped where Terraform or the provider is missing.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.test_bootstrap import ACCOUNT
from tests.support.stub_rds import stub_rds
from tests.support.synthesized import KEY, Stack
from tests.support.terraform_runs import configuration, terraform_run


def test_the_parameter_group_has_no_change_after_it_was_applied(
    readable: dict[str, Stack], tmp_path: Path
) -> None:
    group = dict(readable["prod"].only("aws_db_parameter_group"))
    with stub_rds() as rds, terraform_run(tmp_path, endpoint_urls={"rds": rds.endpoint_url}) as run:
        run.configure(configuration({"aws_db_parameter_group": {"parameters": group}}))
        run.run("apply", "-auto-approve")
        run.run("plan", "-detailed-exitcode", expected=0)


def test_a_cache_that_aws_upgraded_is_not_replaced(readable: dict[str, Stack], tmp_path: Path) -> None:
    """The provider plans a replacement where the settings' version is lower than the running one."""
    kind = "aws_elasticache_replication_group"
    group = {**readable["dev"].only(kind)}
    # Of other resources, which are not part of this configuration.
    group |= {"subnet_group_name": "subnets", "security_group_ids": ["sg-1"], "user_group_ids": ["users"]}
    named = json.loads(
        json.dumps(readable["dev"].document["check"]).replace("Cache_ReplicationGroup", "cache")
    )
    deployed = {
        **{name: value for name, value in group.items() if name not in ("//", "lifecycle")},
        "id": group["replication_group_id"],
        "engine_version": "8.2",
        "engine_version_actual": "8.2.0",
        # What would force a replacement if it were unknown.
        "data_tiering_enabled": False,
        "global_replication_group_id": "",
        "network_type": "ipv4",
        "security_group_names": [],
    }
    with terraform_run(tmp_path) as run:
        run.configure(configuration({kind: {"cache": group}}) | {"check": named})
        (tmp_path / "terraform.tfstate").write_text(json.dumps(state(kind, "cache", deployed)))
        planned = run.run("plan", "-refresh=false")
    assert "must be replaced" not in planned
    assert "The cache runs Valkey 8.2, and cache.engine_version is 8.1." in planned


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        (
            "aws_db_instance",
            {
                "db_subnet_group_name": "subnets",
                "final_snapshot_identifier": "final",
                "monitoring_role_arn": f"arn:aws:iam::{ACCOUNT}:role/monitoring",
                "parameter_group_name": "parameters",
                "vpc_security_group_ids": ["sg-1"],
            },
        ),
        (
            "aws_elasticache_replication_group",
            {"security_group_ids": ["sg-1"], "subnet_group_name": "subnets", "user_group_ids": ["users"]},
        ),
    ],
)
def test_prod_refuses_another_key_where_it_would_replace_what_is_kept(
    encrypted: dict[str, Stack], tmp_path: Path, kind: str, others: dict[str, Any]
) -> None:
    block = {**encrypted["prod"].only(kind), **others}
    del block["//"]
    block.pop("depends_on", None)
    earlier = {name: value for name, value in block.items() if name != "lifecycle"}
    earlier |= {"id": "deployed", "kms_key_id": KEY.replace("1234abcd", "abcd1234")}
    with terraform_run(tmp_path) as run:
        run.configure(configuration({kind: {"kept": block}}))
        (tmp_path / "terraform.tfstate").write_text(json.dumps(state(kind, "kept", earlier)))
        refused = " ".join(run.run("plan", "-refresh=false", expected=1).split())
    assert "Instance cannot be destroyed" in refused
    assert f"Resource {kind}.kept has lifecycle.prevent_destroy set" in refused


def state(kind: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a Terraform state with one resource."""
    return {
        "version": 4,
        "terraform_version": "1.11.0",
        "serial": 1,
        "lineage": "test",
        "outputs": {},
        "resources": [
            {
                "mode": "managed",
                "type": kind,
                "name": name,
                "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
                "instances": [{"schema_version": 2, "attributes": attributes}],
            }
        ],
    }
