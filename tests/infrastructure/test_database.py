import json
import re
from dataclasses import replace

import pytest

from stacks.database import parameters
from tests.support.environments import DEV
from tests.support.synthesized import Stack

PRIVATE_SUBNETS = [
    f"${{aws_route_table_association.Network_Private{zone}RoutesOf.subnet_id}}" for zone in (1, 2, 3)
]
ROLES = {"Writer": "inventory_processor", "Reader": "product_shop"}
SECRETS = {"Writer": "product-catalog-db-credentials", "Reader": "product-catalog-db-reader"}


@pytest.mark.parametrize(
    ("argument", "dev", "staging", "prod"),
    [
        ("engine", "postgres", "postgres", "postgres"),
        ("engine_version", "18", "18", "18"),
        ("auto_minor_version_upgrade", True, True, True),
        ("instance_class", "db.t4g.micro", "db.t4g.small", "db.m7g.large"),
        ("identifier", "product-catalog-dev", "product-catalog-staging", "product-catalog-prod"),
        ("db_name", "productcatalog", "productcatalog", "productcatalog"),
        ("port", 5432, 5432, 5432),
        ("username", "postgres", "postgres", "postgres"),
        ("manage_master_user_password", True, True, True),
        ("publicly_accessible", False, False, False),
        ("storage_encrypted", True, True, True),
        ("storage_type", "gp3", "gp3", "gp3"),
        ("allocated_storage", 20, 20, 20),
        ("max_allocated_storage", 100, 100, 100),
        ("copy_tags_to_snapshot", True, True, True),
        ("multi_az", False, False, True),
        ("backup_retention_period", 0, 1, 14),
        ("delete_automated_backups", True, False, False),
        ("deletion_protection", False, False, True),
        ("skip_final_snapshot", True, False, False),
        ("apply_immediately", True, True, False),
        ("database_insights_mode", "standard", "standard", "advanced"),
        ("performance_insights_enabled", False, False, True),
        # The advanced mode accepts no other.
        ("performance_insights_retention_period", None, None, 465),
        ("enabled_cloudwatch_logs_exports", None, ["postgresql", "upgrade"], ["postgresql", "upgrade"]),
    ],
)
def test_the_instance(
    readable: dict[str, Stack], argument: str, dev: object, staging: object, prod: object
) -> None:
    found = [readable[name].only("aws_db_instance").get(argument) for name in ("dev", "staging", "prod")]
    assert found == [dev, staging, prod]


@pytest.mark.parametrize(("name", "zones"), [("dev", 2), ("staging", 2), ("prod", 3)])
def test_the_instance_is_in_the_private_subnets(readable: dict[str, Stack], name: str, zones: int) -> None:
    stack = readable[name]
    instance = stack.only("aws_db_instance")
    assert instance["db_subnet_group_name"] == "${aws_db_subnet_group.Database_Subnets.name}"
    assert stack.only("aws_db_subnet_group")["subnet_ids"] == PRIVATE_SUBNETS[:zones]
    assert instance["vpc_security_group_ids"] == ["${aws_security_group.Database_Group.id}"]


def test_parameters(stack: Stack) -> None:
    group = stack.only("aws_db_parameter_group")
    reference = stack.only("aws_db_instance")["parameter_group_name"]
    assert reference == "${aws_db_parameter_group.Database_Parameters.name}"
    assert group["family"] == "postgres18"
    assert {parameter["name"]: parameter["value"] for parameter in group["parameter"]} == {
        "rds.force_ssl": "1",
        "password_encryption": "scram-sha-256",
        # In milliseconds.
        "client_connection_check_interval": "1000",
        "idle_session_timeout": "900000",
        "idle_in_transaction_session_timeout": "60000",
    }
    assert [parameter["apply_method"] for parameter in group["parameter"]] == [
        "pending-reboot" if parameter["name"] in ("rds.force_ssl", "password_encryption") else "immediate"
        for parameter in group["parameter"]
    ]


@pytest.mark.parametrize("version", ["17", "18"])
def test_a_parameter_at_its_familys_default_is_applied_as_rds_reports_it(version: str) -> None:
    """RDS reports `pending-reboot` for every default; `immediate` would be a change in every plan."""
    defaults = {"rds.force_ssl", "password_encryption"}
    found = parameters(replace(DEV.database, engine_version=version))
    methods = {parameter.name: parameter.apply_method for parameter in found}
    assert {name for name, method in methods.items() if method == "pending-reboot"} == defaults
    assert {method for name, method in methods.items() if name not in defaults} == {"immediate"}


def test_another_major_version_gets_its_parameter_group_before_the_old_one_is_deleted(stack: Stack) -> None:
    group = stack.only("aws_db_parameter_group")
    assert group["lifecycle"] == {"create_before_destroy": True}
    assert "postgres18" in group["name"]


@pytest.mark.parametrize(("name", "days"), [("staging", 30), ("prod", 365)])
def test_exported_logs_expire(readable: dict[str, Stack], name: str, days: int) -> None:
    stack = readable[name]
    groups = stack.all("aws_cloudwatch_log_group")
    for log in stack.only("aws_db_instance")["enabled_cloudwatch_logs_exports"]:
        group = groups[f"Database_{log.title()}Log"]
        assert group["name"] == f"/aws/rds/instance/product-catalog-{name}/{log}"
        assert group["retention_in_days"] == days


@pytest.mark.parametrize("part", ROLES)
@pytest.mark.parametrize(("name", "recovery_days"), [("dev", 0), ("staging", 0), ("prod", 30)])
def test_only_prods_secrets_have_a_recovery_window(
    readable: dict[str, Stack], name: str, recovery_days: int, part: str
) -> None:
    secret = readable[name].named("aws_secretsmanager_secret", f"{part}_Secret")
    assert secret["name"] == f"{SECRETS[part]}-{name}"
    assert secret["recovery_window_in_days"] == recovery_days


@pytest.mark.parametrize("part", ROLES)
def test_logins_are_written_but_not_kept_in_the_state(stack: Stack, part: str) -> None:
    version = stack.named("aws_secretsmanager_secret_version", f"{part}_Version")
    assert version["secret_id"] == f"${{aws_secretsmanager_secret.{part}_Secret.id}}"
    assert version["secret_string_wo_version"] == 1
    assert not {"secret_string", "secret_binary"} & set(version)
    assert json.loads(version["secret_string_wo"]) == {
        "engine": "postgres",
        "host": "${aws_db_instance.Database_Instance.address}",
        "port": 5432,
        "dbname": "productcatalog",
        "username": ROLES[part],
        "password": f"${{ephemeral.aws_secretsmanager_random_password.{part}Password.random_password}}",
    }


def test_every_login_has_its_own_password(stack: Stack) -> None:
    assert set(stack.all("aws_secretsmanager_secret")) == {f"{part}_Secret" for part in ROLES}
    assert stack.document["ephemeral"] == {
        "aws_secretsmanager_random_password": {
            # Punctuation would have to be escaped inside the secret's JSON.
            f"{part}Password": {"password_length": 32, "exclude_punctuation": True}
            for part in ROLES
        }
    }


def test_no_password_is_in_the_stack(stack: Stack) -> None:
    """Only references to ephemeral values, which are never in Terraform's state."""
    for kind, logical_id, body in stack.blocks():
        assert not {"password", "passwords", "password_wo", "auth_token"} & set(body), f"{kind}.{logical_id}"
    mentions = [text for text in stack.strings() if 'password"' in text.lower()]
    passwords = [password for text in mentions for password in re.findall(r'"password": "([^"]*)"', text)]
    assert len(passwords) == len(mentions) == len(ROLES)
    for password in passwords:
        assert password.startswith("${ephemeral.aws_secretsmanager_random_password.")


def test_only_where_insights_are_on_are_operators_sent_there(stack: Stack) -> None:
    instance = stack.only("aws_db_instance")
    on = instance["database_insights_mode"] == "advanced"
    alarm = stack.named("aws_cloudwatch_metric_alarm", "Alarms_DatabaseCpu")["alarm_description"]
    dashboard = stack.only("aws_cloudwatch_dashboard")["dashboard_body"]
    for text in (alarm, dashboard):
        assert ("its top statements in Database Insights" in text) is on
        assert ("pg_stat_activity (Database Insights is off here)" in text) is not on
