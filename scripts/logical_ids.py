"""Write tests/infrastructure/logical_ids.json, the logical ids of every permanent environment's stack.

A renamed logical id makes Terraform destroy the old resource and create a new one: read the file's diff.
"""

import json
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# A script's own folder is on the path, the project's is not.
sys.path.insert(0, str(PROJECT))

from tests.infrastructure.test_stacks import LOGICAL_IDS, logical_ids  # noqa: E402 see above
from tests.support.synthesized import synthesize  # noqa: E402


def main() -> None:
    """Synthesize the stacks and write their logical ids."""
    with tempfile.TemporaryDirectory() as directory:
        found = logical_ids(synthesize({}, Path(directory)))
    LOGICAL_IDS.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(f"{LOGICAL_IDS.relative_to(PROJECT)}: read its diff\n")


if __name__ == "__main__":
    main()
