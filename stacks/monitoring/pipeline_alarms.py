"""Alarms on how batches are processed: what is late, lost, rejected, failing or slow."""

from collections.abc import Iterator

from stacks.config.environments import Environment
from stacks.monitoring.metrics import AlarmDefinition, Calculated, Sources

# Of the timeout. A batch stops itself at 80 % (processor/handler.py) and is counted as unfinished, which an
# alarm on its duration would only repeat. At 60 % a quarter of its time is left, and nothing is late yet.
_DEADLINE_SHARE = 0.8
_SLOW_SHARE = 0.6

_REJECTED_PERCENT = 5
# Below this number, a high share only means that few records arrived.
_REJECTED_AT_LEAST = 10

_OUR_FAULT = {
    "invalid_base64": (
        "An event had data that was not base64, which Lambda never sends: somebody invoked the function by "
        "hand, or a tool is wrong. Its update is missing from the shop.",
        "fix the caller",
    ),
    "internal_error": (
        "The processor failed on a record that it should have accepted or rejected. Its update is missing "
        "from the shop, and others like it will be.",
        "fix the processor and deploy",
    ),
    "catalog_refused": (
        "The table refused a record that validation had accepted. Its update is missing from the shop, and "
        "others like it will be.",
        "fix the rule or write a migration, and deploy",
    ),
    "killed_process": (
        "A record killed three processes that worked on it alone. Its update is missing from the shop, and "
        "records like it delay their shards.",
        "fix the processor and deploy",
    ),
}
"""Reasons for a rejection that are our fault (processor/reasons.py) → what happened, and what to do."""


def pipeline_alarms(config: Environment, of: Sources) -> Iterator[AlarmDefinition]:
    """Yield the alarms on how batches are processed."""
    yield from _behind(config, of)
    yield from _lost(config, of)
    yield from _rejected(of)
    yield from _function(config, of)


def _behind(config: Environment, of: Sources) -> Iterator[AlarmDefinition]:
    late_minutes = config.alarms.iterator_age_minutes
    # Only invocations emit it, so a quiet stream has none; `not-reading` is for a stopped one.
    yield AlarmDefinition(
        name="iterator-age",
        metric=of.function.metric("IteratorAge", "Maximum"),
        comparison=">",
        threshold=late_minutes * 60_000,
        period_minutes=1,
        datapoints=3,
        periods=5,
        missing="notBreaching",
        meaning=f"The shop's stock and prices are more than {late_minutes} minutes old. Look first at "
        "whether batches are unfinished, failing or throttled; if not, more arrives than the function can "
        "process: add shards, or raise the parallelization factor.",
    )
    # Empty polls are samples too, so no sample at all means that nothing polls.
    yield AlarmDefinition(
        name="not-reading",
        metric=of.mapping.metric("PolledEventCount", "SampleCount"),
        comparison="<",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="breaching",
        meaning="Nothing has been read from the stream for 15 minutes: the shop's stock and prices no longer "
        "change. Look first at whether batches are unfinished or failing (while every shard waits for a "
        "retry, none is read), then at whether the event source mapping is enabled and its role may read the "
        "stream.",
    )
    yield AlarmDefinition(
        name="throttles",
        metric=of.function.metric("Throttles", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=1,
        datapoints=3,
        periods=5,
        missing="notBreaching",
        meaning="Lambda throttles invocations, and updates wait. Look first at whether the function's "
        "reserved concurrency suffices for its shards, then at what else uses the account's concurrency.",
    )
    # 15 minutes, since a failover of the database takes one or two minutes, which may touch two
    # periods.
    yield AlarmDefinition(
        name="batches-unfinished",
        metric=of.processor.metric("BatchesUnfinished", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="notBreaching",
        meaning="For 15 minutes batches have been unfinished and retried while updates wait behind them: "
        "the database, a bucket or a secret fails or is slow. Look first at 'batch unfinished' in the "
        "function's log, which names it.",
    )


def _lost(config: Environment, of: Sources) -> Iterator[AlarmDefinition]:
    retention_hours = config.stream.retention_hours
    # The Kinesis Producer Library and AWS's SDKs put a refused record again, so a few minutes are harmless.
    yield AlarmDefinition(
        name="writes-refused",
        metric=of.stream.metric("WriteProvisionedThroughputExceeded", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=3,
        periods=3,
        missing="notBreaching",
        meaning="For 15 minutes the stream has refused records that suppliers put, since a shard takes only "
        "1 MB and 1,000 records per second: their updates are late, and lost if they are not put again. Look "
        "first at whether one product or supplier puts most records; if not, add shards.",
    )
    yield AlarmDefinition(
        name="failed-batches",
        metric=of.mapping.metric("OnFailureDestinationDeliveredEventCount", "Sum"),
        comparison=">",
        threshold=0,
        period_minutes=5,
        datapoints=1,
        periods=1,
        missing="notBreaching",
        meaning="Lambda gave up on a batch; unless redriven, its updates are missing from the shop. It is "
        "kept whole in the quarantine bucket under aws/lambda/. Look first at why (the function's log, up to "
        f"{config.event_source.maximum_record_age_hours} hours back), fix it, then redrive. That this alarm "
        "ends means only that no further batch failed.",
    )
    yield AlarmDefinition(
        name="destination-delivery-failures",
        metric=of.function.metric("DestinationDeliveryFailures", "Sum"),
        comparison=">",
        threshold=0,
        period_minutes=5,
        datapoints=1,
        periods=1,
        missing="notBreaching",
        meaning="A batch that Lambda gave up on could not be written to the quarantine bucket either. Those "
        f"of its records that the function had not archived are only in the stream, until {retention_hours} "
        "hours after their arrival. Look first at what the function's role may do in the quarantine bucket, "
        "then read those records from the stream.",
    )
    # Two, because one message may be the s3:TestEvent that S3 sends when the bucket's notification is created
    # and that stays in the queue for 14 days unless it is received. A single failed batch sets off
    # `failed-batches`. A queue that nothing uses emits no metric after six hours, while its messages are
    # still there.
    yield AlarmDefinition(
        name="dlq-depth",
        metric=of.queue.metric("ApproximateNumberOfMessagesVisible", "Maximum"),
        comparison=">=",
        threshold=2,
        period_minutes=5,
        datapoints=1,
        periods=1,
        missing="ignore",
        meaning="Failed batches wait to be redriven; their updates are missing from the shop. Look first at "
        "why they failed (the function's log), fix it, then redrive. The queue deletes them after 14 days, "
        "the quarantine bucket does not. A single message is no alarm: it may be S3's test event.",
    )


def _rejected(of: Sources) -> Iterator[AlarmDefinition]:
    yield AlarmDefinition(
        name="rejected-share",
        metric=Calculated(
            label="rejected (%)",
            expression=f"IF(rejected >= {_REJECTED_AT_LEAST}, 100 * rejected / received, 0)",
            of={
                "rejected": of.processor.metric("RecordsRejected", "Sum"),
                "received": of.processor.metric("RecordsIn", "Sum"),
            },
        ),
        comparison=">",
        threshold=_REJECTED_PERCENT,
        period_minutes=15,
        datapoints=1,
        periods=1,
        missing="notBreaching",
        meaning=f"More than {_REJECTED_PERCENT} % of the records of 15 minutes were rejected: the shop shows "
        "old stock and prices of their products. They are in quarantine. Look first at the reasons on the "
        "dashboard and at 'rejected_by_supplier' in the function's log, then ask the supplier.",
    )
    for reason, (what, remedy) in _OUR_FAULT.items():
        yield AlarmDefinition(
            name=f"rejected-{reason.replace('_', '-')}",
            metric=of.rejections(reason),
            comparison=">",
            threshold=0,
            period_minutes=5,
            datapoints=1,
            periods=1,
            missing="notBreaching",
            meaning=f"{what} Look first at the quarantined record (reason {reason}) and at the function's "
            f"log of that minute; {remedy}, then send the record again.",
        )


def _function(config: Environment, of: Sources) -> Iterator[AlarmDefinition]:
    # Terraform shows the error too, but only to whoever deploys.
    yield AlarmDefinition(
        name="migration-errors",
        metric=of.migrations.metric("Errors", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=5,
        datapoints=1,
        periods=1,
        missing="notBreaching",
        meaning="A migration failed, and the deploy stopped: the old processor goes on with the old schema, "
        "and nothing is wrong in the shop yet. Look first at the log of the migrations function, fix the "
        "migration, then deploy again.",
    )
    pool_size, timeout_seconds = config.function.pool_size, config.function.timeout_seconds
    slow_seconds, deadline_seconds = timeout_seconds * _SLOW_SHARE, timeout_seconds * _DEADLINE_SHARE
    yield AlarmDefinition(
        name="errors",
        metric=of.function.metric("Errors", "Sum"),
        comparison=">=",
        threshold=1,
        period_minutes=1,
        datapoints=3,
        periods=15,
        missing="notBreaching",
        meaning="Invocations fail repeatedly: an unexpected error, lack of memory, or the timeout. Lambda "
        "bisects the batch until the failing record is alone, and its shard's updates wait. Look first at "
        "'unexpected error' and 'Task timed out' in the function's log.",
    )
    yield AlarmDefinition(
        name="duration",
        metric=of.function.metric("Duration", "Maximum"),
        comparison=">=",
        threshold=round(slow_seconds * 1000),
        period_minutes=1,
        datapoints=5,
        periods=10,
        missing="notBreaching",
        meaning=f"Batches take {slow_seconds:g} s or more; after {deadline_seconds:g} s they are cut off and "
        "retried, and the shop's stock and prices will be late. Look first at the stages' times on the "
        "dashboard, then at the slow stage's dependency; smaller batches or more memory also help.",
    )
    # A batch uses a connection and a large one two, so a pool of one or two is in use without anything wrong.
    if pool_size > 2:
        yield AlarmDefinition(
            name="pool-use",
            metric=of.processor.metric("ConnectionsInUse", "Maximum"),
            comparison=">=",
            threshold=pool_size,
            period_minutes=1,
            datapoints=5,
            periods=5,
            missing="notBreaching",
            meaning=f"An execution environment has used all {pool_size} of its database connections for 5 "
            "minutes: batches wait for one, and updates will be late next. Look first at the database's "
            "locks and slow statements; function.pool_size may be too small.",
        )
