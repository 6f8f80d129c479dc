"""benchmarks/results.json → the generated parts of docs/performance.md, and its plots.

python -m benchmarks.report
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.goals import GOALS

_ROOT = Path(__file__).resolve().parent.parent
RESULTS = _ROOT / "benchmarks" / "results.json"
DOCUMENT = _ROOT / "docs" / "performance.md"
PLOTS = _ROOT / "docs" / "performance"
_GENERATED = re.compile(r"(<!-- Written by benchmarks/report\.py: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def main() -> None:
    """Write the document and the plots from the committed results."""
    from benchmarks.plots import draw

    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    DOCUMENT.write_text(rewritten(DOCUMENT.read_text(encoding="utf-8"), results), encoding="utf-8")
    draw(results, PLOTS)


def rewritten(document: str, results: Mapping[str, Any]) -> str:
    """Return the document's text with the tables of these results."""

    def table(found: re.Match[str]) -> str:
        lines = "\n".join(_TABLES[found[2]](results))
        return f"{found[1]}\n{lines}\n\n{found[3]}"

    return _GENERATED.sub(table, document)


def _run(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"Measured on {results['date']}, on {results['cores']} cores that others used too: load average "
        f"{results['load_before']} before and {results['load_after']} after."
    )


def _ratios(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| ratio | what | median | quartiles | rounds | goal | |"
    yield "|---|---|---|---|---|---|---|"
    for name, goal in GOALS.items():
        ratio = results["ratios"].get(name)
        if ratio is None:
            yield f"| `{name}` | {goal.meaning} | – | – | – | {goal} | not measured |"
        else:
            verdict = "met" if goal.is_met(ratio["median"]) else "**not met**"
            spread = f"{_short(ratio['low'])} to {_short(ratio['high'])}"
            yield (
                f"| `{name}` | {goal.meaning} | {_short(ratio['median'])} | {spread} | {ratio['rounds']} "
                f"| {goal} | {verdict} |"
            )


def _peers(results: Mapping[str, Any]) -> Iterator[str]:
    names = ("ours", "bulk_defaults", "powertools")
    columns = "ours: time | CPU | defaults: time | CPU | Powertools: time | CPU"
    yield f"| latencies | feed | records | {columns} | failed |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    rows = {(row["mode"], row["feed"], row["size"], row["engine"]): row for row in results["peers"]}
    for mode, feed, size, engine in rows:
        if engine == "ours":
            found = [rows.get((mode, feed, size, name)) for name in names]
            cells = [cell for row in found for cell in (_over_bulk(row) if row else ("–", "–"))]
            failed = found[-1]["failed"] if found[-1] else 0
            yield f"| {mode} | {feed} | {size:,} | {' | '.join(cells)} | {failed} |"


def _over_bulk(row: Mapping[str, Any]) -> tuple[str, str]:
    return _short(row["time_over_bulk"]["median"]), _short(row["cpu_over_bulk"]["median"])


def _rows(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| round trip | engine | time over our upsert's | quartiles | CPU a row over ours |"
    yield "|---|---|---|---|---|"
    ours = {
        row["mode"]: row for row in results.get("committed_rows", []) if row["engine"] == "catalog_upsert"
    }
    for row in results.get("committed_rows", []):
        if row["engine"] in ("catalog_upsert", "limit_decode"):
            continue  # a limit of decoding is not one of rows
        time = row["time_over_ours"]
        cpu = row["cpu_us_per_row"] / ours[row["mode"]]["cpu_us_per_row"]
        yield (
            f"| {row['mode']} | `{row['engine']}` | {_short(time['median'])} "
            f"| {_short(time['low'])} to {_short(time['high'])} "
            f"| {'–' if row['engine'].startswith('dlt') else _short(cpu)} |"
        )


def _turns(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| turn | what is sent, and waited for |"
    yield "|---|---|"
    for number, sent in enumerate(results["turns"], 1):
        yield f"| {number} | {'; '.join(sorted(sent))} |"


def _containers(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| feed | processes | records a second over one | failed records |"
    yield "|---|---|---|---|"
    for row in results["containers"]:
        over_one = _short(row["over_one"]["median"])
        yield f"| {row['feed']} | {row['containers']} | {over_one} | {row['failed']} |"
    yield ""
    yield f"Deadlocks that PostgreSQL counted in the whole run: {results['deadlocks']}."


def _tables(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| rows | time a record over that of the smallest |"
    yield "|---|---|"
    for row in results["tables"]:
        yield f"| {row['rows']:,} | {_short(row['over_least']['median'])} |"


def _dollars(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| records | MB | ours | of it Lambda | S3 | Kinesis | Powertools | reference |"
    yield "|---|---|---|---|---|---|---|---|"
    rows = {(row["size"], row["memory_mb"], row["engine"]): row for row in results["dollars"]}
    for (size, memory_mb, engine), ours in rows.items():
        if engine == "ours":
            others = [rows.get((size, memory_mb, other)) for other in ("powertools", "reference")]
            cells = [f"{ours[part]:.3f}" for part in ("total", "lambda", "s3", "kinesis")]
            cells += [f"{other['total']:.3f}" if other else "–" for other in others]
            yield f"| {size:,} | {memory_mb:,} | {' | '.join(cells)} |"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


_TABLES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "run": _run,
    "ratios": _ratios,
    "peers": _peers,
    "rows": _rows,
    "turns": _turns,
    "containers": _containers,
    "tables": _tables,
    "dollars": _dollars,
}


if __name__ == "__main__":
    main()
