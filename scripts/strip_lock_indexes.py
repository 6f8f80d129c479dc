"""Remove the addresses of package indexes from Pipfile.lock, so that each machine uses its own index.

pipenv writes them when it locks; `pipenv sync`, `verify` and `install --deploy` accept the lock without them.
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
