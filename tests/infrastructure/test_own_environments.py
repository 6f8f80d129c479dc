"""The environments in `stacks/config/environments.py`, whatever values a team has set there.

All other tests of stacks have settings of their own (`tests/support/environments.py`).
"""

from stacks.config.environments import ENVIRONMENTS, throwaway
from tests.support.environments import THROWAWAY


def test_each_has_a_name_of_its_own() -> None:
    names = [environment.name for environment in ENVIRONMENTS]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"give each environment in stacks/config/environments.py its own name: {twice}"


def test_a_throwaway_environment_can_stand_beside_them() -> None:
    assert throwaway(THROWAWAY).stack_id not in [environment.stack_id for environment in ENVIRONMENTS]
