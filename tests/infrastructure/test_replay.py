"""The state machine of a replay, which no shipped environment has."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stacks.config.settings import SettingsError
from tests.support.environments import DEV
from tests.support.synthesized import (
    KEY,
    MISCONFIGURED,
    REPLAY,
    REPLAYING,
    Stack,
    read_stacks,
    synthesize_replaying,
)

ACCOUNT = "${data.aws_caller_identity.Account.account_id}"
STATES = "arn:${data.aws_partition.Replay_Partition.partition}:states"
ARN = f"{STATES}:us-east-1:{ACCOUNT}:stateMachine:inventory-replay-dev"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Stack with a replay and a key of the team's."""
    if folder := os.environ.get(MISCONFIGURED):
        return read_stacks(Path(folder) / REPLAYING)[DEV.name]
    return synthesize_replaying(tmp_path_factory.mktemp(REPLAYING))[DEV.name]


def statements(stack: Stack, logical_id: str) -> dict[str, Any]:
    """Return the statements of a policy by their name."""
    found = stack.named("aws_iam_policy_document", logical_id)["statement"]
    return {statement["sid"]: statement for statement in found}


def definition(stack: Stack) -> Any:
    """Return the map."""
    return json.loads(stack.only("aws_sfn_state_machine")["definition"])["States"]["Objects"]


def test_no_shipped_environment_has_it(stacks: dict[str, Stack]) -> None:
    for each in stacks.values():
        assert not each.all("aws_sfn_state_machine")
        assert "ReplayStateMachineArn" not in each.document["output"]


def test_the_map_reads_the_archive_and_tolerates_no_failure(stack: Stack) -> None:
    objects = definition(stack)
    assert objects["ItemReader"]["Resource"] == f"{STATES}:::s3:listObjectsV2"
    assert objects["ItemReader"]["Parameters"]["Prefix.$"] == "$.prefix"
    assert objects["ItemSelector"]["key.$"] == "$$.Map.Item.Value.Key"
    assert objects["ItemBatcher"] == {
        "MaxItemsPerBatch": 50,
        "BatchInput": {"selection.$": "$.selection"},
    }
    assert (objects["MaxConcurrency"], objects["ToleratedFailurePercentage"]) == (4, 0)
    assert objects["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    never, retried = objects["ItemProcessor"]["States"]["ReplayObjects"]["Retry"]
    assert (never["ErrorEquals"], never["MaxAttempts"]) == (["EventError", "SettingsError"], 0)
    assert (retried["ErrorEquals"], retried["MaxAttempts"]) == (["States.ALL"], 8)


def test_the_function_runs_the_replay_with_one_connection(stack: Stack) -> None:
    function = stack.named("aws_lambda_function", "Replay_Private_Function")
    assert function["handler"] == "processor.replay.handler"
    assert (function["reserved_concurrent_executions"], function["timeout"]) == (4, 300)
    variables = function["environment"]["variables"]
    processors = stack.named("aws_lambda_function", "Processor_Private_Function")["environment"]["variables"]
    assert variables == processors | {"DB_POOL_SIZE": "1"}


def test_rights_of_the_function(stack: Stack) -> None:
    found = statements(stack, "Replay_Private_May")
    archive = "${aws_s3_bucket.Archive_Private_Bucket.arn}"
    assert found["ReadArchive"]["actions"] == ["s3:GetObject"]
    assert found["ReadArchive"]["resources"] == [f"{archive}/inventory/*"]
    written = [each for each in found.values() if any("s3:Put" in action for action in each["actions"])]
    assert not written
    assert found["DecryptObjects"]["actions"] == ["kms:Decrypt"]


def test_rights_of_the_state_machine(stack: Stack) -> None:
    found = statements(stack, "Replay_May")
    everywhere = {sid for sid, each in found.items() if each["resources"] == ["*"]}
    assert everywhere == {"Log", "Trace"}
    assert found["Invoke"]["resources"] == ["${aws_lambda_function.Replay_Private_Function.arn}"]
    assert found["ListArchive"]["condition"] == [
        {"test": "StringLike", "values": ["inventory/*"], "variable": "s3:prefix"}
    ]
    assert found["StartChildren"]["resources"] == [ARN]
    assert found["WriteResults"]["resources"] == ["${aws_s3_bucket.Quarantine_Private_Bucket.arn}/replays/*"]
    trust = statements(stack, "Replay_Trust")["Assume"]
    assert trust["principals"] == [{"identifiers": ["states.amazonaws.com"], "type": "Service"}]
    assert {each["variable"] for each in trust["condition"]} == {"aws:SourceAccount", "aws:SourceArn"}


def test_operators_who_may_replay_start_it_and_read_its_results(stack: Stack) -> None:
    found = statements(stack, "Operators_ReplayMay")
    assert (found["StartReplay"]["actions"], found["StartReplay"]["resources"]) == (
        ["states:StartExecution"],
        [ARN],
    )
    assert found["FollowReplay"]["actions"] == ["states:DescribeExecution", "states:StopExecution"]
    assert found["FollowReplay"]["resources"] == [f"{ARN.replace(':stateMachine:', ':execution:')}:*"]
    assert found["ReadResults"]["actions"] == ["s3:GetObject"]
    assert found["ReadResults"]["resources"] == ["${aws_s3_bucket.Quarantine_Private_Bucket.arn}/replays/*"]
    assert found["EncryptExecutions"]["resources"] == [KEY]


def test_executions_are_logged_traced_and_encrypted(stack: Stack) -> None:
    machine = stack.only("aws_sfn_state_machine")
    assert machine["logging_configuration"]["level"] == "ALL"
    assert machine["tracing_configuration"] == {"enabled": True}
    assert machine["encryption_configuration"]["kms_key_id"] == KEY
    logs = stack.named("aws_cloudwatch_log_group", "Replay_Logs")
    assert (logs["kms_key_id"], logs["retention_in_days"]) == (KEY, DEV.logs.retention_days)


def test_the_endpoint_lets_the_function_read_the_archive_only(stack: Stack) -> None:
    found = statements(stack, "Endpoints_S3Access")
    assert found["Read"]["resources"] == ["${aws_s3_bucket.Archive_Private_Bucket.arn}/inventory/*"]
    (others,) = found["Others"]["condition"][1:]
    assert "${aws_iam_role.Replay_Private_Role.arn}" in others["values"]


def test_its_connections_count() -> None:
    allowed = DEV.allowed_connections - DEV.most_connections
    fits = replace(REPLAY, concurrency=allowed // 2)
    assert replace(DEV, replay=fits).most_connections <= DEV.allowed_connections
    with pytest.raises(SettingsError, match=r"of which replay\.concurrency takes"):
        replace(DEV, replay=replace(fits, concurrency=allowed // 2 + 1))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"replay\.timeout_seconds is 901; accepted: 60 to 900"):
        replace(REPLAY, timeout_seconds=901)
