"""Print what each environment costs a month, by AWS's list prices."""

import argparse
import os
import sys

from costs.load import DEFAULT_RECORDS_PER_DAY, Load
from costs.prices import read_prices
from costs.report import footer, table
from main import chosen_environments
from stacks.config.settings import SettingsError

MAX_RECORDS_PER_DAY = 10**12


def main() -> None:
    """Print a table for the stack that the argument names, or for every one."""
    parser = argparse.ArgumentParser(prog="python -m costs", description=__doc__)
    parser.add_argument("stack", nargs="?", help="a stack's id, such as dev-stack (default: every stack)")
    parser.add_argument("--records-per-day", default=str(DEFAULT_RECORDS_PER_DAY), metavar="NUMBER")
    arguments = parser.parse_args()
    try:
        load = _load(arguments.records_per_day)
        environments = {each.stack_id: each for each in chosen_environments(os.environ)}
        if arguments.stack and arguments.stack not in environments:
            raise SettingsError(f"There is no {arguments.stack}; accepted: {', '.join(environments)}")
    except SettingsError as error:
        sys.exit(str(error))
    prices = read_prices()
    for stack_id, environment in environments.items():
        if arguments.stack in (None, stack_id):
            sys.stdout.write(f"{table(environment, prices, load)}\n\n")
    sys.stdout.write(f"{footer(prices)}\n")


def _load(records_per_day: str) -> Load:
    if not records_per_day.isdecimal() or not 1 <= int(records_per_day[:20]) <= MAX_RECORDS_PER_DAY:
        raise SettingsError(
            f"RECORDS_PER_DAY is {records_per_day!r}; accepted: a whole number, 1 to {MAX_RECORDS_PER_DAY}"
        )
    return Load(records_per_day=int(records_per_day))


if __name__ == "__main__":
    main()
