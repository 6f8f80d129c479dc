"""The alarms and the dashboard of an environment, synthesized without the rest of its stack."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stacks.config.environments import Environment
from tests.support.synthesized import Stack

ACCOUNT_ID = "123456789012"
MAPPING_UUID = "a1b2c3d4-5678-90ab-cdef-111111111111"


class Watching(NamedTuple):
    """A metric that an alarm or graph reads; "*" stands for any value of a dimension."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    def for_any_reason(self) -> "Watching":
        """Return the same metric for every reason for a rejection."""
        any_reason = frozenset((name, "*" if name == "reason" else value) for name, value in self.dimensions)
        return self._replace(dimensions=any_reason)


class Reading(NamedTuple):
    """How an alarm or a graph, named in `place`, reads a metric; `unit`: the one that it asks for."""

    place: str
    watching: Watching
    statistic: str
    period_seconds: int
    unit: str | None


def synthesize_observability(config: Environment, outdir: Path) -> Stack:
    """Return a stack with only the alarms and the dashboard."""
    # Imported here, so that tests without stacks do not start Node.
    from cdktf import App, TerraformStack
    from cdktf_cdktf_provider_aws.provider import AwsProvider

    from stacks.monitoring.alarms import Alarms
    from stacks.monitoring.dashboard import Dashboard
    from stacks.monitoring.metrics import Watched

    app = App(outdir=str(outdir), stack_traces=False)
    stack = TerraformStack(app, config.stack_id)
    AwsProvider(stack, "Aws", region=config.region)
    nodes = range(1, config.cache.replicas + 2)
    watched = Watched(
        stream_name=config.physical_name("inventory-updates"),
        function_name=config.physical_name("inventory-processor"),
        migrations_name=config.physical_name("inventory-migrations"),
        mapping_uuid=MAPPING_UUID,
        queue_name=config.physical_name("inventory-processor-dlq"),
        database_identifier=config.physical_name("product-catalog"),
        cache_node_ids=tuple(f"{config.physical_name('product-cache')}-{number:03d}" for number in nodes),
    )
    alarms = Alarms(stack, "Alarms", config=config, watched=watched, account_id=ACCOUNT_ID)
    Dashboard(stack, "Dashboard", config=config, watched=watched, alarm_arns=alarms.alarm_arns)
    app.synth()
    manifest = json.loads((outdir / "manifest.json").read_text())
    path = manifest["stacks"][config.stack_id]["synthesizedStackPath"]
    return Stack(document=json.loads((outdir / path).read_text()))


def alarms_of(stack: Stack) -> dict[str, Mapping[str, Any]]:
    """Return the alarms by name, without the prefix and suffix that all names share."""
    bodies = [body for kind, _, body in stack.blocks() if kind == "aws_cloudwatch_metric_alarm"]
    pattern = re.compile(r"product-catalog-(.+)-(?:dev|staging|prod|pr-42)")
    found = {}
    for body in bodies:
        matched = pattern.fullmatch(body["alarm_name"])
        assert matched, body["alarm_name"]
        found[matched[1]] = body
    assert len(found) == len(bodies)
    return found


def widgets_of(stack: Stack) -> list[dict[str, Any]]:
    """Return the dashboard's widgets."""
    widgets: list[dict[str, Any]] = json.loads(stack.only("aws_cloudwatch_dashboard")["dashboard_body"])[
        "widgets"
    ]
    return widgets


def watched_by_alarms(stack: Stack) -> set[Watching]:
    """Return every metric that an alarm reads."""
    return {reading.watching for reading in read_by_alarms(stack)}


def read_by_alarms(stack: Stack) -> Iterator[Reading]:
    """Yield how each alarm reads its metrics."""
    for name, alarm in alarms_of(stack).items():
        queries = [query["metric"] for query in alarm.get("metric_query", ()) if "metric" in query]
        for metric in queries or [alarm]:
            dimensions = frozenset(metric["dimensions"].items())
            watching = Watching(metric["namespace"], metric["metric_name"], dimensions)
            statistic = metric["stat" if queries else "statistic"]
            yield Reading(name, watching, statistic, metric["period"], metric.get("unit"))


def shown_by_dashboard(stack: Stack) -> set[Watching]:
    """Return every metric that the dashboard shows; a search shows every value of unfixed dimensions."""
    return {reading.watching for reading in read_by_dashboard(stack)}


def read_by_dashboard(stack: Stack) -> Iterator[Reading]:
    """Yield how each graph reads its metrics."""
    for widget in widgets_of(stack):
        graph = widget["properties"]
        for line in graph.get("metrics", ()):
            for watching in _shown(line):
                statistic = line[-1].get("stat", "Sum")
                yield Reading(graph["title"], watching, statistic, graph["period"], line[-1].get("unit"))


def _shown(line: list[Any]) -> Iterator[Watching]:
    *path, options = line
    if path:
        namespace, name, *pairs = path
        yield Watching(namespace, name, frozenset(zip(pairs[::2], pairs[1::2], strict=True)))
    elif matched := re.fullmatch(r"SEARCH\('\{(.+?)\} (.+)', 'Sum'\)", options["expression"]):
        namespace, *names = matched[1].split(",")
        fixed = dict(re.findall(r'(\w+)="([^"]+)"', matched[2]))
        name = fixed.pop("MetricName")
        assert set(fixed) <= set(names)
        yield Watching(namespace, name, frozenset((each, fixed.get(each, "*")) for each in names))
