"""Take the addresses of package indexes out of Pipfile.lock: whoever installs chooses the index.

pipenv writes them after locking; `pipenv sync`, `verify` and `install --deploy` accept the lock without.
"""

import json
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "Pipfile.lock"


def main() -> None:
    """Rewrite Pipfile.lock."""
    lock = json.loads(LOCK.read_text())
    lock["_meta"]["sources"] = []
    for category, packages in lock.items():
        if category != "_meta":
            for package in packages.values():
                package.pop("index", None)
    LOCK.write_text(json.dumps(lock, indent=4, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
