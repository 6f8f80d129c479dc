"""Invariant I4: in whatever order readers and the pipeline act, no stale value stays cached."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar, copy_context
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.cache_keys import lease_key, value_key
from tests.support.simulated_shop import Shop
from tests.support.simulated_time import simulate

Story: TypeAlias = Callable[[Shop], Sequence[Coroutine[Any, Any, None]]]


# The actor that a task belongs to, also if the actor started it.
_actor: ContextVar[int] = ContextVar("actor")


class Interleaving:
    """Lets one actor at a time do one step: chosen by `choices`, and after those the first that is ready."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = choices
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self.options: list[int] = []

    async def turn(self) -> None:
        actor = _actor.get()
        mine = self._waiting[actor] = asyncio.get_running_loop().create_future()
        await mine

    def _ready(self) -> list[int]:
        return sorted(actor for actor, turn in self._waiting.items() if not turn.cancelled())

    async def play(self, actors: Sequence[Coroutine[Any, Any, None]]) -> None:
        tasks = [_start(place, actor) for place, actor in enumerate(actors)]
        while True:
            while len(self._ready()) + sum(task.done() for task in tasks) < len(tasks):  # noqa: ASYNC110 steps
                await asyncio.sleep(0)  # until no actor can go on without a turn
            if not (ready := self._ready()):
                break
            step = len(self.options)
            choice = self._choices[step] % len(ready) if step < len(self._choices) else 0
            self.options.append(len(ready))
            self._waiting.pop(ready[choice]).set_result(None)
        for task in tasks:
            task.result()


def _start(place: int, actor: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    context = copy_context()
    context.run(_actor.set, place)
    return asyncio.create_task(actor, context=context)


async def play(
    story: Story, products: Sequence[str], cached: Sequence[str], choices: Sequence[int]
) -> list[int]:
    """Play one interleaving of a story; return how many actors were ready at each step."""
    interleaving = Interleaving(choices)
    shop = Shop(*products, turn=interleaving.turn)
    for product_id in cached:
        shop.cache(product_id)
    await interleaving.play(story(shop))
    shop.check_nothing_stale()
    shop.check_no_lease_left()
    return interleaving.options


async def play_all(story: Story, products: Sequence[str], cached: Sequence[str]) -> int:
    """Play all interleavings of a story; return their number."""
    played = 0
    choices: list[int] = []
    while True:
        options = await play(story, products, cached, choices)
        played += 1
        choices += [0] * (len(options) - len(choices))
        while choices and choices[-1] + 1 == options[len(choices) - 1]:
            choices.pop()
        if not choices:
            return played
        choices[-1] += 1


STORIES: dict[str, tuple[int, list[str], Story]] = {
    "a reader and an update": (15, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1)]),
    "a reader and two updates": (70, ["x"], lambda shop: [shop.get("x"), shop.update("x", 1, 2)]),
    "a reader and two pipelines": (
        420,
        ["x"],
        lambda shop: [shop.get("x"), shop.update("x", 1), shop.update("x", 2)],
    ),
    "a reader who comes again": (20, ["x"], lambda shop: [shop.get("x", "x"), shop.update("x", 1)]),
    "two readers and an update": (
        1_000,
        ["x"],
        lambda shop: [shop.get("x"), shop.get("x"), shop.update("x", 1)],
    ),
    "the cache forgets": (
        420,
        ["x"],
        lambda shop: [
            shop.get("x"),
            shop.update("x", 1),
            shop.lose(lease_key("x"), value_key("x")),
        ],
    ),
    "the lease expires": (
        250,
        ["x"],
        lambda shop: [shop.get("x", "x"), shop.update("x", 1), shop.lose(lease_key("x"))],
    ),
    "a reader who leaves, and an update": (
        200,
        ["x"],
        lambda shop: [shop.get_until_cancelled("x"), shop.cancel("x"), shop.update("x", 1)],
    ),
    "a reader who leaves, and another": (
        1_000,
        ["x"],
        lambda shop: [shop.get_until_cancelled("x"), shop.cancel("x"), shop.get("x")],
    ),
    "a reader of the release before, and an update": (
        10,
        ["x"],
        lambda shop: [shop.get_as_the_release_before("x"), shop.update("x", 1)],
    ),
    "readers of both releases, and an update": (
        1_000,
        ["x"],
        lambda shop: [shop.get("x"), shop.get_as_the_release_before("x"), shop.update("x", 1)],
    ),
    "a reader of the release before, and a product called like its lease": (
        1_000,
        ["x", "x:lease"],
        lambda shop: [shop.get_as_the_release_before("x"), shop.get("x:lease"), shop.update("x", 1)],
    ),
    "a product called like a lease, updated": (
        1_000,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x:lease", 1)],
    ),
    "a product beside one called like its lease, updated": (
        1_000,
        ["x", "x:lease"],
        lambda shop: [shop.get("x"), shop.get("x:lease"), shop.update("x", 1)],
    ),
}


@pytest.mark.parametrize(("at_least", "products", "story"), STORIES.values(), ids=STORIES)
def test_in_no_interleaving_a_stale_value_stays_cached(
    at_least: int, products: list[str], story: Story
) -> None:
    assert simulate(play_all(story, products, [])) >= at_least
    simulate(play_all(story, products, products))


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
