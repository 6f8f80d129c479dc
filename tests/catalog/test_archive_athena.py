"""`catalog archive sql --athena`: what is sent, and what is made of the answer.

moto runs no SQL: it answers what it was told.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date
from typing import Any

import aioboto3
import aiohttp
import pytest
import sqlglot
from sqlglot import exp

from catalog.archive.athena_tables import archive_tables
from catalog.archive.queries import by_position, named_queries, parameters_of, with_tables
from catalog.archive.rows import COLUMNS
from catalog.archive.verify import Scope
from local.emulated_aws.account import REGION
from local.servers import Servers
from processor.product import REGISTERS
from tests.catalog.conftest import Catalog, lines_of
from tests.support.real_servers import Services

DATABASE, WORKGROUP = "product_catalog_dev", "product-catalog-dev"


class Athena:
    """What moto's Athena was asked, and what it answers next."""

    def __init__(self, client: Any, endpoint_url: str) -> None:
        self._client = client
        self._endpoint_url = endpoint_url

    async def will_answer(self, columns: Sequence[str | None], *rows: Sequence[str | None]) -> None:
        """Let it answer the next query with these rows; None: NULL."""
        cells = [[{} if each is None else {"VarCharValue": each} for each in row] for row in [columns, *rows]]
        result = {
            "rows": [{"Data": each} for each in cells],
            "column_info": [{"Name": name, "Type": "varchar"} for name in columns],
        }
        answer = {"account_id": "123456789012", "region": REGION, "results": [result]}
        async with aiohttp.ClientSession() as session:
            url = f"{self._endpoint_url}/moto-api/static/athena/query-results"
            (await session.post(url, json=answer)).raise_for_status()

    async def asked(self) -> dict[str, Any]:
        """Return the last query's execution."""
        ids = (await self._client.list_query_executions(WorkGroup=WORKGROUP))["QueryExecutionIds"]
        found: dict[str, Any] = (await self._client.get_query_execution(QueryExecutionId=ids[-1]))[
            "QueryExecution"
        ]
        return found


@pytest.fixture
async def athena(services: Services, servers: Servers) -> AsyncIterator[Athena]:
    """Athena with the environment's workgroup."""
    session: Any = aioboto3.Session("local", "local", region_name=REGION)
    async with session.client("athena", endpoint_url=servers.moto.endpoint_url) as client:
        await client.create_work_group(
            Name=WORKGROUP, Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
        )
        yield Athena(client, servers.moto.endpoint_url)
        await client.delete_work_group(WorkGroup=WORKGROUP)


@pytest.fixture
def environment_extras() -> dict[str, Any]:
    """Athena's names, which a kept run lacks."""
    return {"athena_workgroup": WORKGROUP, "glue_database": DATABASE}


async def test_a_named_query(catalog: Catalog, athena: Athena) -> None:
    columns = ["version", "supplier", "price"]
    await athena.will_answer(columns, ["v1", None, "1.50"], ["v2", "acme", "2.00"])
    result = await catalog(
        "archive", "sql", "--athena", "--json", "--named", "product_history", "--set", "product=o'brien",
        "--from", "2026-01-01", "--to", "2026-01-31",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == [
        {"version": "v1", "supplier": None, "price": "1.50"},
        {"version": "v2", "supplier": "acme", "price": "2.00"},
    ]
    assert result.stderr.startswith("Athena read ")
    asked = await athena.asked()
    assert asked["QueryExecutionContext"] == {"Database": DATABASE}
    assert asked["WorkGroup"] == WORKGROUP
    assert asked["ExecutionParameters"] == ["'o''brien'"]
    assert "product_id = ?" in asked["Query"]
    assert "WHERE dt BETWEEN '2026-01-01' AND '2026-01-31'" in asked["Query"]


async def test_the_screen(catalog: Catalog, athena: Athena) -> None:
    await athena.will_answer(["n"], ["3"])
    result = await catalog(
        "archive", "sql", "--athena", "SELECT count(*) AS n FROM archive", "--shard", "s-1"
    )
    assert lines_of(result.stdout) == ["n", "─", "3"]
    assert "FROM archive_lines_of_shard\n    WHERE shard = 's-1'" in (await athena.asked())["Query"]


async def test_a_result_of_no_rows(catalog: Catalog, athena: Athena) -> None:
    await athena.will_answer(["n"])
    result = await catalog("archive", "sql", "--athena", "--csv", "SELECT 1 AS n FROM archive")
    assert (result.exit_code, result.stdout) == (0, "n\n")


async def test_a_parameter_that_is_too_long(catalog: Catalog, athena: Athena) -> None:
    result = await catalog("archive", "sql", "--athena", "SELECT 1 WHERE $a = ''", "--set", f"a={'x' * 1023}")
    assert result.exit_code == 2
    assert result.stderr == "error: --set a: Athena accepts at most 1024 characters\n"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", "WITH archive AS (X)\nSELECT 1"),
        (
            "-- why\n/* with */ with a as (select 1) select 2;",
            "WITH archive AS (X), a as (select 1) select 2",
        ),
        ("WITH RECURSIVE a AS (B) C", "WITH RECURSIVE archive AS (X), a AS (B) C"),
        ("within", "WITH archive AS (X)\nwithin"),
    ],
)
def test_a_query_gets_the_view(sql: str, expected: str) -> None:
    assert " ".join(with_tables("archive AS (X)", sql).split()) == " ".join(expected.split())


def test_what_is_quoted_or_a_comment_holds_no_parameter() -> None:
    sql = "SELECT '$a', \"$b\" -- $c\n/* $d */ WHERE x = $e AND y = $f AND z = $e AND '''$g' = ''"
    assert parameters_of(sql) == ["e", "f", "e"]
    text, values = by_position(sql, {"e": "1", "f": "it's"})
    assert text == "SELECT '$a', \"$b\" -- $c\n/* $d */ WHERE x = ? AND y = ? AND z = ? AND '''$g' = ''"
    assert values == ["'1'", "'it''s'", "'1'"]


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
def test_a_named_query_is_the_same_sql_everywhere(query: Any) -> None:
    """Only what both dialects have."""
    words = query.sql.split()
    body = "\n".join(line for line in query.sql.splitlines() if not line.startswith("--"))
    for construct in (
        "::",
        "QUALIFY",
        "EXCLUDE",
        "GROUP BY ALL",
        "ORDER BY ALL",
        "ILIKE",
        "[",
        "{",
        "`",
        "LIMIT",
    ):
        assert construct not in body.upper()
    functions = {word.partition("(")[0].lstrip("(") for word in words if "(" in word} - {"", "(shard"}
    assert functions <= {"cast", "CAST", "coalesce", "count", "date_diff", "from_iso8601_timestamp", "max",
                         "max_by", "min", "min_by"}  # fmt: skip
    # Athena takes parameters in WHERE only.
    head, _, where = body.partition("WHERE")
    assert "$" not in head
    assert "$" not in where.partition("GROUP BY")[2]
    assert set(query.parameters) == set(parameters_of(query.sql))


@pytest.mark.parametrize("query", named_queries(), ids=lambda query: query.name)
@pytest.mark.parametrize("shard", [None, "shardId-000000000000"])
def test_athenas_form_of_a_named_query_is_parsed(query: Any, shard: str | None) -> None:
    """Each with the view before it, as Athena gets it; every column that it names is one of the view's."""
    view = archive_tables(Scope(date(2026, 1, 1), date(2026, 1, 2), shard))
    body, _ = by_position(query.sql, dict.fromkeys(query.parameters, "1"))
    (statement,) = sqlglot.parse(with_tables(view, body), read="athena")
    assert isinstance(statement, exp.Select)
    *_, archive = (table for table in statement.ctes if table.alias == "archive")
    assert set(archive.this.named_selects) == set(COLUMNS)
    asked = sqlglot.parse_one(body, read="athena")
    names = set(archive.this.named_selects) | {
        name for each in asked.find_all(exp.Select) for name in each.named_selects
    }
    assert {column.name for column in asked.find_all(exp.Column)} <= names


def test_sql_that_is_not_athenas_is_not_parsed() -> None:
    with pytest.raises(sqlglot.errors.ParseError):
        sqlglot.parse("SELECT count( FROM archive", read="athena")


def test_the_view_has_each_register() -> None:
    text = archive_tables(Scope(date(2026, 1, 1), date(2026, 1, 2), "s'1"))
    assert "shard = 's''1'" in text
    for name in REGISTERS:
        assert f"json_extract_scalar(good, '$.{name}')" in text
        assert f" AS {name}," in text
