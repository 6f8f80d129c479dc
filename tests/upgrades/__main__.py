"""`python -m tests.upgrades`: write the files of the version in pyproject.toml, with this release's code.

Once per release, before its tag: what was released is never written again.
"""

import asyncio
import shutil
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lambda_packages.target import PROJECT
from local.servers import start_servers
from processor.readers import CacheAddress, open_reader
from tests.support.events import aggregate, kinesis_event, kinesis_record
from tests.support.failed_batches import put_failed_batch, update_event
from tests.support.kept_catalog import Catalog, kept_catalog
from tests.support.real_servers import ALL_DONE, Services, open_services
from tests.upgrades.release import COMMANDS, FOLDER, Release, dump, outcomes, printed, rows

# The first is what the sketch sent; the others have every member, and the forms that are read by value.
_PLAIN: tuple[bytes | str | dict[str, Any], ...] = (
    '{"product_id": "plain", "inventory": 100, "price": 29.99}',
    '{"schema_version":1,"product_id":"plain","price":"19.990","supplier":"acme",'
    '"event_time":"2026-01-31T09:29:00.123456789+01:00"}',
    '{"product_id":"größe \\ud83d\\udce6","inventory":12.0000,"supplier":"acme","colour":"blue"}',
    '{\n  "product_id": "lines",\n  "inventory": 7\n}\n',
    {"product_id": "gone", "inventory": 3, "price": "5", "discontinued": True},
    {"product_id": "fixed", "inventory": 4, "price": 9.995, "supplier": "acme"},
    {"product_id": "none", "inventory": None},
    {"product_id": "twice ", "inventory": 1},
    b"\x1f\x8b\x08 gzip",
    b"no JSON \xff",
)
_AGGREGATED = aggregate(
    (key, body)
    for key, body in [
        ("a", b'{"product_id":"in an aggregate","inventory":1,"event_time":"2026-01-31T08:29:59Z"}'),
        ("b", b'{"product_id":"in an aggregate","inventory":2,"event_time":"2026-01-31T08:29:59Z"}'),
        ("b", b'{"product_id":"in an aggregate","price":-1}'),
    ]
)
_BROKEN = _AGGREGATED[:-1] + bytes([_AGGREGATED[-1] ^ 1])
_REASON = ("--yes", "--reason", "what a release leaves behind")


def events() -> dict[str, dict[str, Any]]:
    """Return the function's events, by the names of their files."""
    plain = [kinesis_record(data, position) for position, data in enumerate(_PLAIN)]
    without_key = kinesis_record({"product_id": "without a key", "inventory": 5}, 20, partition_key=None)
    return {
        "plain": kinesis_event(*plain, without_key),
        "aggregated": kinesis_event(kinesis_record(_AGGREGATED, 30), kinesis_record(_BROKEN, 31)),
    }


async def write(release: Release, services: Services, catalog: Catalog) -> None:
    """Process the events, repair what can be, read as the shop does, and keep all of it."""
    for name, event in events().items():
        release.write(f"events/{name}.json", event)
        release.write(f"outcomes/{name}.json", outcomes(event))
        _check(await services.invoke(event) == ALL_DONE, name)
    for condition, position in (("RetryAttemptsExhausted", 40), ("RecordAgeExceeded", 41)):
        await put_failed_batch(services, update_event(position), condition, condition=condition)
    for command in (
        ("redrive", "--condition", "RetryAttemptsExhausted"),
        ("quarantine", "fix", "--rule", "price: round to 2 decimals"),
    ):
        result = await catalog(*command, *_REASON)
        _check(result.exit_code == 0, result.output)
    port = services.redis.connection_pool.connection_kwargs["port"]
    cache = CacheAddress(host="127.0.0.1", port=port, tls=False)
    async with open_reader(dsn=services.postgres.dsn, ca_file=None, cache=cache) as reader:
        for row in await rows(services.database):
            await reader.get(str(row["product_id"]))
    keys = sorted(await services.redis.keys("product:*"))
    release.write("cache.json", {key: await services.redis.get(key) for key in keys})
    for name in COMMANDS:
        release.write(f"json/{name}.json", await printed(catalog, name))
    variables = services.account.variables | {"REDIS_PORT": "1"}
    without_cache = replace(services, account=replace(services.account, variables=variables))
    _check(await without_cache.invoke(events()["aggregated"]) == ALL_DONE, "without the cache")
    release.write("rows.json", await rows(services.database))
    release.write("pending.json", sorted(await services.pending()))
    (release.folder / "database.sql").write_text(dump(services.postgres), encoding="utf-8")
    await release.store(services)


async def main(release: Release) -> None:
    """Write the files of a release."""
    # The function logs to standard output.
    with redirect_stdout(sys.stderr), start_servers() as servers, TemporaryDirectory() as folder:
        async with open_services(servers) as services:
            with kept_catalog(services, servers, Path(folder), {}) as catalog:
                await write(release, services, catalog)


def _version() -> str:
    """Return the version that is written. Raises: SystemExit: it was released already."""
    version: str = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "version"
    ]
    tags = subprocess.run(  # noqa: S603
        ["git", "tag", "--list", f"v{version}"],  # noqa: S607
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    if tags.stdout:
        sys.exit(
            f"{version} was released: its files stay as they are; set the next version in pyproject.toml"
        )
    return version


def _check(is_right: bool, what: str) -> None:  # noqa: FBT001 a sentence
    if not is_right:
        sys.exit(f"not written: {what}")


if __name__ == "__main__":
    folder = FOLDER / _version()
    shutil.rmtree(folder, ignore_errors=True)
    asyncio.run(main(Release(folder)))
    sys.stdout.write(
        f"{folder.relative_to(PROJECT)}: {sum(path.is_file() for path in folder.rglob('*'))} files\n"
    )
