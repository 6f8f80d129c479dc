"""Print the policy that the key of a stack needs, for all environments that use it; nothing is changed.

With `ENVIRONMENT_SUFFIX`, the throwaway environment is one of them.
"""

import json
import os
import sys
from pathlib import Path

# A script's own folder is on the path, the project's is not.
sys.path.insert(0, str(Path(__file__).parents[1]))

from stacks.config.environments import ENVIRONMENTS, throwaway
from stacks.config.settings import SettingsError
from stacks.key_policy import policy_for


def main() -> None:
    """Print it, or exit with one line that says why there is none."""
    suffix = os.environ.get("ENVIRONMENT_SUFFIX")
    try:
        environments = [*ENVIRONMENTS, throwaway(suffix)] if suffix else [*ENVIRONMENTS]
        policy = policy_for(sys.argv[1], environments)
    except SettingsError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{json.dumps(policy, indent=2)}\n")


if __name__ == "__main__":
    main()
