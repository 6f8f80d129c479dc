"""Fail if Pipfile.lock lacks a package of Pipfile, names an index, or lacks a version or hashes."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_CATEGORIES = {"packages": "default", "dev-packages": "develop"}


def problems(lock: dict[str, Any], pipfile: dict[str, Any]) -> list[str]:
    """Return what is wrong, one line per problem."""
    found = []
    for category, wanted in pipfile.items():
        locked = lock.get(_CATEGORIES.get(category, category), {})
        for name, pin in wanted.items():
            version = locked.get(name, {}).get("version")
            if version is None or (isinstance(pin, str) and pin.startswith("==") and version != pin):
                found.append(f"{category}: Pipfile says {name} {pin}, the lock {version}; run `make lock`")
    if lock["_meta"]["sources"]:
        found.append("Pipfile.lock names a package index")
    for category, packages in lock.items():
        for name, package in packages.items() if category != "_meta" else ():
            if "index" in package:
                found.append(f"{category}: {name} names a package index")
            if not package.get("hashes") or not package.get("version", "").startswith("=="):
                found.append(f"{category}: {name} is not pinned with hashes")
    return found


def main() -> None:
    """Check this project's lock."""
    lock = json.loads((ROOT / "Pipfile.lock").read_text())
    found = problems(lock, tomllib.loads((ROOT / "Pipfile").read_text()))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
