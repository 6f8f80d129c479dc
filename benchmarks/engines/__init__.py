"""The engines by name; each is imported only in the process that runs it."""

import importlib

from benchmarks.engine import Engine

ENGINES = {
    "ours": "ours:Ours",
    "reference": "reference:Reference",
    "reused_connections": "reused_connections:ReusedConnections",
    "powertools": "powertools:Powertools",
    "bulk": "bulk:Bulk",
    "bulk_defaults": "bulk:BulkWithDefaults",
    "plain_build": "plain_build:PlainBuild",
}
# These only commit rows; `run` returns how many.
ROW_ENGINES = {
    "catalog_upsert": "catalog_upsert:CatalogUpsert",
    "copy_merge": "copy_merge:CopyMerge",
    "executemany": "executemany:ExecuteMany",
    "dlt": "dlt_merge:DltMerge",
    "dlt_csv": "dlt_merge:DltMergeCsv",
    "unnest_1024": "unnest_chunks:UnnestChunks",
    "unnest_1024_blind": "unnest_chunks:UnnestChunksBlind",
    "values_1024_blind": "unnest_chunks:ValuesChunksBlind",
    "limit_copy": "limits:CopyLimit",
    "limit_bare_unnest": "limits:BareUnnest",
    "limit_bare_texts": "limits:BareTexts",
    "limit_decode": "limits:DecodeLimit",
}


def make_engine(name: str) -> Engine:
    """Return an engine that is not open yet."""
    module, _, class_name = (ENGINES | ROW_ENGINES)[name].partition(":")
    engine: Engine = getattr(importlib.import_module(f"benchmarks.engines.{module}"), class_name)()
    return engine
