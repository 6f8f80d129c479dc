"""The Kinesis stream that suppliers put inventory updates on."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.kinesis_stream import KinesisStream, KinesisStreamStreamModeDetails
from constructs import Construct

from stacks.config.environments import Environment
from stacks.config.settings import Provisioned
from stacks.encryption import decrypt_stream, encrypt_stream
from stacks.policies import Statement, allow


class InventoryStream(Construct):
    """An encrypted stream that keeps records beyond the maximum record age, so that none expires unreported.

    A record has at most 1 MiB, Kinesis's default. One that does not fit into an event of 6 MiB is never
    processed (https://docs.aws.amazon.com/streams/latest/dev/large-records.html).

    `name`, `arn`: the stream's.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment) -> None:
        super().__init__(scope, id_)
        self._config = config
        capacity = config.stream.capacity
        shard_count = capacity.shard_count if isinstance(capacity, Provisioned) else None
        stream = KinesisStream(
            self,
            "Stream",
            name=config.physical_name("inventory-updates"),
            stream_mode_details=KinesisStreamStreamModeDetails(
                stream_mode="ON_DEMAND" if shard_count is None else "PROVISIONED"
            ),
            shard_count=shard_count,
            retention_period=config.stream.retention_hours,
            encryption_type="KMS",
            kms_key_id=config.encryption_key_arn or "alias/aws/kinesis",
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.is_kept),
        )
        self.name = stream.name
        self.arn = stream.arn

    def read_statements(self) -> list[Statement]:
        """Return the statements that an event source mapping requires of its function's role.

        https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-create.html; AWS's managed policy also
        allows listing all streams, which only the console needs.
        """
        actions = [
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
        ]
        return [allow("ReadStream", actions, [self.arn]), *decrypt_stream(self._config, self.arn)]

    def put_statements(self) -> list[Statement]:
        """Return the statements that producers need, including the Kinesis Producer Library."""
        actions = [
            "kinesis:DescribeStreamSummary",
            "kinesis:ListShards",
            "kinesis:PutRecord",
            "kinesis:PutRecords",
        ]
        return [allow("PutRecords", actions, [self.arn]), *encrypt_stream(self._config, self.arn)]
