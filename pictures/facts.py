"""What a box of the architecture says of its resources, in the words of their arguments."""

from collections.abc import Callable, Mapping

from pictures.terraform import Body


def facts_of(kind: str, body: Body) -> list[str]:
    """Return the lines of a resource; none for a kind whose title says it all."""
    return _FACTS[kind](body) if kind in _FACTS else []


def _stream(body: Body) -> list[str]:
    shards = f"{body['shard_count']} shards" if "shard_count" in body else "on demand"
    return [f"{shards}, kept {body['retention_period'] // 24} days"]


def _mapping(body: Body) -> list[str]:
    lines = [f"≤ {body['batch_size']:,} records or {body['maximum_batching_window_in_seconds']} s"]
    return [*lines, "halves a batch that fails"] if body["bisect_batch_on_function_error"] else lines


def _database(body: Body) -> list[str]:
    zones = "two zones" if body["multi_az"] else "one zone"
    return [f"PostgreSQL {body['engine_version']}, {zones}", body["instance_class"]]


def _cache(body: Body) -> list[str]:
    nodes = f"{body['num_cache_clusters']} nodes" if body["num_cache_clusters"] > 1 else "one node"
    return [f"{body['engine'].capitalize()} {body['engine_version']}, {nodes}", body["node_type"]]


def _name(body: Body) -> list[str]:
    return [body["name"].rpartition("-")[0]]


_FACTS: Mapping[str, Callable[[Body], list[str]]] = {
    "aws_cloudwatch_dashboard": lambda _: ["dashboard"],
    "aws_cloudwatch_event_rule": lambda body: [body["schedule_expression"]],
    "aws_cloudwatch_metric_alarm": lambda _: ["alarm"],
    "aws_db_instance": _database,
    "aws_elasticache_replication_group": _cache,
    "aws_glue_catalog_table": lambda _: ["table"],
    "aws_iam_policy": _name,
    "aws_kinesis_stream": _stream,
    "aws_lambda_event_source_mapping": _mapping,
    "aws_lambda_function": lambda body: [f"{body['memory_size']:,} MB, at most {body['timeout']} s"],
    "aws_lambda_invocation": lambda _: ["at each deploy"],
    "aws_sfn_state_machine": lambda _: ["a distributed map"],
    "aws_sns_topic": _name,
    "aws_sqs_queue": lambda body: [f"kept {body['message_retention_seconds'] // 86_400} days"],
    "aws_vpc_endpoint": lambda body: [body["service_name"].rpartition(".")[2]],
}
