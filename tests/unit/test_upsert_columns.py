"""The upsert's parameters: each column's values of all changes in one text."""

import pytest

from processor.adapters.upsert import COLUMNS, columns
from processor.errors import CatalogRefusedError
from processor.fold import ROW_COLUMNS, Change


def change(product_id: str, **values: object) -> Change:
    return Change(product_id, [values.get(name) for name in ROW_COLUMNS])


def test_a_line_holds_a_changes_value_and_is_empty_for_none() -> None:
    texts = columns(
        [
            change("apple", inventory=5, price=199, discontinued=False),
            change("pear", price=0),
            change("plum", inventory=0),
        ]
    )
    by_name = dict(zip(COLUMNS, texts, strict=True))
    assert by_name["product_id"] == "apple\npear\nplum"
    assert by_name["inventory"] == "5\n\n0"
    assert by_name["price"] == "199\n0\n"
    assert by_name["discontinued"] == "False\n\n"


def test_a_column_without_values_is_empty() -> None:
    texts = columns([change("apple", inventory=5), change("pear", inventory=6)])
    assert dict(zip(COLUMNS, texts, strict=True))["price"] == ""


@pytest.mark.parametrize("product_id", ["ap\nple", "\n", "apple\n"])
def test_a_line_break_in_a_value_is_refused(product_id: str) -> None:
    with pytest.raises(CatalogRefusedError, match="line break"):
        columns([change(product_id, inventory=5), change("pear", inventory=6)])
