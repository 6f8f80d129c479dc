from copy import deepcopy
from typing import Any

import pytest

from tests.support.synthesized import Stack

PROCESSOR = "Processor_Private_Function"
MIGRATIONS = "Migrations_Private_Function"
BASE_NAMES = {PROCESSOR: "inventory-processor", MIGRATIONS: "inventory-migrations"}
NAMES = ("dev", "staging", "prod")


@pytest.mark.parametrize(
    ("function", "argument", "dev", "staging", "prod"),
    [
        (PROCESSOR, "handler", *["processor.handler.handler"] * 3),
        (PROCESSOR, "timeout", 60, 60, 60),
        (PROCESSOR, "memory_size", 512, 1024, 1024),
        # None: new accounts have 10 in total.
        (PROCESSOR, "reserved_concurrent_executions", None, 4, 10),
        (MIGRATIONS, "handler", *["processor.migrate.handler"] * 3),
        (MIGRATIONS, "timeout", 300, 300, 300),
        (MIGRATIONS, "memory_size", 512, 512, 512),
        (MIGRATIONS, "reserved_concurrent_executions", None, None, None),
    ],
)
def test_environments_differ(
    readable: dict[str, Stack], function: str, argument: str, dev: object, staging: object, prod: object
) -> None:
    functions = [readable[name].named("aws_lambda_function", function) for name in NAMES]
    assert [found.get(argument) for found in functions] == [dev, staging, prod]


@pytest.mark.parametrize(("name", "zones", "log_days"), [("dev", 2, 7), ("staging", 2, 30), ("prod", 3, 365)])
@pytest.mark.parametrize("function", BASE_NAMES)
def test_every_function(
    readable: dict[str, Stack], name: str, zones: int, log_days: int, function: str
) -> None:
    stack = readable[name]
    part = function.removesuffix("_Function")
    found = stack.named("aws_lambda_function", function)
    assert found["function_name"] == f"{BASE_NAMES[function]}-{name}"
    assert found["runtime"] == "python3.13"
    assert found["architectures"] == ["arm64"]
    assert found["layers"] == ["${aws_lambda_layer_version.Packages_Layer.arn}"]
    assert found["role"] == f"${{aws_iam_role.{part}_Role.arn}}"
    assert found["tracing_config"] == {"mode": "Active"}
    assert found["vpc_config"] == {
        "subnet_ids": [
            f"${{aws_route_table_association.Network_Private{zone + 1}RoutesOf.subnet_id}}"
            for zone in range(zones)
        ],
        "security_group_ids": [f"${{aws_security_group.{part}_Group.id}}"],
    }
    assert found["logging_config"] == {
        # Lambda's JSON format would wrap our output, and CloudWatch would find no metrics in it.
        "log_format": "Text",
        "log_group": f"${{aws_cloudwatch_log_group.{part}_Logs.name}}",
    }
    logs = stack.named("aws_cloudwatch_log_group", f"{part}_Logs")
    assert logs["name"] == f"/aws/lambda/{BASE_NAMES[function]}-{name}"
    assert logs["retention_in_days"] == log_days


def test_functions_have_no_dead_letter_queue(stack: Stack) -> None:
    """The event source mapping keeps failed batches, and the schedule invokes again."""
    assert set(stack.all("aws_lambda_function")) == set(BASE_NAMES)
    for function in stack.all("aws_lambda_function").values():
        assert "dead_letter_config" not in function


def test_every_function_has_its_own_role(stack: Stack) -> None:
    roles = [function["role"] for function in stack.all("aws_lambda_function").values()]
    assert len(set(roles)) == len(roles) == len(BASE_NAMES)


@pytest.mark.parametrize("name", [*NAMES, "pr-42"])
def test_variables_of_the_processor(readable: dict[str, Stack], name: str) -> None:
    function = readable[name].named("aws_lambda_function", PROCESSOR)
    cache = "aws_elasticache_replication_group.Cache_ReplicationGroup"
    assert function["environment"]["variables"] == {
        "ENVIRONMENT_SUFFIX": name,
        "ARCHIVE_BUCKET": "${aws_s3_bucket.Archive_Private_Bucket.bucket}",
        "QUARANTINE_BUCKET": "${aws_s3_bucket.Quarantine_Private_Bucket.bucket}",
        "DB_SECRET_ARN": "${aws_secretsmanager_secret.Writer_Secret.arn}",
        **database_variables(),
        "DB_POOL_SIZE": "3",
        "REDIS_ENDPOINT": f"${{{cache}.primary_endpoint_address}}",
        "REDIS_PORT": "6379",
        "REDIS_TLS": "true",
        "REDIS_AUTH": "iam",
        "REDIS_USERNAME": "${aws_elasticache_user.Cache_Processor_User.user_name}",
        "REDIS_CLUSTER_ID": f"${{{cache}.replication_group_id}}",
    }


def test_variables_of_the_migrations(stack: Stack) -> None:
    function = stack.named("aws_lambda_function", MIGRATIONS)
    assert function["environment"]["variables"] == {
        "DB_ADMIN_SECRET_ARN": "${aws_db_instance.Database_Instance.master_user_secret[0].secret_arn}",
        "DB_SECRET_ARN": "${aws_secretsmanager_secret.Writer_Secret.arn}",
        "DB_READER_SECRET_ARN": "${aws_secretsmanager_secret.Reader_Secret.arn}",
        **database_variables(),
    }


def database_variables() -> dict[str, str]:
    return {
        "DB_HOST": "${aws_db_instance.Database_Instance.address}",
        "DB_PORT": "5432",
        "DB_NAME": "productcatalog",
        "DB_TLS": "verify-full",
    }


@pytest.mark.parametrize(
    ("argument", "dev", "staging", "prod"),
    [
        ("event_source_arn", *["${aws_kinesis_stream.Stream.arn}"] * 3),
        ("function_name", *["${aws_lambda_function.Processor_Private_Function.arn}"] * 3),
        ("starting_position", *["TRIM_HORIZON"] * 3),
        ("batch_size", 100, 500, 1000),
        ("maximum_batching_window_in_seconds", 5, 5, 5),
        ("parallelization_factor", 1, 1, 2),
        ("function_response_types", *[["ReportBatchItemFailures"]] * 3),
        ("bisect_batch_on_function_error", *[True] * 3),
        ("maximum_record_age_in_seconds", *[86_400] * 3),
        # Until the maximum age.
        ("maximum_retry_attempts", *[-1] * 3),
        (
            "destination_config",
            *[{"on_failure": {"destination_arn": "${aws_s3_bucket.Quarantine_Private_Bucket.arn}"}}] * 3,
        ),
        ("metrics_config", *[{"metrics": ["EventCount"]}] * 3),
        ("enabled", *[None] * 3),
        ("filter_criteria", *[None] * 3),
        ("tumbling_window_in_seconds", *[None] * 3),
    ],
)
def test_the_event_source_mapping(
    readable: dict[str, Stack], argument: str, dev: object, staging: object, prod: object
) -> None:
    mappings = [readable[name].only("aws_lambda_event_source_mapping") for name in NAMES]
    assert [mapping.get(argument) for mapping in mappings] == [dev, staging, prod]


def test_records_outlive_their_maximum_age(stack: Stack) -> None:
    retention_seconds = stack.only("aws_kinesis_stream")["retention_period"] * 60 * 60
    assert retention_seconds > stack.only("aws_lambda_event_source_mapping")["maximum_record_age_in_seconds"]


def test_pending_invalidations_are_drained_every_minute(stack: Stack) -> None:
    rule = stack.only("aws_cloudwatch_event_rule")
    assert rule["schedule_expression"] == "rate(1 minute)"
    assert rule.get("state", "ENABLED") == "ENABLED"
    target = stack.only("aws_cloudwatch_event_target")
    # Another id would replace the target, or the permission: for a moment nothing drains.
    assert target["target_id"] == "processor"
    assert target["rule"] == "${aws_cloudwatch_event_rule.Drain_Schedule.name}"
    assert target["arn"] == "${aws_lambda_function.Processor_Private_Function.arn}"
    permission = stack.only("aws_lambda_permission")
    assert permission["statement_id"] == "Schedule"
    assert permission["principal"] == "events.amazonaws.com"
    assert permission["action"] == "lambda:InvokeFunction"
    assert permission["source_arn"] == "${aws_cloudwatch_event_rule.Drain_Schedule.arn}"
    assert permission["function_name"] == "${aws_lambda_function.Processor_Private_Function.function_name}"
    late = stack.only("aws_lambda_function_event_invoke_config")
    assert late["function_name"] == permission["function_name"]
    assert (late["maximum_retry_attempts"], late["maximum_event_age_in_seconds"]) == (0, 60)


def test_the_layer(stack: Stack, prod_from_ci: Stack) -> None:
    for found, architecture in ((stack, "arm64"), (prod_from_ci, "x86_64")):
        layer = found.only("aws_lambda_layer_version")
        assert layer["compatible_architectures"] == [architecture]
        assert layer["compatible_runtimes"] == ["python3.13"]
        assert layer["filename"].endswith(f"/layer-{architecture}.zip")
        # The functions use the new version before the old one is deleted.
        assert layer["lifecycle"] == {"create_before_destroy": True}


def test_the_architecture_of_all_functions_is_chosen(prod_from_ci: Stack) -> None:
    functions = prod_from_ci.all("aws_lambda_function").values()
    assert [function["architectures"] for function in functions] == [["x86_64"], ["x86_64"]]


def test_changed_deployment_packages_have_another_hash(stack: Stack) -> None:
    """SHA-256 in base64, as Lambda reports it: `openssl dgst -sha256 -binary | base64`."""
    for function in stack.all("aws_lambda_function").values():
        assert function["filename"].endswith("/code.zip")
        assert function["source_code_hash"] == "JuoIlK19xhWlSLBfEW8HamerY/BkUhdOJDjbcWOTxeE="
    layer = stack.only("aws_lambda_layer_version")
    assert layer["source_code_hash"] == "KSKxj4e1EZeIsqSUq2sA22pNx0yQROkiMKEboSDb9QA="


def test_without_a_layer_only_a_precondition_that_fails_is_added(
    readable: dict[str, Stack], unlayered_dev: Stack
) -> None:
    def without_layer(stack: Stack) -> dict[str, Any]:
        resources = {**stack.document["resource"]}
        del resources["aws_lambda_layer_version"]
        return {**stack.document, "resource": resources}

    assert without_layer(unlayered_dev) == without_layer(readable["dev"])
    layer = deepcopy(dict(unlayered_dev.only("aws_lambda_layer_version")))
    (refusal,) = layer["lifecycle"]["precondition"]
    assert refusal["condition"] == '${fileexists("${path.module}/layer-that-is-not-built.zip")}'
    assert refusal["error_message"].startswith("The layer for arm64 was not built")
    assert refusal["error_message"].endswith("Run: make package, then deploy again.")
    built = dict(readable["dev"].only("aws_lambda_layer_version"))
    assert layer.pop("filename") == "layer-that-is-not-built.zip"
    del layer["lifecycle"]["precondition"], built["filename"], built["source_code_hash"]
    assert layer == built
