"""A replay of an archive that is too large for one machine: a distributed map over its objects (ADR 28)."""

import json
from typing import Any

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.cloudwatch_log_group import CloudwatchLogGroup
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.iam_role import IamRole
from cdktf_cdktf_provider_aws.iam_role_policy import IamRolePolicy
from cdktf_cdktf_provider_aws.sfn_state_machine import (
    SfnStateMachine,
    SfnStateMachineEncryptionConfiguration,
    SfnStateMachineLoggingConfiguration,
    SfnStateMachineTracingConfiguration,
)
from constructs import Construct

from stacks.archive import ARCHIVE_PREFIX, Archive
from stacks.cache import Cache
from stacks.code_assets import CodeAssets
from stacks.config.environments import Environment
from stacks.config.settings import REPLAY_POOL_SIZE, ReplaySettings
from stacks.credentials import Credentials
from stacks.database import Database
from stacks.encryption import decrypt_objects, decrypt_secrets, encrypt_executions, encrypt_objects
from stacks.endpoints import Endpoints
from stacks.function import PrivateFunction
from stacks.inventory_processor import variables
from stacks.migrations import Migrations
from stacks.network import Network
from stacks.policies import Statement, allow, allow_if, allow_service, arn_like, document, equals, matches
from stacks.quarantine import Quarantine

HANDLER = "processor.replay.handler"
RESULTS_PREFIX = "replays/"
_NEVER_RIGHT = ("EventError", "SettingsError")
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html: AWS knows no narrower resource.
_DELIVERIES = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
_TRACES = (
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)


class Replay(Construct):
    """A function that replays objects, and a state machine that gives it those under a prefix.

    `role_arn`: the function's role's. `state_machine_arn`: what an operator starts, with the input
    `{"prefix": "inventory/dt=2026-11-", "selection": {}}`; `selection` as in `processor/replay.py`.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        settings: ReplaySettings,
        account_id: str,
        network: Network,
        endpoints: Endpoints,
        code_assets: CodeAssets,
        archive: Archive,
        quarantine: Quarantine,
        database: Database,
        credentials: Credentials,
        cache: Cache,
        migrations: Migrations,
    ) -> None:
        super().__init__(scope, id_)
        self._config, self._settings = config, settings
        self._archive, self._quarantine = archive, quarantine
        function = PrivateFunction(
            self,
            "Private",
            config=config,
            network=network,
            endpoints=endpoints,
            code_assets=code_assets,
            base_name="inventory-replay",
            handler=HANDLER,
            timeout_seconds=settings.timeout_seconds,
            memory_mb=config.function.memory_mb,
            # The map's limit is one execution's, and two may run; the database's connections are one.
            reserved_concurrency=settings.concurrency,
            environment={
                **variables(config, archive, quarantine, database, credentials, cache),
                "DB_POOL_SIZE": str(REPLAY_POOL_SIZE),
            },
            statements=[
                allow("ReadArchive", ["s3:GetObject"], [archive.objects_arn]),
                *decrypt_objects(config, [archive.bucket_arn]),
                allow("ReadLogin", ["secretsmanager:GetSecretValue"], [credentials.secret_arn]),
                *decrypt_secrets(config, [credentials.secret_arn]),
                cache.connect_statement(cache.processor),
            ],
            connects_to=[endpoints.s3, endpoints.secrets, database.listener, cache.listener],
            depends_on=[migrations.invocation],
        )
        self.role_arn = function.role_arn
        self._results_arn = f"{quarantine.bucket_arn}/{RESULTS_PREFIX}*"
        self._name = config.physical_name("inventory-replay")
        # Of Step Functions' own ARNs, too: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
        self._states = f"arn:{DataAwsPartition(self, 'Partition').partition}:states"
        # The role needs the ARN before there is a state machine.
        self.state_machine_arn = f"{self._states}:{config.region}:{account_id}:stateMachine:{self._name}"
        self._executions_arn = self.state_machine_arn.replace(":stateMachine:", ":execution:")
        logs = self._create_logs()
        role = self._create_role(account_id)
        rights = IamRolePolicy(
            self,
            "Rights",
            name="rights",
            role=role.name,
            policy=document(self, "May", self._statements(function.arn)),
        )
        self._create_state_machine(function.arn, role, logs, rights)

    def _create_logs(self) -> CloudwatchLogGroup:
        return CloudwatchLogGroup(
            self,
            "Logs",
            name=f"/aws/vendedlogs/states/{self._name}",
            retention_in_days=self._config.logs.retention_days,
            kms_key_id=self._config.encryption_key_arn,
            lifecycle=TerraformResourceLifecycle(prevent_destroy=self._config.is_kept),
        )

    def start_statements(self) -> list[Statement]:
        """Return what an operator needs to start a replay, to follow or stop it, and to read its results."""
        return [
            allow("StartReplay", ["states:StartExecution"], [self.state_machine_arn]),
            allow(
                "FollowReplay",
                ["states:DescribeExecution", "states:StopExecution"],
                [f"{self._executions_arn}:*"],
            ),
            allow("ReadResults", ["s3:GetObject"], [self._results_arn]),
            *encrypt_executions(self._config, self.state_machine_arn),
        ]

    def _create_role(self, account_id: str) -> IamRole:
        ours = [equals("aws:SourceAccount", account_id), arn_like("aws:SourceArn", self.state_machine_arn)]
        assume = allow_service("Assume", "states.amazonaws.com", ["sts:AssumeRole"], conditions=ours)
        return IamRole(
            self,
            "Role",
            name=self._config.physical_name("inventory-replay-map-role"),
            assume_role_policy=document(self, "Trust", [assume]),
        )

    def _statements(self, function_arn: str) -> list[Statement]:
        """Return what a distributed map needs.

        https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        archive, quarantine = self._archive, self._quarantine
        executions = self._executions_arn
        return [
            allow("Invoke", ["lambda:InvokeFunction"], [function_arn]),
            allow_if(
                "ListArchive",
                ["s3:ListBucket"],
                [archive.bucket_arn],
                [matches("s3:prefix", f"{ARCHIVE_PREFIX}*")],
            ),
            allow(
                "WriteResults",
                ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
                [self._results_arn],
            ),
            *encrypt_objects(self._config, [quarantine.bucket_arn]),
            *decrypt_objects(self._config, [quarantine.bucket_arn]),
            *encrypt_executions(self._config, self.state_machine_arn),
            allow("StartChildren", ["states:StartExecution"], [self.state_machine_arn]),
            # A child's execution is `<state machine>/<label of the map>:<id>`.
            allow(
                "FollowChildren",
                ["states:DescribeExecution", "states:StopExecution"],
                [f"{executions}:*", f"{executions}/*"],
            ),
            allow("Log", _DELIVERIES, ["*"]),
            allow("Trace", _TRACES, ["*"]),
        ]

    def _create_state_machine(
        self, function_arn: str, role: IamRole, logs: CloudwatchLogGroup, rights: IamRolePolicy
    ) -> None:
        key = self._config.encryption_key_arn
        SfnStateMachine(
            self,
            "Map",
            name=self._name,
            role_arn=role.arn,
            type="STANDARD",
            definition=json.dumps(self._definition(function_arn)),
            logging_configuration=SfnStateMachineLoggingConfiguration(
                log_destination=f"{logs.arn}:*", level="ALL", include_execution_data=True
            ),
            tracing_configuration=SfnStateMachineTracingConfiguration(enabled=True),
            encryption_configuration=None
            if key is None
            else SfnStateMachineEncryptionConfiguration(
                type="CUSTOMER_MANAGED_KMS_KEY", kms_key_id=key, kms_data_key_reuse_period_seconds=900
            ),
            depends_on=[rights],
        )

    def _definition(self, function_arn: str) -> dict[str, Any]:
        """Return the map: no batch may fail, and each is tried again for as long as it could help."""
        replay = {
            "Type": "Task",
            "Resource": f"{self._states}:::lambda:invoke",
            "Parameters": {"FunctionName": function_arn, "Payload.$": "$"},
            "OutputPath": "$.Payload",
            "TimeoutSeconds": self._settings.timeout_seconds + 30,
            "Retry": [
                {"ErrorEquals": list(_NEVER_RIGHT), "MaxAttempts": 0},
                {
                    "ErrorEquals": ["States.ALL"],
                    "IntervalSeconds": 5,
                    "BackoffRate": 2,
                    "MaxDelaySeconds": 120,
                    "MaxAttempts": 8,
                    "JitterStrategy": "FULL",
                },
            ],
            "End": True,
        }
        objects = {
            "Type": "Map",
            "Label": "Objects",
            "ItemReader": {
                "Resource": f"{self._states}:::s3:listObjectsV2",
                "Parameters": {"Bucket": self._archive.bucket_name, "Prefix.$": "$.prefix"},
            },
            "ItemSelector": {
                "bucket": self._archive.bucket_name,
                "key.$": "$$.Map.Item.Value.Key",
            },
            "ItemBatcher": {
                "MaxItemsPerBatch": self._settings.objects_per_invocation,
                "BatchInput": {"selection.$": "$.selection"},
            },
            "MaxConcurrency": self._settings.concurrency,
            "ToleratedFailurePercentage": 0,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "ReplayObjects",
                "States": {"ReplayObjects": replay},
            },
            "ResultWriter": {
                "Resource": f"{self._states}:::s3:putObject",
                "Parameters": {"Bucket": self._quarantine.bucket_name, "Prefix": RESULTS_PREFIX.rstrip("/")},
            },
            "End": True,
        }
        return {
            "Comment": "Applies the updates of the archive's objects under a prefix to the catalog again.",
            "StartAt": "Objects",
            "States": {"Objects": objects},
        }
