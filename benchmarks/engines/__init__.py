"""The engines by name; each is imported only in the process that runs it."""

import importlib

from benchmarks.engine import Engine

ENGINES = {
    "ours": "ours:Ours",
    "reference": "reference:Reference",
    "reused_connections": "reused_connections:ReusedConnections",
    "powertools": "powertools:Powertools",
    "bulk": "bulk:Bulk",
    "plain_build": "plain_build:PlainBuild",
}


def make_engine(name: str) -> Engine:
    """Return an engine that is not open yet."""
    module, _, class_name = ENGINES[name].partition(":")
    engine: Engine = getattr(importlib.import_module(f"benchmarks.engines.{module}"), class_name)()
    return engine
