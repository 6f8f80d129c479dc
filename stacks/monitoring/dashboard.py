"""The dashboard, which an operator reads from the top after an alarm."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from cdktf_cdktf_provider_aws.cloudwatch_dashboard import CloudwatchDashboard
from constructs import Construct

from stacks.config.environments import Environment
from stacks.monitoring.alarm_definitions import alarm_definitions
from stacks.monitoring.dashboard_sections import Graph, Section, Series, sections
from stacks.monitoring.metrics import Calculated, Metric, Watched

# CloudWatch's grid has 24 columns.
_COLUMNS = 24
_GRAPHS_PER_ROW = 3
_GRAPH_HEIGHT = 6
_TEXT_HEIGHT = 2
_ALARMS_HEIGHT = 4
_PERIOD_SECONDS = 60
_RED = "#d62728"

Widget = dict[str, Any]


class Dashboard(Construct):
    """Every metric of an environment, in the order in which an operator asks questions.

    `alarm_arns`: alarms whose states are shown at the top. `dashboard_name`: the dashboard's.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        config: Environment,
        watched: Watched,
        alarm_arns: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, id_)
        self.dashboard_name = config.physical_name("product-catalog")
        alarms = {alarm.name: alarm for alarm in alarm_definitions(config, watched)}
        shown = sections(config, watched.sources(config.name), alarms)
        CloudwatchDashboard(
            self,
            "Dashboard",
            dashboard_name=self.dashboard_name,
            dashboard_body=json.dumps({"widgets": _widgets(config, shown, alarm_arns)}),
        )


def _widgets(config: Environment, shown: Sequence[Section], alarm_arns: Sequence[str]) -> list[Widget]:
    """Return the widgets from the top; each row starts where the one above it ends."""
    rows = [
        [
            _text(
                f"# {config.physical_name('product-catalog')}\n"
                "Read from the top. A red line is an alarm's threshold; the alarm's description says what it "
                "means for the shop and what to look at first."
            )
        ]
    ]
    if alarm_arns:
        rows.append([_alarms(alarm_arns)])
    for section in shown:
        rows.append([_text(f"## {section.question}\n{section.reading}")])
        graphs = [_graph(graph, config.region) for graph in section.graphs]
        rows += [graphs[start : start + _GRAPHS_PER_ROW] for start in range(0, len(graphs), _GRAPHS_PER_ROW)]
    return list(_placed(rows))


def _placed(rows: Sequence[Sequence[Widget]]) -> Iterator[Widget]:
    y = 0
    for row in rows:
        x = 0
        for widget in row:
            yield {**widget, "x": x, "y": y}
            x += widget["width"]
        y += max(widget["height"] for widget in row)


def _text(markdown: str) -> Widget:
    return {
        "type": "text",
        "width": _COLUMNS,
        "height": _TEXT_HEIGHT,
        "properties": {"markdown": markdown},
    }


def _alarms(arns: Sequence[str]) -> Widget:
    return {
        "type": "alarm",
        "width": _COLUMNS,
        "height": _ALARMS_HEIGHT,
        "properties": {"title": "Alarms", "alarms": list(arns)},
    }


def _graph(graph: Graph, region: str) -> Widget:
    properties: dict[str, Any] = {
        "title": graph.title,
        "region": region,
        "view": "timeSeries",
        "period": _PERIOD_SECONDS if graph.limit is None else graph.limit.period_minutes * 60,
        "metrics": [line for label, series in graph.lines.items() for line in _lines(label, series)],
        "yAxis": {"left": {"min": 0}},
    }
    if graph.limit is not None:
        properties["annotations"] = {
            "horizontal": [{"label": "alarm", "value": graph.limit.threshold, "color": _RED}]
        }
    return {
        "type": "metric",
        "width": _COLUMNS // _GRAPHS_PER_ROW,
        "height": _GRAPH_HEIGHT,
        "properties": properties,
    }


def _lines(label: str, series: Series) -> Iterator[list[Any]]:
    match series:
        case Metric():
            yield _line(series, label=label)
        case Calculated():
            yield [{"expression": series.expression, "label": label, "id": "result"}]
            for name, metric in series.of.items():
                yield _line(metric, id=name, visible=False)
        case _:
            # CloudWatch labels each line that it finds with the dimension in which it differs.
            yield [{"expression": series.expression}]


def _line(metric: Metric, **options: object) -> list[Any]:
    dimensions = [text for dimension in metric.dimensions.items() for text in dimension]
    return [metric.namespace, metric.name, *dimensions, {"stat": metric.statistic, **options}]
