"""What Athena needs to ask the archive: tables in Glue's catalog, a workgroup, a bucket for results."""

from collections.abc import Mapping

from cdktf_cdktf_provider_aws.athena_workgroup import (
    AthenaWorkgroup,
    AthenaWorkgroupConfiguration,
    AthenaWorkgroupConfigurationEngineVersion,
    AthenaWorkgroupConfigurationResultConfiguration,
    AthenaWorkgroupConfigurationResultConfigurationEncryptionConfiguration,
)
from cdktf_cdktf_provider_aws.data_aws_partition import DataAwsPartition
from cdktf_cdktf_provider_aws.glue_catalog_database import GlueCatalogDatabase
from cdktf_cdktf_provider_aws.glue_catalog_table import (
    GlueCatalogTable,
    GlueCatalogTablePartitionKeys,
    GlueCatalogTableStorageDescriptor,
    GlueCatalogTableStorageDescriptorColumns,
    GlueCatalogTableStorageDescriptorSerDeInfo,
)
from constructs import Construct

from stacks.archive import ARCHIVE_PREFIX, Archive
from stacks.bucket import PrivateBucket, expiry_rules
from stacks.config.environments import Environment
from stacks.config.settings import Removal
from stacks.policies import Statement, allow

LINES = "archive_lines"
LINES_OF_SHARD = "archive_lines_of_shard"
"""catalog/archive/athena_tables.py has both names, too; tests/contract compares them."""
# https://docs.aws.amazon.com/athena/latest/ug/workgroups-iam-policy.html
_ASK = (
    "athena:GetQueryExecution",
    "athena:GetQueryResults",
    "athena:StartQueryExecution",
    "athena:StopQueryExecution",
)
_RESULT_DAYS = 7
_BYTES_PER_GB = 1024**3
_HOURS_PER_DAY = 24


class ArchiveQueries(Construct):
    """Two tables over the archive's objects, and where queries of them run; all of it is free until one does.

    A table has one column, the line as text: any SerDe for JSON would change numbers, and fail on a line that
    is not what it expects. `catalog archive sql --athena` makes columns of it. Partitions are projected from
    the days in the keys, so that no crawler is needed and a new day is there at once. `archive_lines` reads
    all shards of a day. Of the second table a query names the shard (type `injected`): a list of shards (type
    `enum`) would silently miss those that a resharding brings.

    Results are derived, so their bucket goes with the stack and what is in it goes after a week.

    `database_name`, `workgroup_name`: what a query is run in. `results_arn`: the bucket of results.
    """

    def __init__(
        self, scope: Construct, id_: str, *, config: Environment, account_id: str, archive: Archive
    ) -> None:
        super().__init__(scope, id_)
        results = PrivateBucket(
            self,
            "Private",
            name=config.global_name("product-catalog-queries", account_id=account_id),
            removal=Removal.WITH_CONTENTS,
            encryption_key_arn=config.encryption_key_arn,
        )
        results.add_lifecycle_rules(
            expiry_rules(expiry_days=_RESULT_DAYS, noncurrent_days=1, incomplete_upload_days=1)
        )
        database = GlueCatalogDatabase(
            self,
            "Database",
            # Athena takes no hyphen in a name that is not quoted.
            name=config.physical_name("product-catalog").replace("-", "_"),
            description="The archive of what suppliers sent, for Athena",
        )
        self.database_name = database.name
        self.results_arn = results.arn
        location = f"s3://{archive.bucket_name}/{ARCHIVE_PREFIX}"
        # "$${" is Terraform's way to write "${".
        days = {"dt": _days(config)}
        of_shard = days | {"shard": {"type": "injected"}}
        tables = [
            self._table("Lines", LINES, database, location, "dt=$${dt}/", days),
            self._table("LinesOfShard", LINES_OF_SHARD, database, location, "dt=$${dt}/$${shard}/", of_shard),
        ]
        workgroup = self._workgroup(config, account_id, results)
        self.workgroup_name = workgroup.name
        self._workgroup_arn = workgroup.arn
        partition = DataAwsPartition(self, "Partition").partition
        glue = f"arn:{partition}:glue:{config.region}:{account_id}"
        # Glue wants the catalog for whatever is in it, and Athena its default database for every query.
        self._found_arns = [f"{glue}:catalog", f"{glue}:database/default", database.arn]
        self._table_arns = [table.arn for table in tables]

    def ask_statements(self) -> list[Statement]:
        """Return what a query needs besides reading the archive: Athena uses the rights of who asks.

        https://docs.aws.amazon.com/athena/latest/ug/fine-grained-access-to-glue-resources.html
        """
        results = f"{self.results_arn}/*"
        return [
            allow("AskAthena", _ASK, [self._workgroup_arn]),
            allow(
                "FindTables",
                ["glue:GetDatabase", "glue:GetPartitions", "glue:GetTable"],
                [*self._found_arns, *self._table_arns],
            ),
            allow(
                "FindResults",
                ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
                [self.results_arn],
            ),
            allow(
                "WriteResults",
                ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
                [results],
            ),
        ]

    def _table(
        self,
        id_: str,
        name: str,
        database: GlueCatalogDatabase,
        location: str,
        template: str,
        partitions: Mapping[str, Mapping[str, str]],
    ) -> GlueCatalogTable:
        return GlueCatalogTable(
            self,
            id_,
            name=name,
            database_name=database.name,
            table_type="EXTERNAL_TABLE",
            parameters={
                "EXTERNAL": "TRUE",
                "projection.enabled": "true",
                "storage.location.template": f"{location}{template}",
                **{
                    f"projection.{column}.{setting}": value
                    for column, settings in partitions.items()
                    for setting, value in settings.items()
                },
            },
            partition_keys=[
                GlueCatalogTablePartitionKeys(name=column, type="string") for column in partitions
            ],
            storage_descriptor=GlueCatalogTableStorageDescriptor(
                location=location,
                columns=[GlueCatalogTableStorageDescriptorColumns(name="line", type="string")],
                input_format="org.apache.hadoop.mapred.TextInputFormat",
                output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                ser_de_info=GlueCatalogTableStorageDescriptorSerDeInfo(
                    serialization_library="org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                    # JSON has no such character, so the line is never divided.
                    parameters={"field.delim": "\u0001", "serialization.format": "\u0001"},
                ),
            ),
        )

    def _workgroup(self, config: Environment, account_id: str, results: PrivateBucket) -> AthenaWorkgroup:
        key_arn = config.encryption_key_arn
        return AthenaWorkgroup(
            self,
            "Workgroup",
            name=config.physical_name("product-catalog"),
            description="Queries of the archive",
            # With its history of queries.
            force_destroy=True,
            configuration=AthenaWorkgroupConfiguration(
                # Otherwise a client chooses where results go, and whether they are encrypted.
                enforce_workgroup_configuration=True,
                publish_cloudwatch_metrics_enabled=True,
                bytes_scanned_cutoff_per_query=config.archive.athena_scan_limit_gb * _BYTES_PER_GB,
                engine_version=AthenaWorkgroupConfigurationEngineVersion(
                    selected_engine_version="Athena engine version 3"
                ),
                result_configuration=AthenaWorkgroupConfigurationResultConfiguration(
                    output_location=f"s3://{results.name}/",
                    expected_bucket_owner=account_id,
                    encryption_configuration=(
                        AthenaWorkgroupConfigurationResultConfigurationEncryptionConfiguration(
                            encryption_option="SSE_KMS" if key_arn else "SSE_S3", kms_key_arn=key_arn
                        )
                    ),
                ),
            ),
        )


def _days(config: Environment) -> dict[str, str]:
    """Return which days there can be: those of objects that have not expired.

    An object's day is that of its first record, which may be as old as the stream keeps records.
    """
    oldest = config.archive.expiry_days + -(-config.stream.retention_hours // _HOURS_PER_DAY) + 1
    return {
        "type": "date",
        "format": "yyyy-MM-dd",
        "range": f"NOW-{oldest}DAYS,NOW",
        "interval": "1",
        "interval.unit": "DAYS",
    }
