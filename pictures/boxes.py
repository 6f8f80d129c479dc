"""The boxes of a stack's architecture: what each says, what watches it and who looks into it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from pictures.facts import facts_of
from pictures.places import Place, place_of
from pictures.terraform import Resources, references

_IN_VPC = ("vpc_config", "db_subnet_group_name", "subnet_group_name", "vpc_endpoint_type")
_LINE = 29


@dataclass(kw_only=True)
class Box:
    """A box: the lines under its title, how many alarms watch it, whether operators may look into it."""

    place: Place
    lines: list[str] = field(default_factory=list)
    alarms: int = 0
    is_seen: bool = False
    is_in_vpc: bool = False
    is_extra: bool = False


def boxes(resources: Resources, smaller: Resources) -> dict[Place, Box]:
    """Return the boxes by place; those that the smaller stack lacks are extra.

    Raises:
        PictureError: a resource has no place in the picture.
    """
    found: dict[Place, Box] = {}
    lines: dict[Place, list[str]] = defaultdict(list)
    for address, body in resources.bodies.items():
        if place := place_of(address):
            box = found.setdefault(place, Box(place=place))
            box.is_in_vpc |= any(name in body for name in _IN_VPC)
            lines[place] += facts_of(address.partition(".")[0], body)
    for place, line in [*_kept_objects(resources), *_logins(resources)]:
        lines[place].append(line)
    kept = {place_of(address) for address in smaller.bodies}
    watched, seen = list(_watched(resources)), set(_seen(resources))
    for place, box in found.items():
        box.lines = _counted(lines[place])
        box.alarms = watched.count(place)
        box.is_seen = place in seen
        box.is_extra = place not in kept
    return found


def _counted(lines: list[str]) -> list[str]:
    """Return equal lines as one with their number, such as "28 alarms", and all as one if they are short."""
    counts = {line: lines.count(line) for line in lines}
    said = [f"{count} {line}s" if count > 1 else line for line, count in counts.items()]
    return [", ".join(said)] if len(", ".join(said)) <= _LINE else said


def _kept_objects(resources: Resources) -> Iterator[tuple[Place, str]]:
    """Yield for how long each bucket keeps objects, and whether it is locked."""
    locks = resources.of_kind("aws_s3_bucket_object_lock_configuration")
    locked = {reference for _, body in locks for reference in references(body["bucket"])}
    for _, body in resources.of_kind("aws_s3_bucket_lifecycle_configuration"):
        (bucket,) = references(body["bucket"])
        expirations = [expiration for rule in body["rule"] for expiration in rule.get("expiration", ())]
        days = [expiration["days"] for expiration in expirations if "days" in expiration]
        if days and (place := place_of(bucket)):
            yield place, f"kept {max(days):,} days{', locked' if bucket in locked else ''}"


def _logins(resources: Resources) -> Iterator[tuple[Place, str]]:
    """Yield who reads which one of the roles' secrets."""
    for right in resources.rights():
        secrets = [found for found, _ in right.targets if found.startswith("aws_secretsmanager_secret.")]
        if ".Operators_" not in right.owner and len(secrets) == 1 and (place := place_of(right.owner)):
            yield place, f"logs in as {secrets[0].partition('.')[2].partition('_')[0].lower()}"


def _watched(resources: Resources) -> Iterator[Place]:
    """Yield for each alarm what it watches: by reference, or by a name in a dimension."""
    names = {
        str(body[key]).rpartition("-")[0]: address
        for address, body in resources.bodies.items()
        for key in ("function_name", "replication_group_id")
        if "${" not in str(body.get(key, "${"))
    }
    for _, alarm in resources.of_kind("aws_cloudwatch_metric_alarm"):
        metrics = [query["metric"] for query in alarm.get("metric_query", ()) if "metric" in query]
        dimensions = (metrics or [alarm])[0]["dimensions"]
        values = [str(value) for value in dimensions.values()]
        named = [found for name, found in names.items() if any(value.startswith(name) for value in values)]
        yield from (place for found in [*references(dimensions), *named][:1] if (place := place_of(found)))


def _seen(resources: Resources) -> Iterator[Place]:
    for right in resources.rights():
        if ".Operators_" in right.owner and right.only_looks:
            yield from (place for address, _ in right.targets if (place := place_of(address)))
