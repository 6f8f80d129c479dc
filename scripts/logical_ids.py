"""Write what is kept of the stacks: logical_ids.json, arguments.json and bootstrap.json.

A renamed logical id makes Terraform destroy the old resource and create a new one. An argument or a right
that is new or gone is a decision. Read the files' diff.
"""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# A script's own folder is on the path, the project's is not.
sys.path.insert(0, str(PROJECT))

from tests.infrastructure.test_arguments import ARGUMENTS, arguments, observed_stacks  # noqa: E402
from tests.infrastructure.test_kept_bootstrap import BOOTSTRAP, kept_bootstrap, keyed_bootstrap  # noqa: E402
from tests.infrastructure.test_stacks import LOGICAL_IDS, logical_ids  # noqa: E402
from tests.support.environments import DEV  # noqa: E402 see above
from tests.support.networks import in_new_vpc  # noqa: E402
from tests.support.synthesized import synthesize, synthesize_environment  # noqa: E402


def main() -> None:
    """Synthesize the stacks and write their logical ids, their arguments and the bootstrap stack."""
    with tempfile.TemporaryDirectory() as directory:
        stacks = synthesize({}, Path(directory))
        (Path(directory) / "open").mkdir()
        open_network = in_new_vpc(DEV, nat_gateways=1)
        (Path(directory) / "bootstrap").mkdir()
        bootstrap = kept_bootstrap(keyed_bootstrap(Path(directory) / "bootstrap"))
        open_dev = synthesize_environment(replace(DEV, network=open_network), Path(directory) / "open")
    readable = {name.removesuffix("-stack"): stack.readable() for name, stack in stacks.items()}
    found = arguments(observed_stacks(readable, open_dev.readable()))
    kept = ((LOGICAL_IDS, logical_ids(stacks)), (ARGUMENTS, found), (BOOTSTRAP, bootstrap))
    for path, content in kept:
        path.write_text(json.dumps(content, indent=2) + "\n")
        sys.stdout.write(f"{path.relative_to(PROJECT)}: read its diff\n")


if __name__ == "__main__":
    main()
