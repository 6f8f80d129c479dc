"""`catalog produce` sends what suppliers send, says what will be rejected, and waits for it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from catalog.produce.sending import CALL_RECORDS
from tests.catalog.conftest import Catalog
from tests.support.real_servers import Services, environment_variables

GOOD = '{"product_id":"a","inventory":1}'
CSV = (
    "product_id;inventory;price;discontinued;name\n"
    'a;5;1.20;TRUE;"two\nlines, ""quoted"""\n'
    "b;;007;;\n"
    "c;1;2;;;too many\n"
    "\n"
    "d;;3.5;false;"
)


async def sent(services: Services) -> list[dict[str, Any]]:
    """Return the stream's records, in order."""
    kinesis, stream = services.account.kinesis, services.account.stream_name
    shards = await kinesis.list_shards(StreamName=stream)
    found: list[dict[str, Any]] = []
    for shard in shards["Shards"]:
        iterator = await kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )
        answer = await kinesis.get_records(ShardIterator=iterator["ShardIterator"])
        found += [dict(record) for record in answer["Records"]]
    return found


async def test_records_are_sent_as_they_are_but_for_what_they_lack(
    catalog: Catalog, services: Services
) -> None:
    whole = '{"product_id":"b","price":1.50,"supplier":"s","event_time":"2026-01-01T00:00:00Z"}'
    lines = f"{GOOD}\n\n  {whole}\r\nno"
    result = await catalog("produce", "-", "--supplier", "acme", stdin=lines)
    assert result.exit_code == 0, result.output
    first, second, third = await sent(services)
    assert first["Data"].startswith(b'{"product_id":"a","inventory":1,"event_time":"20')
    assert first["Data"].endswith(b'Z","supplier":"acme"}')
    assert second["Data"] == whole.encode()
    assert third["Data"] == b"no"
    assert [record["PartitionKey"] for record in (first, second, third)] == ["a", "b", "-"]
    assert "Sent 3 records to" in result.stdout
    assert "invalid_json 1" in result.stdout


async def test_csv_has_the_types_of_the_registers(
    catalog: Catalog, services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "stock.CSV.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + CSV.encode()))
    result = await catalog("produce", str(path), "--event-time", "none")
    assert result.exit_code == 1, "a line was not sent"
    assert [record["Data"].decode() for record in await sent(services)] == [
        '{"product_id":"a","inventory":5,"price":1.20,"discontinued":true,'
        '"name":"two\\nlines, \\"quoted\\""}',
        '{"product_id":"b","price":"007"}',
        '{"product_id":"d","price":3.5,"discontinued":false}',
    ]


async def test_a_check_sends_nothing_and_names_the_lines(
    catalog: Catalog, services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "stock.csv"
    path.write_text(CSV)
    result = await catalog("produce", str(path), "--check")
    assert (result.exit_code, await sent(services)) == (1, [])
    assert [line.split("│")[1:4] for line in result.stdout.splitlines() if "│" in line] == [
        [" 4    ", " b       ", " invalid_price "],
        [" 5    ", "         ", " not_sendable  "],
    ]
    assert result.stdout.endswith("2 would be accepted, 2 not: not_sendable 1, invalid_price 1.\n")


async def test_more_lines_than_are_shown(catalog: Catalog) -> None:
    result = await catalog("produce", "-", "--check", stdin="bad\n" * 21)
    assert "and 1 more: --json has the first 1,000" in result.stdout


async def test_a_number_that_is_refused_is_called_a_number(catalog: Catalog) -> None:
    rows = "product_id,inventory\na,-3\n"
    result = await catalog("produce", "-", "--format", "csv", "--check", "--json", stdin=rows)
    (line,) = json.loads(result.stdout)["lines"]
    assert line["message"] == "inventory is -3; 0 to 2147483647 is accepted"


async def test_a_simulation_only_counts_its_bad_records(catalog: Catalog) -> None:
    result = await catalog("produce", "--simulate", "--limit", "100", "--bad", "0.5")
    assert "to be rejected or not sent" in result.stdout
    assert "│" not in result.stdout


async def test_a_check_of_good_lines_ends_well(catalog: Catalog) -> None:
    result = await catalog("produce", "-", "--check", "--json", stdin=f"{GOOD}\n{GOOD}\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"accepted": 2, "rejected": {}, "lines": [], "lines_left_out": 0}


@pytest.mark.parametrize("arguments", [(), ("--check",)])
async def test_a_file_without_updates_is_no_all_clear(
    catalog: Catalog, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("product_id,price\n")
    result = await catalog("produce", str(path), *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"no updates in {path}\n")
    assert (await catalog("produce", "-", *arguments, stdin="")).stderr == "no updates in standard input\n"


async def test_what_suppliers_send_never_reaches_the_terminal_raw(catalog: Catalog) -> None:
    hostile = json.dumps({"product_id": "[red]\x1b[31m", "inventory": -1}, ensure_ascii=False)
    result = await catalog("produce", "-", "--check", stdin=hostile)
    assert "\x1b" not in result.stdout
    assert "[red]\\x1b[31m" in result.stdout


async def test_the_file_s_time_makes_a_repetition_the_same(
    catalog: Catalog, services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "stock.ndjson"
    path.write_text(f"{GOOD}\n{GOOD}\n")
    for _ in range(2):
        await catalog("produce", str(path), "--event-time", "file")
    await catalog("produce", str(path), "--event-time", "file", "--from-line", "2")
    data = [record["Data"] for record in await sent(services)]
    assert (data[:2] == data[2:4], data[4] == data[1], data[0] < data[1]) == (True, True, True)


@pytest.mark.parametrize(
    ("arguments", "stdin", "told"),
    [
        ((), "", "give FILE"),
        (("-", "--simulate"), "", "give FILE"),
        (("-", "--out", "x"), "", "--out writes"),
        (("nowhere.csv",), "", "nowhere.csv: No such file or directory"),
        (("-", "--format", "csv"), "id,price\n1,2\n", "one of them product_id; this one names"),
        (("-", "--format", "csv"), "product_id,price,price\n", "two columns with the same name"),
        (("-", "--event-time", "file"), GOOD, "standard input has no time"),
    ],
)
async def test_wrong_use_is_told_in_a_line(
    catalog: Catalog, arguments: tuple[str, ...], stdin: str, told: str
) -> None:
    for mode in ("--check", "--wait") if "--out" not in arguments else ("--wait",):
        result = await catalog("produce", *arguments, mode, stdin=stdin)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert result.stderr.startswith("error: ")
        assert told in result.stderr


async def test_a_file_that_is_not_gzip(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "stock.ndjson.gz"
    path.write_text(GOOD)
    result = await catalog("produce", str(path), "--check")
    assert result.exit_code == 2
    assert "it is not whole gzip" in result.output


async def test_a_simulation_is_sent_in_full_calls(catalog: Catalog, services: Services) -> None:
    result = await catalog(
        "produce",
        "--simulate",
        "--rate",
        "100000",
        "--seconds",
        "1",
        "--limit",
        str(2 * CALL_RECORDS),
        "--json",
    )
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["sent"] == 2 * CALL_RECORDS
    assert len(await sent(services)) == 2 * CALL_RECORDS


async def test_the_same_seed_writes_the_same_file(catalog: Catalog, tmp_path: Path) -> None:
    for name, seed in (("a.ndjson.gz", "5"), ("b.ndjson.gz", "5"), ("c.ndjson.gz", "6")):
        out = str(tmp_path / name)
        result = await catalog("produce", "--simulate", "--seconds", "2", "--seed", seed, "--out", out)
        assert result.exit_code == 0
    a, b, c = ((tmp_path / f"{name}.ndjson.gz").read_bytes() for name in "abc")
    assert a == b != c
    assert gzip.decompress(a).count(b"\n") == 2_000


async def test_the_shell_s_profile_and_proxies_do_not_matter_locally(
    catalog: Catalog, services: Services
) -> None:
    proxy = "http://127.0.0.1:9"
    with environment_variables({"AWS_PROFILE": "nobody", "http_proxy": proxy, "HTTP_PROXY": proxy}):
        result = await catalog("produce", "-", stdin=GOOD)
    assert result.exit_code == 0, result.output
    assert len(await sent(services)) == 1


@pytest.mark.parametrize(("arguments", "count"), [((), 0), (("--yes",), 1)])
async def test_prod_asks(
    catalog: Catalog, services: Services, tmp_path: Path, arguments: tuple[str, ...], count: int
) -> None:
    state = tmp_path / "kept-run.json"
    kept = json.loads(state.read_text())
    kept["environment"]["name"] = "prod"
    state.write_text(json.dumps(kept))
    result = await catalog("produce", "-", *arguments, stdin=GOOD)
    assert (result.exit_code, len(await sent(services))) == (0, count)
    assert ("Dry run: nothing was changed" in result.stderr) is (count == 0)
