"""What Lambda and the function tell CloudWatch of their work, for a kept run: `catalog status` reads it."""

import asyncio

import aioboto3

from local.demo.kept_run import FUNCTION_NAME
from local.demo.pipeline import Pipeline
from local.emulated_aws.account import REGION
from local.emulated_aws.event_source_mapping.mapping import Progress

_SECONDS = 10.0


async def put_metrics(pipeline: Pipeline) -> None:
    """Put what the event source mapping has counted every ten seconds; until it is cancelled."""
    session = aioboto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106
        region_name=REGION,
    )
    before = pipeline.mapping.progress
    async with session.client("cloudwatch", endpoint_url=pipeline.servers.moto.endpoint_url) as cloudwatch:
        while True:
            await asyncio.sleep(_SECONDS)
            now = pipeline.mapping.progress
            for namespace, data in metrics(before, now).items():
                await cloudwatch.put_metric_data(Namespace=namespace, MetricData=data)
            before = now


def metrics(before: Progress, now: Progress) -> dict[str, list[dict[str, object]]]:
    """Return the data of each namespace for the time between two moments; none without an invocation."""
    invocations = now.invocations - before.invocations
    if not invocations:
        return {}
    function = {"FunctionName": FUNCTION_NAME}
    processor = {"service": "inventory-processor", "environment": "local"}
    return {
        "AWS/Lambda": [
            _datum("Invocations", invocations, function),
            _datum("Errors", now.function_errors - before.function_errors, function),
            _datum("IteratorAge", now.iterator_age_ms, function),
        ],
        "ProductCatalog": [
            _datum("BatchesUnfinished", now.reported_failures - before.reported_failures, processor),
        ],
    }


def _datum(name: str, value: int, dimensions: dict[str, str]) -> dict[str, object]:
    named = [{"Name": key, "Value": text} for key, text in dimensions.items()]
    return {"MetricName": name, "Dimensions": named, "Value": float(value)}
