"""The Kinesis stream that suppliers put inventory updates on."""

from cdktf import TerraformResourceLifecycle
from cdktf_cdktf_provider_aws.kinesis_stream import KinesisStream, KinesisStreamStreamModeDetails
from constructs import Construct

from stacks.environments import Environment, Provisioned, Removal


class InventoryStream(Construct):
    """An encrypted stream whose records outlive the maximum record age, so that none expires unreported.

    `name`, `arn`: the stream's.
    """

    def __init__(self, scope: Construct, id_: str, *, config: Environment) -> None:
        super().__init__(scope, id_)
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
            kms_key_id="alias/aws/kinesis",
            lifecycle=TerraformResourceLifecycle(prevent_destroy=config.removal is Removal.NEVER),
        )
        self.name = stream.name
        self.arn = stream.arn
