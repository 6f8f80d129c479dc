"""The careful way to AWS: clients of aioboto3, which find every setting, try again and word each error."""

import asyncio
import importlib
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable

    import aioboto3
    from aiobotocore.credentials import AioCredentials

    from processor.adapters.aws_signature import AwsCredentials

_CONNECT_SECONDS = 2
_READ_SECONDS = 10
_ATTEMPTS = 3


class CarefulAws:
    """Clients of one region, each made when it is first needed, and open until all are closed.

    `by_path`: address S3's buckets by path. An emulator has no host name for each.
    """

    def __init__(self, region: str, *, by_path: bool = False) -> None:
        self._region = region
        self._by_path = by_path
        self._session: aioboto3.Session | None = None
        self._clients: dict[str, Any] = {}
        self._resources = AsyncExitStack()
        self._one_at_a_time = asyncio.Lock()

    async def client(self, service: str) -> Any:
        """Return the client of a service, such as `s3`."""
        async with self._one_at_a_time:
            if service not in self._clients:
                self._clients[service] = await self._make(service)
            return self._clients[service]

    async def credentials(self) -> "AwsCredentials | None":
        """Return the credentials that botocore finds, which may be those of a role."""
        async with self._one_at_a_time:
            return await session_credentials(await self._open_session())

    async def aclose(self) -> None:
        """Close the clients."""
        await self._resources.aclose()

    async def _make(self, service: str) -> Any:
        session = await self._open_session()
        from aiobotocore.config import AioConfig
        from botocore.handlers import add_expect_header

        config = AioConfig(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            s3={"addressing_style": "path"} if self._by_path else {},
        )
        made: Any = session.client(cast("Any", service), config=config)
        client = await self._resources.enter_async_context(made)
        # S3's would first ask whether to send the object, which takes as long as the put itself.
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return client

    async def _open_session(self) -> "aioboto3.Session":
        if self._session is None:
            # On a thread, since it takes up to a second: the other stages of a batch go on.
            module = await asyncio.to_thread(importlib.import_module, "processor.adapters.checked_session")
            self._session = module.open_session(region_name=self._region)
        return self._session


async def session_credentials(session: "aioboto3.Session") -> "AwsCredentials | None":
    """Return the session's credentials, renewed if they had to be."""
    # The stubs are wrong: aiobotocore's session returns a coroutine.
    credentials = await cast("Awaitable[AioCredentials | None]", session.get_credentials())
    return None if credentials is None else await credentials.get_frozen_credentials()


def errors_of_botocore(*names: str, also: tuple[type[Exception], ...] = ()) -> tuple[type[Any], ...]:
    """Return these exceptions of botocore and others, for an `except` clause, without importing botocore.

    Before anything has imported it, no error is one of its.
    """
    exceptions = sys.modules.get("botocore.exceptions")
    # While another thread imports it, it does not have all of them.
    found = (getattr(exceptions, name, None) for name in names)
    return (*(error for error in found if error is not None), *also)
