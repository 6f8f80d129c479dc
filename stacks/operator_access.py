"""Access for operators of the program `catalog`: one policy to look, one to redrive, one to replay."""

from collections.abc import Sequence

from cdktf_cdktf_provider_aws.iam_policy import IamPolicy
from constructs import Construct

from stacks.archive import Archive
from stacks.archive_queries import ArchiveQueries
from stacks.cache import Cache
from stacks.config.environments import Environment
from stacks.credentials import Credentials
from stacks.encryption import (
    decrypt_messages,
    decrypt_objects,
    decrypt_secrets,
    decrypt_stream,
    encrypt_objects,
)
from stacks.environment_parameter import EnvironmentParameter
from stacks.inventory_processor import InventoryProcessor
from stacks.policies import Statement, allow, document
from stacks.quarantine import Quarantine
from stacks.replay import Replay
from stacks.stream import InventoryStream

# Without the enhanced metric, `status` takes the first record of a shard that is not archived yet.
_READ_STREAM = (
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
_TAKE_MESSAGES = ("sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage")


class OperatorAccess(Construct):
    """Three policies to attach to operators' roles; the other two are for roles that may read, too.

    Reading: `status`, `show`, `explain`, `quarantine list|show`, `archive`, `diff`, `history`, and what
    `redrive` and `quarantine fix|redrive` print before `--yes`. Redriving: those two. Replaying: `replay`,
    and the state machine where there is one. To send (`produce`), a role needs the suppliers' policy.
    `tests/contract/test_operator_rights.py` compares them with what each command requests.

    `read_arn`, `redrive_arn`, `replay_arn`: the policies'.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        parameter: EnvironmentParameter,
        stream: InventoryStream,
        archive: Archive,
        queries: ArchiveQueries,
        quarantine: Quarantine,
        processor: InventoryProcessor,
        writer: Credentials,
        reader: Credentials,
        cache: Cache,
        replay: Replay | None,
    ) -> None:
        super().__init__(scope, id_)
        self._config = config
        self._quarantine = quarantine
        self.read_arn = self._policy(
            "Read",
            "Look at the product catalog's pipeline",
            [
                allow("FindEnvironment", ["ssm:GetParameter"], [parameter.arn]),
                *self._read_buckets(archive, queries, quarantine),
                *queries.ask_statements(),
                # CloudWatch knows no resources for metrics, nor for all alarms:
                # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
                allow("ReadMetrics", ["cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData"], ["*"]),
                allow("ReadStream", _READ_STREAM, [stream.arn]),
                *decrypt_stream(config, stream.arn),
                allow("ReadQueue", ["sqs:GetQueueAttributes"], [quarantine.queue_arn]),
                allow("ReadLogin", ["secretsmanager:GetSecretValue"], [reader.secret_arn]),
                *decrypt_secrets(config, [reader.secret_arn]),
                cache.connect_statement(cache.shop),
            ],
        )
        self.redrive_arn = self._policy(
            "Redrive",
            "Redrive failed batches and quarantined records of the product catalog",
            [
                allow("InvokeProcessor", ["lambda:InvokeFunction"], [processor.arn]),
                allow("TakeMessages", _TAKE_MESSAGES, [quarantine.queue_arn]),
                *decrypt_messages(config),
                *self._write_down(),
            ],
        )
        self.replay_arn = self._policy(
            "Replay",
            "Rebuild the product catalog from its archive",
            [
                allow("ReadWritersLogin", ["secretsmanager:GetSecretValue"], [writer.secret_arn]),
                *decrypt_secrets(config, [writer.secret_arn]),
                cache.connect_statement(cache.processor),
                *self._write_down(),
                *(replay.start_statements() if replay else []),
            ],
        )

    def _read_buckets(
        self, archive: Archive, queries: ArchiveQueries, quarantine: Quarantine
    ) -> list[Statement]:
        buckets = [archive.bucket_arn, quarantine.bucket_arn]
        objects = [
            archive.objects_arn,
            quarantine.records_arn,
            quarantine.failed_batches_arn,
            quarantine.operations_arn,
        ]
        return [
            allow("ListObjects", ["s3:ListBucket"], buckets),
            allow("ReadObjects", ["s3:GetObject"], objects),
            *decrypt_objects(self._config, [*buckets, queries.results_arn]),
            *encrypt_objects(self._config, [queries.results_arn]),
        ]

    def _write_down(self) -> list[Statement]:
        """Return what writing down a change needs (`catalog history`)."""
        return [
            allow("WriteDownChanges", ["s3:PutObject"], [self._quarantine.operations_arn]),
            *encrypt_objects(self._config, [self._quarantine.bucket_arn]),
        ]

    def _policy(self, id_: str, description: str, statements: Sequence[Statement]) -> str:
        return IamPolicy(
            self,
            f"{id_}Policy",
            name=self._config.physical_name(f"catalog-operator-{id_.lower()}"),
            description=description,
            policy=document(self, f"{id_}May", statements),
        ).arn
