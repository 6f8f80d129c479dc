"""What Athena asks the archive with: tables, workgroup, the bucket of results."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from catalog.archive.athena_tables import LINES, LINES_OF_SHARD
from processor.s3_objects import ARCHIVE_PREFIX
from tests.support.environments import DEV
from tests.support.synthesized import KEY, Stack, synthesize_environment

BUCKET = "${aws_s3_bucket.Archive_Private_Bucket.bucket}"
LOCATION = f"s3://{BUCKET}/{ARCHIVE_PREFIX}"
RESULTS = "s3://${aws_s3_bucket.Queries_Private_Bucket.bucket}/"
DAYS = {
    "EXTERNAL": "TRUE",
    "projection.enabled": "true",
    "projection.dt.type": "date",
    "projection.dt.format": "yyyy-MM-dd",
    # An object that expires after 1,095 days may hold what the stream had kept for 7 before.
    "projection.dt.range": "NOW-1103DAYS,NOW",
    "projection.dt.interval": "1",
    "projection.dt.interval.unit": "DAYS",
}


@pytest.mark.parametrize(
    ("id_", "name", "template", "partitions", "more"),
    [
        ("Queries_Lines", LINES, "dt=$${dt}/", ["dt"], {}),
        (
            "Queries_LinesOfShard",
            LINES_OF_SHARD,
            "dt=$${dt}/$${shard}/",
            ["dt", "shard"],
            {"projection.shard.type": "injected"},
        ),
    ],
)
def test_a_table_finds_the_objects_by_day_and_shard(
    stack: Stack, id_: str, name: str, template: str, partitions: list[str], more: dict[str, Any]
) -> None:
    """Both names are in `catalog`, too, which sends the queries."""
    table = stack.named("aws_glue_catalog_table", id_)
    assert (table["name"], table["table_type"]) == (name, "EXTERNAL_TABLE")
    assert table["database_name"] == "${aws_glue_catalog_database.Queries_Database.name}"
    assert table["partition_keys"] == [{"name": each, "type": "string"} for each in partitions]
    assert table["parameters"] == DAYS | more | {"storage.location.template": LOCATION + template}
    assert table["storage_descriptor"] == {
        "location": LOCATION,
        "columns": [{"name": "line", "type": "string"}],
        "input_format": "org.apache.hadoop.mapred.TextInputFormat",
        "output_format": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
        "ser_de_info": {
            "serialization_library": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            "parameters": {"field.delim": "\u0001", "serialization.format": "\u0001"},
        },
    }


@pytest.mark.parametrize(("name", "limit_gb"), [("dev", 10), ("staging", 10), ("prod", 1_000)])
def test_the_workgroup_says_where_results_go_and_what_a_query_may_read(
    readable: dict[str, Stack], name: str, limit_gb: int
) -> None:
    workgroup = readable[name].only("aws_athena_workgroup")
    assert workgroup["force_destroy"]
    assert workgroup["configuration"] == {
        "enforce_workgroup_configuration": True,
        "publish_cloudwatch_metrics_enabled": True,
        "bytes_scanned_cutoff_per_query": limit_gb * 1024**3,
        "engine_version": {"selected_engine_version": "Athena engine version 3"},
        "result_configuration": {
            "output_location": RESULTS,
            "expected_bucket_owner": "${data.aws_caller_identity.Account.account_id}",
            "encryption_configuration": {"encryption_option": "SSE_S3"},
        },
    }


def test_results_have_the_teams_key(encrypted: dict[str, Stack]) -> None:
    for stack in encrypted.values():
        result = stack.only("aws_athena_workgroup")["configuration"]["result_configuration"]
        assert result["encryption_configuration"] == {"encryption_option": "SSE_KMS", "kms_key_arn": KEY}


def test_results_go_after_a_week_and_with_the_stack(stack: Stack) -> None:
    bucket = stack.named("aws_s3_bucket", "Queries_Private_Bucket")
    assert bucket["force_destroy"]
    assert not bucket["lifecycle"]["prevent_destroy"]
    rules = stack.named("aws_s3_bucket_lifecycle_configuration", "Queries_Private_Lifecycle")["rule"]
    assert rules[0]["expiration"] == [{"days": 7}]
    assert rules[0]["noncurrent_version_expiration"] == [{"noncurrent_days": 1}]
    assert rules[1]["abort_incomplete_multipart_upload"] == [{"days_after_initiation": 1}]


def test_days_begin_where_the_oldest_objects_may_be(tmp_path: Path) -> None:
    environment = replace(
        DEV,
        archive=replace(DEV.archive, expiry_days=400),
        stream=replace(DEV.stream, retention_hours=25),
        event_source=replace(DEV.event_source, maximum_record_age_hours=24),
    )
    stack = synthesize_environment(environment, tmp_path).readable()
    table = stack.named("aws_glue_catalog_table", "Queries_Lines")
    assert table["parameters"]["projection.dt.range"] == "NOW-403DAYS,NOW"
