"""Name lookups that hang delay no other; with real threads and a fake resolver."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from processor.event_loop import MAX_THREADS, EventLoop, Lookups

ADDRESSES = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]
HANGS_FOR_EVER = """
import asyncio, threading
from processor.event_loop import EventLoop

async def main():
    try:
        async with asyncio.timeout(0.1):
            await asyncio.open_connection("hangs", 80)
    except TimeoutError:
        print("gave up")

with asyncio.Runner(loop_factory=lambda: EventLoop(lambda *_: threading.Event().wait())) as runner:
    runner.run(main())
"""


class Resolver:
    """Resolves every name immediately, except `hangs`, which waits for an event; `asked` are the lookups."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.let_go = threading.Event()

    def __call__(self, host: str, *_: object) -> list[Any]:
        self.asked.append(host)
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if host == "hangs":
            self.let_go.wait(30)
        return ADDRESSES


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    resolver = Resolver()
    yield resolver
    resolver.let_go.set()


async def given_up(lookup: Any) -> bool:
    """Return whether the lookup takes longer than a moment."""
    try:
        async with asyncio.timeout(0.01):
            await lookup
    except TimeoutError:
        return True
    return False


def run(resolver: Resolver, scenario: Callable[[EventLoop], Any]) -> None:
    with asyncio.Runner(loop_factory=lambda: EventLoop(resolver, patience_seconds=60)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, EventLoop)
        runner.run(scenario(loop))


def test_a_name_that_hangs_costs_one_thread_and_delays_no_other(resolver: Resolver) -> None:
    async def scenario(loop: EventLoop) -> None:
        threads = threading.active_count()
        for _ in range(100):
            assert await given_up(loop.getaddrinfo("hangs", 6379))
        assert threading.active_count() == threads + 1
        async with asyncio.timeout(10):
            assert await loop.getaddrinfo("known", 443) == ADDRESSES
            assert await asyncio.to_thread(lambda: "not waited for") == "not waited for"
        assert resolver.asked == ["hangs", "known"]

    run(resolver, scenario)


def test_lookups_of_the_same_name_are_shared_even_after_one_was_cancelled(
    resolver: Resolver,
) -> None:
    async def scenario(loop: EventLoop) -> None:
        assert await given_up(loop.getaddrinfo("hangs", 6379))
        waiting = [asyncio.create_task(loop.getaddrinfo("hangs", 6379)) for _ in range(3)]
        other = asyncio.create_task(loop.getaddrinfo("hangs", 6379, family=socket.AF_INET6))
        await asyncio.sleep(0)
        waiting[0].cancel()
        resolver.let_go.set()
        assert await asyncio.gather(*waiting[1:], other) == [ADDRESSES] * 3
        assert len(resolver.asked) == 2
        assert await loop.getaddrinfo("hangs", 6379) == ADDRESSES
        assert len(resolver.asked) == 3, "an old answer was kept"

    run(resolver, scenario)


def test_an_unknown_name_is_an_error_each_time(resolver: Resolver) -> None:
    async def scenario(loop: EventLoop) -> None:
        for _ in range(2):
            with pytest.raises(socket.gaierror, match="not known"):
                await asyncio.open_connection("unknown", 80)

    run(resolver, scenario)


def test_a_lookup_that_ends_after_the_loop_is_ignored(resolver: Resolver) -> None:
    async def scenario(loop: EventLoop) -> None:
        assert await given_up(loop.getaddrinfo("hangs", 6379))

    run(resolver, scenario)
    lookups = [thread for thread in threading.enumerate() if thread.name == "name lookup"]
    resolver.let_go.set()
    for thread in lookups:
        thread.join(10)
    assert lookups
    assert not any(thread.is_alive() for thread in lookups)


class Scripted:
    """A resolver whose nth lookup waits for the nth event and returns the nth answer."""

    def __init__(self, *answers: object) -> None:
        self.let_go = [threading.Event() for _ in answers]
        self._begun = [threading.Event() for _ in answers]
        self._answers = iter(enumerate(answers))

    def __call__(self, *_: object) -> object:
        number, answer = next(self._answers)
        self._begun[number].set()
        self.let_go[number].wait(30)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def has_begun(self, number: int) -> None:
        assert await asyncio.to_thread(self._begun[number].wait, 10)


class Ahead(asyncio.SelectorEventLoop):
    """A loop whose time can be advanced."""

    seconds = 0.0

    def time(self) -> float:
        return super().time() + self.seconds


@pytest.mark.parametrize("answers", [("too late", "found"), (OSError("was ill"), "found")])
def test_later_lookups_do_not_wait_for_one_that_hangs(answers: tuple[object, ...]) -> None:
    resolver = Scripted(*answers)
    lookups = Lookups(resolver, patience_seconds=60)

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Ahead)
        asking = [asyncio.create_task(lookups.find("name"))]
        await resolver.has_begun(0)
        loop.seconds = 60
        asking.append(asyncio.create_task(lookups.find("name")))
        await resolver.has_begun(1)
        if isinstance(answers[0], Exception):
            resolver.let_go[0].set()
            assert await given_up(asyncio.shield(asking[0])), "an older lookup's error counted"
        resolver.let_go[1].set()
        assert await asyncio.gather(*asking) == ["found"] * 2

    with asyncio.Runner(loop_factory=Ahead) as runner:
        runner.run(scenario())
    resolver.let_go[0].set()


async def test_a_name_that_hangs_for_ever_costs_few_threads(resolver: Resolver) -> None:
    lookups = Lookups(resolver, patience_seconds=0.0)
    threads = threading.active_count()
    for _ in range(10):
        assert await given_up(lookups.find("hangs"))
    assert threading.active_count() == threads + MAX_THREADS


async def test_if_no_thread_can_be_started_the_next_lookup_tries_again(
    monkeypatch: pytest.MonkeyPatch, resolver: Resolver
) -> None:
    def no_more(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    lookups = Lookups(resolver)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_more)
        with pytest.raises(OSError, match=r"^no thread to look up known: can't start new thread$"):
            await asyncio.wait_for(lookups.find("known"), 10)
    assert await lookups.find("known") == ADDRESSES


def test_a_lookup_of_a_closed_loop_is_started_again_on_the_next_loop() -> None:
    resolver = Scripted("too late", ADDRESSES)
    lookups = Lookups(resolver)
    assert asyncio.run(given_up(lookups.find("name")))
    resolver.let_go[0].set()
    resolver.let_go[1].set()
    assert asyncio.run(asyncio.wait_for(lookups.find("name"), 10)) == ADDRESSES


def test_names_are_looked_up_by_the_system() -> None:
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        found = runner.run(runner.get_loop().getaddrinfo("localhost", 80, type=socket.SOCK_STREAM))
    assert {address[4][0] for address in found} & {"127.0.0.1", "::1"}


def test_a_process_ends_though_a_lookup_hangs() -> None:
    ended = subprocess.run(  # noqa: S603
        [sys.executable, "-c", HANGS_FOR_EVER], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "gave up\n"
