"""The arrows of a stack's architecture: from who acts to what is acted on."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pictures.boxes import Box
from pictures.places import Place, place_of
from pictures.terraform import Body, Resources, references

_LOGS = "logs requests"

# Kind of resource, its arguments that name source and target (None: itself), label.
_DELIVERIES = (
    ("aws_lambda_event_source_mapping", None, "function_name", "invokes"),
    ("aws_lambda_event_source_mapping", None, "destination_config", "writes failed batches"),
    ("aws_s3_bucket_notification", "bucket", "queue", "notifies"),
    ("aws_cloudwatch_event_target", "rule", "arn", "invokes"),
    ("aws_lambda_invocation", None, "function_name", "invokes"),
    ("aws_s3_bucket_logging", "bucket", "target_bucket", _LOGS),
    ("aws_glue_catalog_table", None, "storage_descriptor", "reads"),
    ("aws_athena_workgroup", None, "configuration", "writes"),
    ("aws_cloudwatch_metric_alarm", None, "alarm_actions", "notifies"),
)


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """An arrow; `is_road` if records take it, `is_extra` if one of its boxes is."""

    source: Place
    target: Place
    label: str
    is_road: bool
    is_extra: bool


def arrows(resources: Resources, boxes: Mapping[Place, Box]) -> list[Arrow]:
    """Return the arrows between boxes: those of the road, then the others, the shortest first."""
    labels: dict[tuple[Place, Place], list[str]] = defaultdict(list)
    for source, target, label in [*_deliveries(resources), *_connections(resources), *_allowed(resources)]:
        ends = place_of(source), place_of(target)
        if ends[0] and ends[1] and ends[0] != ends[1]:
            labels[ends[0], ends[1]].append(label)
    road = _road([ends for ends, words in labels.items() if _LOGS not in words])
    return [
        Arrow(
            source=source,
            target=target,
            label=_joined(words),
            is_road=(source, target) in road,
            is_extra=boxes[source].is_extra or boxes[target].is_extra,
        )
        for (source, target), words in sorted(
            labels.items(), key=lambda item: (item[0] not in road, _length(*item[0]), item[0])
        )
    ]


def _length(source: Place, target: Place) -> int:
    return abs(source.column - target.column) + abs(source.row - target.row)


def _road(ends: Collection[tuple[Place, Place]]) -> set[tuple[Place, Place]]:
    """Return the arrows that start where records of suppliers get to."""
    reached = {source for source, _ in ends if source.title == "Suppliers"}
    while more := {target for source, target in ends if source in reached} - reached:
        reached |= more
    return {(source, target) for source, target in ends if source in reached}


def _deliveries(resources: Resources) -> Iterator[tuple[str, str, str]]:
    """Yield (source, target, label) of what resources say that AWS itself, or Terraform, does."""
    for address, body in resources.of_kind("aws_lambda_event_source_mapping"):
        yield references(body["event_source_arn"])[0], address, "batches"
    for kind, source, target, label in _DELIVERIES:
        for address, body in resources.of_kind(kind):
            sources = references(body.get(source)) if source else [address]
            yield from ((sources[0], found, label) for found in references(body[target])[:1])
    for _, body in resources.of_kind("aws_sns_topic_subscription"):
        for operators in _policies_of(resources, "Operators"):
            yield references(body["topic_arn"])[0], operators, str(body["protocol"])


def _connections(resources: Resources) -> Iterator[tuple[str, str, str]]:
    """Yield (source, target, label) of what security groups let connect, except to the endpoints."""
    members = {
        group: address
        for address, body in resources.bodies.items()
        for name in ("vpc_config", "vpc_security_group_ids", "security_group_ids")
        for group in references(body.get(name))
        if group.startswith("aws_security_group.") and not address.startswith("aws_vpc_endpoint.")
    }
    # The shop's servers have its group.
    for shop in _policies_of(resources, "Shop"):
        members["aws_security_group.Shop_Group"] = shop
    admitted = {tuple(_groups(rule)) for _, rule in resources.of_kind("aws_vpc_security_group_ingress_rule")}
    for _, rule in resources.of_kind("aws_vpc_security_group_egress_rule"):
        source, *targets = _groups(rule)
        for target in targets:
            if source in members and target in members and (target, source) in admitted:
                yield members[source], members[target], f"port {rule['from_port']}"


def _groups(rule: Body) -> list[str]:
    """Return the security group of a rule, and the other one if it names one."""
    return references([rule["security_group_id"], rule.get("referenced_security_group_id")])


def _allowed(resources: Resources) -> Iterator[tuple[str, str, str]]:
    """Yield (source, target, label) of what policies allow, except what operators may only look at."""
    for right in resources.rights():
        if right.verb and not (".Operators_" in right.owner and right.only_looks):
            for address, path in right.targets:
                if right.only_looks or (address, path) not in set(_lent(resources)):
                    yield right.owner, address, f"{right.verb} {_prefix(path)}".strip()


def _lent(resources: Resources) -> Iterator[tuple[str, str]]:
    """Yield (bucket, path) of what AWS writes with the rights of a function, or of who asks Athena."""
    for _, body in resources.of_kind("aws_s3_bucket_notification"):
        yield from ((references(body["bucket"])[0], f"/{queue['filter_prefix']}*") for queue in body["queue"])
    for _, body in resources.of_kind("aws_athena_workgroup"):
        yield references(body["configuration"])[0], "/*"


def _policies_of(resources: Resources, actor: str) -> list[str]:
    return [address for address, _ in resources.of_kind("aws_iam_policy") if f".{actor}_" in address]


def _prefix(path: str) -> str:
    return path.strip("/*") + "/" if path.strip("/*") else ""


def _joined(labels: Sequence[str]) -> str:
    """Return labels as one, in which each verb is once: "writes quarantine/, survivors/"."""
    by_verb: dict[str, list[str]] = {}
    for label in labels:
        verb, _, rest = label.rpartition(" ") if label.endswith("/") else (label, "", "")
        by_verb.setdefault(verb, []).extend([rest] if rest and rest not in by_verb.get(verb, ()) else [])
    # Listing tells a missing object from a refusal; it is said only where nothing else is done.
    said = {verb: rests for verb, rests in by_verb.items() if verb and (verb != "lists" or len(by_verb) == 1)}
    return "; ".join(f"{verb} {', '.join(rests)}".strip() for verb, rests in said.items())
