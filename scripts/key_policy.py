"""Print the policy that a stack's key needs, for all environments that use it; nothing is changed.

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
from stacks.key_policy import key_policy


def policy_for(stack: str, suffix: str | None) -> str:
    """Return the policy as JSON.

    Raises: SettingsError.
    """
    environments = [*ENVIRONMENTS, throwaway(suffix)] if suffix else [*ENVIRONMENTS]
    keys = {environment.stack_id: environment.encryption_key_arn for environment in environments}
    if stack not in keys:
        raise SettingsError(f"STACK is {stack!r}; accepted: {', '.join(keys)}")
    key = keys[stack]
    if key is None:
        raise SettingsError(
            f"encryption_key_arn of {stack} is None; accepted: a key, in stacks/config/environments.py"
        )
    using = [environment for environment in environments if environment.encryption_key_arn == key]
    return json.dumps(key_policy(key, using), indent=2)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{policy_for(sys.argv[1], os.environ.get('ENVIRONMENT_SUFFIX'))}\n")
    except SettingsError as error:
        sys.exit(str(error))
