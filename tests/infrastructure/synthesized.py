"""A synthesized stack as the tests read it: the JSON that Terraform gets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from main import build_app

THROWAWAY = "pr-42"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """One `cdk.tf.json`."""

    document: Mapping[str, Any]

    def only(self, kind: str) -> Mapping[str, Any]:
        """Return the single resource or data source of a kind, such as `aws_s3_bucket`."""
        (found,) = [body for found_kind, _, body in self.blocks() if found_kind == kind]
        return found

    def blocks(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Yield (kind, logical id, body) of every resource and data source."""
        for section in ("resource", "data"):
            for kind, blocks in self.document.get(section, {}).items():
                for logical_id, body in blocks.items():
                    yield kind, logical_id, body


def synthesize(variables: Mapping[str, str], outdir: Path) -> dict[str, Stack]:
    """Return the stacks by id, as `main.py` makes them with these environment variables."""
    build_app(variables, outdir=str(outdir)).synth()
    manifest = json.loads((outdir / "manifest.json").read_text())
    return {
        stack_id: Stack(document=json.loads((outdir / stack["synthesizedStackPath"]).read_text()))
        for stack_id, stack in manifest["stacks"].items()
    }
