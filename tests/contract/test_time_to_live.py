"""Whoever says how old a cached product may be says what the processor's time to live is."""

import re
from pathlib import Path

import pytest

from processor.cache_keys import CACHE_TIME_TO_LIVE_SECONDS

PROJECT = Path(__file__).parents[2]
SAYS = re.compile(
    r"up to (?P<minutes>\d+) minutes old|older than (?P<older>\d+) minutes|"
    r"time to live of (?P<seconds>\d+) s|at most (?P<most>\d+) seconds"
)
FILES = (
    "ARCHITECTURE.md",
    "docs/operating.md",
    "docs/shop.md",
    "stacks/monitoring/cache_alarms.py",
    "stacks/monitoring/dashboard_sections.py",
)


@pytest.mark.parametrize("name", FILES)
def test_each_text_says_the_time_to_live(name: str) -> None:
    # Texts are wrapped, and strings of the stacks are joined from several lines.
    text = re.sub(r"\s+|\"\s*\n\s*\"", " ", (PROJECT / name).read_text()).replace('" "', "")
    found = [match.groupdict() for match in SAYS.finditer(text)]
    assert found, "no text of a time to live: remove the file from FILES"
    for said in found:
        minutes, seconds = said["minutes"] or said["older"], said["seconds"] or said["most"]
        assert (int(minutes) * 60 if minutes else int(seconds)) == CACHE_TIME_TO_LIVE_SECONDS, said
