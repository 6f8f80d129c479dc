"""Invariant I4: in whatever order readers, pipelines and drains act, no stale value stays cached.

The real reader, invalidation and drain run on a cache and a catalog in memory, in every order of their steps.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.cache_keys import lease_key, value_key
from processor.ports import PendingInvalidation
from tests.support.simulated_shop import FakeRedis, Shop
from tests.support.simulated_time import simulate

Story: TypeAlias = Callable[[Shop], Sequence[Coroutine[Any, Any, None]]]


# The actor that a task belongs to, also if the actor started it.
_actor: ContextVar[int] = ContextVar("actor")


class Interleaving:
    """Lets one actor at a time do one step: chosen by `choices`, and after those the first that is ready.

    `has_seen`: says of a state after the choices whether it was there before; then nothing more is played.
    """

    def __init__(self, choices: Sequence[int], has_seen: Callable[[object], bool] = lambda _: False) -> None:
        self._choices = choices
        self._has_seen = has_seen
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._heard: dict[int, tuple[object, ...]] = {}
        self._is_over = False
        self.options: list[int] = []

    async def turn(self) -> None:
        if not self._is_over:
            actor = _actor.get()
            mine = self._waiting[actor] = asyncio.get_running_loop().create_future()
            await mine

    def hear(self, reply: object) -> None:
        """Note what an actor hears; all that it does depends on that."""
        self._heard[_actor.get()] = (*self._heard.get(_actor.get(), ()), reply)

    def _ready(self) -> list[int]:
        return sorted(actor for actor, turn in self._waiting.items() if not turn.cancelled())

    async def play(self, actors: Sequence[Coroutine[Any, Any, None]], shop: Shop) -> bool:
        """Return whether it was played to its end."""
        tasks = [_start(place, actor) for place, actor in enumerate(actors)]
        while True:
            while len(self._ready()) + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110 steps
                await asyncio.sleep(0)  # until no actor can go on without a turn
            if not (ready := self._ready()):
                break
            step = len(self.options)
            if step >= len(self._choices) and self._has_seen(self._state(shop, tasks)):
                await self._end(tasks)
                return False
            choice = self._choices[step] % len(ready) if step < len(self._choices) else 0
            self.options.append(len(ready))
            actor = ready[choice]
            self._heard[actor] = (*self._heard.get(actor, ()), "turn")
            self._waiting.pop(actor).set_result(None)
        for task in tasks:
            task.result()
        return True

    def _state(self, shop: Shop, tasks: Sequence["asyncio.Task[None]"]) -> object:
        """Return all that the future depends on; of an actor that is done, nothing."""
        heard = tuple(
            None if task.done() and actor not in self._waiting else self._heard.get(actor)
            for actor, task in enumerate(tasks)
        )
        rows = tuple(row.inventory for row in shop.rows.values())
        kept = (frozenset(shop.redis.values.items()), frozenset(shop.pending.items()), shop.drains)
        return heard, tuple(sorted(self._waiting)), rows, kept

    async def _end(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        self._is_over = True
        for turn in self._waiting.values():
            if not turn.done():
                turn.set_result(None)
        await asyncio.wait(tasks)


def _start(place: int, actor: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    context = copy_context()
    context.run(_actor.set, place)
    return asyncio.create_task(actor, context=context)


async def play(
    story: Story,
    products: Sequence[str],
    cached: Sequence[str],
    choices: Sequence[int],
    has_seen: Callable[[object], bool] = lambda _: False,
    kind: type[Shop] = Shop,
) -> list[int]:
    """Play one interleaving of a story; return how many actors were ready at each step."""
    interleaving = Interleaving(choices, has_seen)
    shop = kind(*products, turn=interleaving.turn)
    shop.redis.told = interleaving.hear
    for product_id in cached:
        shop.cache(product_id)
    if await interleaving.play(story(shop), shop):
        shop.check_nothing_stale()
        shop.check_no_lease_left()
    return interleaving.options


async def search(
    story: Story, products: Sequence[str], cached: Sequence[str], kind: type[Shop] = Shop
) -> int:
    """Play a story in every order, up to each state that was there before; return how many states it has."""
    seen: set[object] = set()

    def has_seen(state: object) -> bool:
        is_known = state in seen
        seen.add(state)
        return is_known

    waiting: list[list[int]] = [[]]
    while waiting:
        choices = waiting.pop()
        options = await play(story, products, cached, choices, has_seen, kind)
        for step in range(len(choices), len(options)):
            first = choices + [0] * (step - len(choices))
            waiting += [[*first, other] for other in range(1, options[step])]
    return len(seen)


STORIES: dict[str, tuple[int, list[str], Story]] = {
    "a reader and an update": (15, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1)]),
    "a reader and two updates": (40, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1, 2)]),
    "a reader and two pipelines": (
        110,
        ["x"],
        lambda shop: [shop.get("x"), shop.update("x", 1), shop.update("x", 2)],
    ),
    "a reader who comes again": (35, ["x"], lambda shop: [shop.get("x", "x"), shop.update("x", 1)]),
    "two readers and an update": (
        160,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update("x", 1)],
    ),
    "the cache forgets": (
        75,
        ["x"],
        lambda shop: [
            shop.get("x"),
            shop.update("x", 1),
            shop.lose(lease_key("x"), value_key("x")),
        ],
    ),
    "the lease expires": (
        100,
        ["x"],
        lambda shop: [shop.get("x", "x"), shop.update("x", 1), shop.lose(lease_key("x"))],
    ),
    "a reader who leaves, and an update": (
        70,
        ["x"],
        lambda shop: [shop.get_until_cancelled("x"), shop.cancel("x"), shop.update("x", 1)],
    ),
    "a reader who leaves, and another": (
        180,
        ["x"],
        lambda shop: [shop.get_until_cancelled("x"), shop.cancel("x"), shop.get("x")],
    ),
    "a reader of the release before, and an update": (
        16,
        ["x"],
        lambda shop: [shop.get_as_the_release_before("x"), shop.update("x", 1)],
    ),
    "readers of both releases, and an update": (
        120,
        ["x"],
        lambda shop: [shop.get("x"), shop.get_as_the_release_before("x"), shop.update("x", 1)],
    ),
    "a reader of the release before, and a product called like its lease": (
        140,
        ["x", "x:lease"],
        lambda shop: [shop.get_as_the_release_before("x"), shop.get("x:lease"), shop.update("x", 1)],
    ),
    "a product called like a lease, updated": (
        100,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x:lease", 1)],
    ),
    "a product beside one called like its lease, updated": (
        110,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x", 1)],
    ),
    "two readers and two pipelines": (
        1_100,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update("x", 1), shop.update("x", 2)],
    ),
    "the same, and the lease expires": (
        2_600,
        ["x"],
        lambda shop: [
            shop.get("x"),
            shop.get("x"),
            shop.update("x", 1),
            shop.update("x", 2),
            shop.lose(lease_key("x")),
        ],
    ),
    "two readers, a missed invalidation, and another's drain": (
        2_400,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update_without_cache("x", 1), shop.drain()],
    ),
    "two readers and two pipelines, one of them without cache": (
        3_000,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update("x", 2), shop.update_without_cache("x", 1)],
    ),
    "two missed invalidations": (
        100,
        ["x"],
        lambda shop: [shop.get("x"), shop.update_without_cache("x", 1), shop.update_without_cache("x", 2)],
    ),
}


@pytest.mark.parametrize(("at_least", "products", "story"), STORIES.values(), ids=STORIES)
def test_in_no_order_a_stale_value_stays_cached(at_least: int, products: list[str], story: Story) -> None:
    assert simulate(search(story, products, [])) >= at_least
    simulate(search(story, products, products))


class CarelessRedis(FakeRedis):
    """A cache that stores and deletes without looking at the lease first."""

    def _run(self, source: str, keys: Sequence[str], args: Sequence[str]) -> int:
        return super()._run("\n".join(source.strip().splitlines()[1:]), keys, args)


class ForgetfulShop(Shop):
    """A shop whose drain removes a product from those pending, also if it was added again meanwhile."""

    def is_pending(self, pending: PendingInvalidation) -> bool:
        return pending.product_id in self.pending


class CarelessShop(Shop):
    """A shop with such a cache."""

    new_redis = CarelessRedis


@pytest.mark.parametrize(
    ("kind", "story"),
    [(CarelessShop, "a reader and an update"), (ForgetfulShop, "two missed invalidations")],
    ids=["without the check of the lease", "without the id of a pending invalidation"],
)
def test_the_search_finds_a_stale_value(kind: type[Shop], story: str) -> None:
    with pytest.raises(AssertionError):
        simulate(search(STORIES[story][2], ["x"], [], kind))


@settings(max_examples=200)
@given(
    choices=st.lists(st.integers(0, 11), max_size=60),
    cached=st.lists(st.sampled_from(["x", "x:lease"]), unique=True),
)
def test_in_a_busy_shop_no_stale_value_stays_cached(choices: list[int], cached: list[str]) -> None:
    def story(shop: Shop) -> Sequence[Coroutine[Any, Any, None]]:
        return [
            shop.get("x", "x:lease", "x"),
            shop.get("x", "x"),
            shop.get("x:lease", "x"),
            shop.update("x", 1, 2),
            shop.update("x", 3),
            shop.update("x:lease", 4),
            shop.lose(lease_key("x"), value_key("x")),
        ]

    simulate(play(story, ["x", "x:lease"], cached, choices))
