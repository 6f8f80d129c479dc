"""Who may ask the console: its own page, at its own address, in the browser that was given its key."""

import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from catalog.app import app
from catalog.environment import Environment
from catalog.web.guard import HEADERS
from local.demo.kept_state import hold_state
from tests.console.conftest import Console, serving

NO_KEY = "open the address that `catalog console` printed: its key is missing or of another run\n"
SWITCH = '{"do": "poison"}'
JSON = {"Content-Type": "application/json"}
# No request of these tests comes as far as a server.
NOWHERE: dict[str, Any] = {
    name: 1 if name.endswith("_port") else False if name.endswith("_tls") else "nowhere"
    for name, field in Environment.__dataclass_fields__.items()
    if field.default is not None
} | {"variables": {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}}


@pytest.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    """Console of an environment that is not there, opened once."""
    async with serving(NOWHERE, tmp_path_factory.mktemp("kept") / "kept-run.json", {}) as console:
        await console.open()
        yield console


async def test_the_page_needs_the_key_that_was_printed(console: Console) -> None:
    async with aiohttp.ClientSession() as stranger:
        for path in ("/", "/?key=wrong", "/static/main.js", "/api/quarantine", "/api/events"):
            async with stranger.get(f"{console.origin}{path}") as answer:
                assert (answer.status, await answer.text()) == (403, NO_KEY), path
        async with stranger.get(console.url) as answer:
            assert answer.status == 200
            cookie = answer.headers["Set-Cookie"]
    port = console.origin.rpartition(":")[2]
    assert re.fullmatch(rf"catalog-console-{port}=\S+; Path=/; HttpOnly; SameSite=Strict", cookie)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil.example:{port}", "[::1]:{port}", ""]
)
async def test_another_host_is_refused(console: Console, host: str) -> None:
    port = console.origin.rpartition(":")[2]
    for path in ("/", f"/?{console.url.partition('?')[2]}", "/api/quarantine"):
        status, text, _ = await console.request("GET", path, headers={"Host": host.format(port=port)})
        assert (status, text) == (403, f"the host is not 127.0.0.1:{port} or localhost:{port}\n")


async def test_localhost_is_the_same_host(console: Console) -> None:
    port = console.origin.rpartition(":")[2]
    assert (await console.request("GET", "/", headers={"Host": f"localhost:{port}"}))[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_other_sites_cannot_make_it_read(console: Console, site: str) -> None:
    status, text, _ = await console.request("GET", "/api/quarantine", headers={"Sec-Fetch-Site": site})
    assert (status, text) == (403, "the request comes from another site\n")


async def test_a_link_elsewhere_with_the_key_opens_the_page(console: Console) -> None:
    path = f"/?{console.url.partition('?')[2]}"
    assert (await console.request("GET", path, headers={"Sec-Fetch-Site": "cross-site"}))[0] == 200


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"Origin": "http://evil.example"}, "the origin is not this page"),
        ({"Origin": "null"}, "the origin is not this page"),
        ({"Origin": None}, "the origin is not this page"),
        ({"X-Console-Token": None}, "the page is of another run: load it again"),
        ({"X-Console-Token": "wrong"}, "the page is of another run: load it again"),
        ({"Sec-Fetch-Site": "cross-site"}, "the request comes from another site"),
    ],
)
@pytest.mark.parametrize("path", ["/api/switch", "/api/send", "/api/check", "/api/try", "/nothing"])
async def test_a_change_is_refused_that_is_not_the_pages(
    console: Console, path: str, change: dict[str, str | None], why: str
) -> None:
    headers = {
        name: value for name, value in {**console.as_page(), **JSON, **change}.items() if value is not None
    }
    status, text, _ = await console.request("POST", path, headers=headers, data=SWITCH)
    assert (status, text) == (403, f"{why}\n")


@pytest.mark.parametrize("path", ["/api/switch", "/api/send", "/api/check", "/api/try"])
async def test_no_get_changes_anything(console: Console, path: str) -> None:
    assert (await console.request("GET", path))[0] == 405


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/static/nothing", "/nothing", "/api/product", "/api/switch"]
)
async def test_every_answer_protects_the_page(console: Console, path: str) -> None:
    _, _, headers = await console.request("GET", path)
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "server" not in headers


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert {source for name, source in policy.items() if name.endswith("-src")} == {"'none'", "'self'"}


@pytest.mark.parametrize(
    "path", ["../guard.py", "%2e%2e/guard.py", "..%2fguard.py", "index.html", "vendor/uPlot.LICENSE"]
)
async def test_only_the_pages_files_are_served(console: Console, path: str) -> None:
    assert (await console.request("GET", f"/static/{path}"))[0] == 404


@pytest.mark.parametrize(
    ("headers", "body", "status", "why"),
    [
        ({"Content-Type": "text/plain"}, SWITCH, 415, "the content type is not application/json"),
        (JSON, "no JSON", 400, "the request is not JSON"),
        (JSON, "[" * 100_000, 400, "the request is not JSON"),
        (JSON, "[]", 400, "the request is not an object"),
        (JSON, '{"do": 1}', 400, "do is missing, or not a text"),
        (JSON, " " * 600_000, 413, "more than 524,288 bytes"),
    ],
)
async def test_another_body_is_refused(
    console: Console, headers: dict[str, str], body: str, status: int, why: str
) -> None:
    answer = await console.request("POST", "/api/switch", headers=console.as_page() | headers, data=body)
    assert answer[:2] == (status, f'{{"error": "{why}"}}')


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    state = tmp_path / "kept-run.json"
    with hold_state(state, {"environment": NOWHERE}), socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        arguments = ["console", "--port", str(port)]
        result = CliRunner().invoke(app, arguments, env={"CATALOG_KEPT_RUN": str(state)})
    assert result.exit_code == 2
    said = f"error: port {port} of 127.0.0.1 is taken: give another with --port, or 0 for any\n"
    assert result.stderr == said
