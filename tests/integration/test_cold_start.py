"""What the first batch of an execution environment does, and leaves out."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.documents import PROJECT
from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import ALL_DONE, Services, until
from tests.support.recording_proxy import recorded

FIRST_BATCH = """
import json, sys
from processor.handler import handler

class Context:
    def get_remaining_time_in_millis(self):
        return 20_000

answer = handler(json.load(sys.stdin), Context())
print(json.dumps([answer, list(sys.modules)]))
"""
# Importing these takes longer than everything else together.
LEFT_OUT = {"aioboto3", "aiobotocore", "aiohttp", "boto3", "botocore.session", "google.protobuf"}


async def test_ordinary_calls_and_records_need_neither_aioboto3_nor_protobuf(
    services: Services, tmp_path: Path
) -> None:
    event = kinesis_event(kinesis_record({"product_id": "a", "inventory": 1}, 0), kinesis_record("bad", 1))
    finished = subprocess.run(  # noqa: ASYNC221, S603
        [sys.executable, "-c", FIRST_BATCH],
        cwd=PROJECT,
        env={"HOME": str(tmp_path), **services.account.variables},
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    answer, modules = json.loads(finished.stdout.splitlines()[-1])
    assert answer == ALL_DONE
    assert LEFT_OUT.isdisjoint(modules)
    assert len(await services.archive_lines()) == 2
    assert len(await services.quarantine_lines()) == 1
    assert await services.row("a") is not None


async def test_the_cache_connects_before_anything_is_invalidated(services: Services) -> None:
    async def connections() -> set[str]:
        return {client["id"] for client in await services.redis.client_list()}

    before = await connections()
    assert await services.invoke(kinesis_event(kinesis_record("bad", 0))) == ALL_DONE

    async def another() -> bool:
        return bool(await connections() - before)

    await until(another)


async def test_what_is_not_ordinary_goes_through_aioboto3(services: Services) -> None:
    """Check it with a setting of botocore that changes nothing, and an emulator that has a name."""
    async with recorded(services.account.variables["AWS_ENDPOINT_URL"]) as recording:
        services.account.variables.update(
            AWS_MAX_ATTEMPTS="3", AWS_ENDPOINT_URL=recording.url.replace("127.0.0.1", "localhost")
        )
        event = kinesis_event(kinesis_record({"product_id": "a", "inventory": 1}, 0))
        assert await services.invoke(event) == ALL_DONE
    assert all("aiobotocore" in request.headers["User-Agent"] for request in recording.requests)
    [put] = [request for request in recording.requests if request.method == "PUT"]
    assert put.path.startswith(f"/{services.account.archive_bucket}/inventory/")
