"""`python -m lambda_packages.sbom`: write dist/sbom.cdx.json, the packages that Lambda runs, as CycloneDX.

Made from Pipfile.lock alone, so it is the same bytes on every machine. https://cyclonedx.org/docs/1.6/json/
"""

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


def shipped_packages(lock: Path = LOCK) -> dict[str, str]:
    """Return the version of every package in a layer, of whatever architecture, by name."""
    locked = locked_packages(lock)
    lines = {line.partition(" ")[0] for each in ARCHITECTURES for line in requirements(locked, each)}
    return dict(line.split("==", 1) for line in sorted(lines))


def package_url(name: str, version: str) -> str:
    """Return a package's URL: https://github.com/package-url/purl-spec."""
    return f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"


def bill_of_materials(packages: dict[str, str], project: dict[str, Any]) -> dict[str, Any]:
    """Return the document; `project`: the table of pyproject.toml."""
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
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([root, components]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {
            "component": root,
            "properties": [{"name": "aws:lambda:runtime", "value": RUNTIME}],
        },
        "components": components,
        # The lock says what is installed, not which package needs which.
        "dependencies": [{"ref": project["name"], "dependsOn": [each["bom-ref"] for each in components]}],
        "compositions": [{"aggregate": "complete", "assemblies": [project["name"]]}],
    }


def write(dist: Path) -> str:
    """Write the document into a folder and return a line about it."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages = shipped_packages()
    dist.mkdir(exist_ok=True)
    text = json.dumps(bill_of_materials(packages, project), indent=2) + "\n"
    (dist / NAME).write_text(text, encoding="utf-8")
    return f"{dist.name}/{NAME}: {len(packages)} packages"


if __name__ == "__main__":
    sys.stdout.write(f"{write(DIST)}\n")
