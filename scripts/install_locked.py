"""Install what Pipfile.lock pins into the running Python's environment, checking every file's hash.

    python scripts/install_locked.py packages synth catalog dev-packages

The arguments are categories of Pipfile. Does what `pipenv sync --categories …` does, without pipenv.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parent.parent / "Pipfile.lock"
# The names Pipfile and Pipfile.lock give to the same category.
_SECTIONS = {"packages": "default", "dev-packages": "develop"}


def requirements(lock: dict[str, Any], categories: list[str]) -> list[str]:
    """Return one pip requirement per package, with its marker and hashes, ordered by name."""
    pinned: dict[str, str] = {}
    for category in categories:
        for name, package in lock[_SECTIONS.get(category, category)].items():
            marker = f" ; {package['markers']}" if "markers" in package else ""
            hashes = "".join(f" --hash={digest}" for digest in package["hashes"])
            line = f"{name}{package['version']}{marker}{hashes}"
            if pinned.setdefault(name, line) != line:
                sys.exit(f"Pipfile.lock pins {name} differently in two categories; run `make lock`")
    return [pinned[name] for name in sorted(pinned)]


def main() -> None:
    """Install the categories named as arguments."""
    lines = requirements(json.loads(LOCK.read_text()), sys.argv[1:])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        flags = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", file.name]
        try:
            sys.exit(subprocess.run([*command, *flags], check=False).returncode)  # noqa: S603
        except KeyboardInterrupt:
            sys.exit("stopped; `make setup` goes on from here")


if __name__ == "__main__":
    main()
