"""Pin a version of the emulator of `make deploy-local`, with the hashes of every file that may be installed.

    .venv/bin/python scripts/lock_emulator.py 1.5.33

Writes local/deploy/emulator.txt. It is separate from Pipfile.lock because the emulator pins its own botocore
and is installed into a separate virtual environment (scripts/emulator.sh). Afterwards run `make deploy-local`
and tests/deploy: they say which of our corrections the new version no longer needs.
"""

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).resolve().parent.parent / "local" / "deploy" / "emulator.txt"
_PYTHON = "3.13"
_MACHINES = ("x86_64", "aarch64")
_HEAD = "# Made by scripts/lock_emulator.py, which says how to renew it.\n"


def main() -> None:
    """Resolve the version in the argument for every architecture, and write the pins."""
    if len(sys.argv) != 2:
        sys.exit("usage: lock_emulator.py <version of ministack>")
    pins: dict[str, set[str]] = defaultdict(set)
    for machine in _MACHINES:
        for package in _resolve(sys.argv[1], machine):
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
    REQUIREMENTS.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{REQUIREMENTS.name}: {len(lines)} packages\n")


def _resolve(version: str, machine: str) -> list[dict[str, Any]]:
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
        platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in (17, 28)]
        platforms += [f"--platform=manylinux2014_{machine}", f"--python-version={_PYTHON}"]
        subprocess.run(  # noqa: S603
            [*command, *where, *platforms, f"ministack=={version}"], check=True
        )
        installed: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["install"]
        return installed


if __name__ == "__main__":
    main()
