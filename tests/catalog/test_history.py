"""`catalog history` shows what was changed, by whom and why."""

import json

from tests.catalog.conftest import Catalog


async def test_no_change_was_made(catalog: Catalog) -> None:
    result = await catalog("history", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
