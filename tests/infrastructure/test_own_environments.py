"""The environments in `stacks/config/environments.py`, whatever values a team has set there.

All other tests of stacks have settings of their own (`tests/support/environments.py`).
"""

from stacks.config.environments import ENVIRONMENTS, throwaway
from tests.support.environments import THROWAWAY


def test_no_two_have_the_same_name() -> None:
    names = [environment.name for environment in ENVIRONMENTS]
    assert sorted(set(names)) == sorted(names)


def test_a_throwaway_environment_can_be_destroyed() -> None:
    """It takes the first environment's settings."""
    assert not throwaway(THROWAWAY).is_kept
