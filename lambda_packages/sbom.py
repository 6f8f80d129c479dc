"""`python -m lambda_packages.sbom`: write bills of materials into dist, as CycloneDX.

`sbom.cdx.json` has the packages that Lambda runs, `sbom-wheel.cdx.json` those that the wheel is tested with.
Made from Pipfile.lock alone, so they are the same bytes on every machine. https://cyclonedx.org/docs/1.6/json/
"""

import argparse
import json
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from lambda_packages.layer import LOCK, locked_packages
from lambda_packages.target import ARCHITECTURES, DIST, PROJECT, RUNTIME
from lambda_packages.wheels import requirements

NAME = "sbom.cdx.json"
WHEEL_NAME = "sbom-wheel.cdx.json"
_LAMBDA = {"name": "aws:lambda:runtime", "value": RUNTIME}
_EXTRA = {"name": "python:extra", "value": "catalog"}


def shipped_packages(lock: Path = LOCK) -> dict[str, str]:
    """Return the version of every package in a layer, of whatever architecture, by name."""
    locked = locked_packages(lock)
    lines = {line.partition(" ")[0] for each in ARCHITECTURES for line in requirements(locked, each)}
    return dict(line.split("==", 1) for line in sorted(lines))


def wheel_packages(lock: Path = LOCK) -> dict[str, str]:
    """Return the version of every package that the wheel is tested with, the program `catalog` included."""
    sections = json.loads(lock.read_text(encoding="utf-8"))
    locked = sections["catalog"] | sections["default"]
    return {name: locked[name]["version"].removeprefix("==") for name in sorted(locked)}


def package_url(name: str, version: str) -> str:
    """Return a package's URL: https://github.com/package-url/purl-spec."""
    return f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"


def bill_of_materials(
    packages: dict[str, str], project: dict[str, Any], about: dict[str, str] = _LAMBDA
) -> dict[str, Any]:
    """Return the document; `project`: the table of pyproject.toml; `about`: what it is of, a property."""
    components = [
        {
            "type": "library",
            "bom-ref": package_url(name, version),
            "name": name,
            "version": version,
            "purl": package_url(name, version),
        }
        for name, version in packages.items()
    ]
    root = {
        "type": "application",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"license": {"id": project["license"]}}],
    }
    # The number of a document must be unique to its content, and here the content makes it.
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([root, about, components]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "component": root,
            "properties": [about],
        },
        "components": components,
        # The lock says what is installed, not which package needs which.
        "dependencies": [{"ref": project["name"], "dependsOn": [each["bom-ref"] for each in components]}],
        "compositions": [{"aggregate": "complete", "assemblies": [project["name"]]}],
    }


def write(dist: Path) -> str:
    """Write both documents into a folder and return a line about each."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dist.mkdir(exist_ok=True)
    lines = []
    for name, packages, about in (
        (NAME, shipped_packages(), _LAMBDA),
        (WHEEL_NAME, wheel_packages(), _EXTRA),
    ):
        text = json.dumps(bill_of_materials(packages, project, about), indent=2) + "\n"
        (dist / name).write_text(text, encoding="utf-8")
        lines.append(f"{dist.name}/{name}: {len(packages)} packages")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m lambda_packages.sbom", description=__doc__)
    parser.add_argument("--dist", type=Path, default=DIST, help="the folder to write into (default: dist)")
    sys.stdout.write(f"{write(parser.parse_args().dist)}\n")
