"""Pin a tool that has a separate virtual environment, with the hashes of every file that may be installed.

    .venv/bin/python scripts/lock_tool.py ministack 1.5.33
    .venv/bin/python scripts/lock_tool.py checkov 3.3.30
    .venv/bin/python scripts/lock_tool.py cdktn-provider-aws 25.8.1
    .venv/bin/python scripts/lock_tool.py jactionlint 2.3.0
    .venv/bin/python scripts/lock_tool.py "dlt[postgres]" 1.31.0
    .venv/bin/python scripts/lock_tool.py benchmarks

Writes the file of pins that scripts/tool_venv.sh installs the tool from. They are not in Pipfile.lock because
ministack and checkov pin their own botocore, cdktn needs a newer jsii, dlt would decide others' versions, and
nobody else needs what benchmarks/requirements.in names. Afterwards run what uses the tool: `make audit`,
`make cdktn`, `make lint-workflows`, `make bench`, or `make deploy-local` and tests/deploy, which say which of
our corrections the new emulator no longer needs.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = "3.13"
_LINUX = {
    machine: (*(f"manylinux_2_{minor}_{machine}" for minor in (17, 28)), f"manylinux2014_{machine}")
    for machine in ("x86_64", "aarch64")
}
_MAC = {
    machine: tuple(f"macosx_{version}_{machine}" for version in ("11_0", "12_0", "14_0"))
    for machine in ("arm64", "x86_64")
}
# Tool → its file of pins, and the platform tags of the machines that it may be installed on. The emulator
# runs Lambda's layer, which is built for Linux.
_TOOLS = {
    "ministack": (_ROOT / "local" / "deploy" / "emulator.txt", list(_LINUX.values())),
    "checkov": (_ROOT / "terraform_cli" / "checkov.txt", [*_LINUX.values(), *_MAC.values()]),
    "benchmarks": (_ROOT / "benchmarks" / "requirements.txt", [*_LINUX.values(), *_MAC.values()]),
    "dlt[postgres]": (_ROOT / "benchmarks" / "requirements-dlt.txt", [*_LINUX.values(), *_MAC.values()]),
    "cdktn-provider-aws": (_ROOT / "terraform_cli" / "cdktn.txt", [*_LINUX.values(), *_MAC.values()]),
    "jactionlint": (_ROOT / "scripts" / "jactionlint.txt", [*_LINUX.values(), *_MAC.values()]),
}
_HEAD = "# Made by scripts/lock_tool.py, which says how to renew it.\n"


def main() -> None:
    """Resolve the tool and version in the arguments for every machine, and write the pins."""
    match sys.argv[1:]:
        case [tool, version] if tool in _TOOLS and tool != "benchmarks":
            wanted = [f"{tool}=={version}"]
        case ["benchmarks" as tool]:
            wanted = ["--requirement", str(_TOOLS[tool][0].with_suffix(".in"))]
        case _:
            sys.exit(f"usage: lock_tool.py <{' or '.join(_TOOLS)}> [version]")
    file, machines = _TOOLS[tool]
    pins: dict[str, set[str]] = defaultdict(set)
    for platforms in machines:
        for package in _resolve(wanted, platforms):
            about = package["metadata"]
            digest = package["download_info"]["archive_info"]["hashes"]["sha256"]
            pins[f"{about['name'].lower()}=={about['version']}"].add(digest)
    names = [pin.partition("==")[0] for pin in pins]
    if len(names) != len(set(names)):
        sys.exit(f"the machines need different versions: {sorted(pins)}")
    lines = [
        " \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in sorted(pins[pin]))])
        for pin in sorted(pins)
    ]
    file.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{file.name}: {len(lines)} packages\n")


def _resolve(wanted: Iterable[str], platforms: Iterable[str]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.json"
        command = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            "--dry-run",
        ]
        where = [
            "--target",
            directory,
            "--ignore-installed",
            "--only-binary",
            ":all:",
            "--report",
            str(report),
        ]
        target = [*(f"--platform={platform}" for platform in platforms), f"--python-version={_PYTHON}"]
        subprocess.run([*command, *where, *target, *wanted], check=True)  # noqa: S603
        installed: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installed


if __name__ == "__main__":
    main()
