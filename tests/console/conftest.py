"""A console on the real servers of one test, and on a pipeline that runs."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from catalog.connections import connected
from catalog.environment import local_environment
from catalog.web.server import serve
from local.demo.control import answering
from local.demo.kept_run import environment_members
from local.demo.kept_state import hold_state
from local.demo.pipeline import Pipeline, open_pipeline
from local.demo.trouble import Trouble
from local.servers import Servers
from tests.support.real_servers import Services


class Console:
    """A console that listens at `url`, the address that it printed, and requests as its page sends them."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.origin = url.partition("/?")[0]
        self._session = session
        self.token = ""

    async def open(self) -> str:
        """Return the page, as a browser opens it."""
        async with self._session.get(self.url) as answer:
            text = await answer.text()
        self.token = re.findall(r'name="console-token" content="([^"]+)"', text)[0]
        return text

    async def request(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> tuple[int, str, Any]:
        """Return status, text and headers of an answer."""
        async with self._session.request(
            method, f"{self.origin}{path}", headers=headers, **options
        ) as answer:
            return answer.status, await answer.text(), answer.headers

    async def get(self, path: str, **parameters: str) -> Any:
        """Return what a page reads."""
        async with self._session.get(f"{self.origin}{path}", params=parameters) as answer:
            return await answer.json()

    async def events(self) -> AsyncIterator[tuple[str, str]]:
        """Yield name and data of each event that a page gets."""
        async with self._session.get(f"{self.origin}/api/events") as answer:
            name = ""
            async for line in answer.content:
                kind, _, text = line.decode().strip().partition(": ")
                if kind == "event":
                    name = text
                elif kind == "data":
                    yield name, text

    def as_page(self) -> dict[str, str]:
        """Return the headers that the page's own changes have."""
        return {"Origin": self.origin, "X-Console-Token": self.token, "Sec-Fetch-Site": "same-origin"}

    async def post(self, path: str, document: Any) -> Any:
        """Return what becomes of a change that the page asks for."""
        url = f"{self.origin}{path}"
        async with self._session.post(url, json=document, headers=self.as_page()) as answer:
            return await answer.json()


@asynccontextmanager
async def serving(members: dict[str, Any], state: Path, more: dict[str, Any]) -> AsyncIterator[Console]:
    """Serve an environment, as `catalog console` does; `more`: what else the kept run says of itself."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ending = asyncio.Event()
    with pytest.MonkeyPatch.context() as patch, hold_state(state, {"environment": members, **more}):
        patch.setenv("CATALOG_KEPT_RUN", str(state))
        environment = local_environment()
        assert environment is not None
        async with (
            connected(environment) as connections,
            # Loopback's cookies count, too.
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(serve(connections, port=0, on_ready=ready.set_result, until=ending))
            yield Console(await ready, session)
            ending.set()


@pytest.fixture
async def console(services: Services, servers: Servers, tmp_path: Path) -> AsyncIterator[Console]:
    """Console on the services of this test, opened once; nothing runs beside them."""
    members = environment_members(
        services.account, services.postgres, servers.valkey.address, servers.moto.endpoint_url
    )
    async with serving(members, tmp_path / "kept-run.json", {}) as console:
        await console.open()
        yield console


@pytest.fixture(scope="module")
async def pipeline(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Pipeline, Path]]:
    """Pipeline that runs as a kept run does, and the file with its function's log."""
    log = tmp_path_factory.mktemp("console") / "function.log"
    with log.open("w", buffering=1) as file:

        def on_log(line: str) -> None:
            file.write(f"{line}\n")

        async with open_pipeline(on_log=on_log, on_event=lambda _: None) as pipeline:
            yield pipeline, log


@pytest.fixture(scope="module")
async def running_console(
    pipeline: tuple[Pipeline, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Console]:
    """Console of that run, with its switches."""
    run, log = pipeline
    servers, state = run.servers, tmp_path_factory.mktemp("kept") / "kept-run.json"
    members = environment_members(
        run.account, servers.postgres.address, servers.valkey.address, servers.moto.endpoint_url
    )
    async with (
        answering(Trouble(run, lambda _: None).answer) as control,
        serving(members, state, {"control": control, "log": str(log)}) as console,
    ):
        yield console
