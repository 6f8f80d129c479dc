"""The pipeline on this machine: servers, account, migrations, function and mapping, wired together."""

import asyncio
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from local.emulated_aws.account import Account, open_account
from local.emulated_aws.event_source_mapping import (
    EventSourceMapping,
    FunctionError,
    MappingSettings,
    StartingPosition,
    SystemClock,
)
from local.emulated_aws.event_source_mapping.aws_adapters import KinesisStream, S3FailureDestination
from local.emulated_aws.function_service import FunctionService
from local.servers import Servers, start_servers

TIMEOUT_SECONDS = 60.0
SHARDS = 4
SCHEDULED_EVENT = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The running parts."""

    servers: Servers
    account: Account
    function: FunctionService
    mapping: EventSourceMapping


@asynccontextmanager
async def open_pipeline(
    *, on_log: Callable[[str], None], on_event: Callable[[Mapping[str, Any]], None]
) -> AsyncIterator[Pipeline]:
    """Start everything, migrate the schema and run the mapping; stop everything at the end of the block.

    Raises:
        ServerError: a server cannot start.
        FunctionError: the migrations failed.
    """
    async with AsyncExitStack() as stack:
        servers = await _start_servers(stack)
        account = await stack.enter_async_context(
            open_account(
                servers.moto.endpoint_url,
                servers.postgres.address,
                servers.valkey.address,
                shards=SHARDS,
                application_password=secrets.token_urlsafe(24),
            )
        )
        await migrate(account.variables, on_log)
        function = FunctionService(
            "processor.handler:handler",
            variables=account.variables,
            timeout_seconds=TIMEOUT_SECONDS,
            reserved_concurrency=SHARDS + 2,
            new_id=_new_id,
            on_log=on_log,
            on_event=on_event,
        )
        stack.push_async_callback(function.close)
        mapping = EventSourceMapping(
            _mapping_settings(account),
            stream=KinesisStream(account.kinesis, account.stream_arn),
            function=function,
            failures=S3FailureDestination(account.s3, account.quarantine_bucket),
            clock=SystemClock(),
            new_id=_new_id,
        )
        running = asyncio.create_task(mapping.run())
        stack.push_async_callback(_stop, mapping, running)
        yield Pipeline(servers, account, function, mapping)


async def migrate(variables: Mapping[str, str], on_log: Callable[[str], None]) -> object:
    """Run the migrations function once, in a separate execution environment, as a deploy does."""
    function = FunctionService(
        "processor.migrate:handler",
        variables=variables,
        timeout_seconds=TIMEOUT_SECONDS,
        reserved_concurrency=1,
        new_id=_new_id,
        on_log=on_log,
    )
    try:
        return await function.invoke({})
    except FunctionError as error:
        raise FunctionError(f"the migrations failed: {error}") from error
    finally:
        await function.close()


def _mapping_settings(account: Account) -> MappingSettings:
    return MappingSettings(
        mapping_uuid=_new_id(),
        stream_arn=account.stream_arn,
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:inventory-processor-local",
        role_arn="arn:aws:iam::123456789012:role/inventory-processor-local",
        starting_position=StartingPosition.TRIM_HORIZON,
        batch_size=100,
        maximum_record_age_in_seconds=24 * 60 * 60,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        poll_interval_seconds=0.25,
    )


async def _start_servers(stack: AsyncExitStack) -> Servers:
    manager = start_servers()
    servers = await asyncio.to_thread(manager.__enter__)
    stack.push(lambda *error: manager.__exit__(*error))
    return servers


async def _stop(mapping: EventSourceMapping, running: "asyncio.Task[None]") -> None:
    mapping.stop()
    await running


def _new_id() -> str:
    return str(uuid.uuid4())
