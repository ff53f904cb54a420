"""Parts of the page: built while there are viewers, rendered when they change, sent to viewers that lack them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from te_core.errors import NotReady
from te_core.page.live import SLOWEST, Pace, Parts
from te_core.page.turns import MOST_RESTS, PIECE, REST, Turns
from te_core.testing.virtual_clock import VirtualClock


class World:
    """Values that a test changes, and how often they were built and rendered."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"head": 1, "r-BTCUSDT": 2}
        self.built = 0
        self.drawn: list[str] = []
        self.error: Exception | None = None
        self.parts = Parts(self.build, self.draw, VirtualClock(), "boot")

    async def build(self, turns: Turns) -> Mapping[str, Any]:
        self.built += 1
        await asyncio.sleep(0.01)
        await turns.next()
        if self.error is not None:
            raise self.error
        return dict(self.values)

    def draw(self, name: str, value: Any) -> str:
        self.drawn.append(name)
        return f"<p data-part={name}>{value}</p>"


async def test_a_part_is_drawn_again_only_when_its_values_changed() -> None:
    world = World()
    await world.parts.refresh()
    assert world.drawn == ["head", "r-BTCUSDT"]
    first = world.parts.version
    await world.parts.refresh()
    assert world.drawn == ["head", "r-BTCUSDT"]
    assert world.parts.version == first
    world.values["head"] = 5
    await world.parts.refresh()
    assert world.drawn == ["head", "r-BTCUSDT", "head"]
    assert world.parts.since(first) == {"head": "<p data-part=head>5</p>"}
    assert world.parts.since(world.parts.version) == {}


async def test_ten_who_look_at_once_are_drawn_for_once() -> None:
    world = World()
    await asyncio.gather(*(world.parts.refresh() for _ in range(10)))
    assert (world.built, len(world.drawn)) == (1, 2)


async def test_one_who_hangs_up_does_not_end_it_for_the_others() -> None:
    world = World()
    leaving = asyncio.ensure_future(world.parts.refresh())
    staying = asyncio.ensure_future(world.parts.refresh())
    await asyncio.sleep(0)
    leaving.cancel()
    await staying
    assert world.parts.html.keys() == {"head", "r-BTCUSDT"}


async def test_a_viewer_of_another_run_or_no_version_gets_everything() -> None:
    world, other = World(), World()
    await world.parts.refresh()
    other.parts = Parts(other.build, other.draw, VirtualClock(), "another boot")
    await other.parts.refresh()
    assert other.parts.version != world.parts.version
    everything = world.parts.html
    assert world.parts.since(other.parts.version) == everything
    layout = world.parts.layout
    for odd in (f"x.{layout}.y", f"-1.{layout}.y", f"9999.{layout}.nobody", f"²².{layout}.z"):
        assert world.parts.since(odd) == everything, odd


async def test_a_page_with_other_rows_is_told_to_load_again() -> None:
    world = World()
    await world.parts.refresh()
    before = world.parts.version
    world.values["r-ETHUSDT"] = 3
    await world.parts.refresh()
    assert world.parts.since(before) is None
    for odd in ("", "..", "1", "éé", "1.2.3.4"):
        assert world.parts.since(odd) is None, odd


async def test_a_failed_look_keeps_what_was_shown_until_one_succeeds() -> None:
    world = World()
    await world.parts.refresh()
    world.error = NotReady("the engine is starting")
    with pytest.raises(NotReady):
        await world.parts.refresh()
    assert world.parts.html["head"] == "<p data-part=head>1</p>"
    world.error = None
    world.values["head"] = 2
    await world.parts.refresh()
    assert world.parts.html["head"] == "<p data-part=head>2</p>"


class WorkClock(VirtualClock):
    """A clock that also advances by simulated work, on top of virtual waiting time."""

    worked = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.worked


async def test_work_yields_after_each_piece_and_resumes_when_alone() -> None:
    clock = WorkClock()
    turns, before = Turns(clock), asyncio.get_running_loop().time()
    for _ in range(100):
        clock.worked += PIECE / 2
        await turns.next()
    assert asyncio.get_running_loop().time() == before


async def test_work_rests_while_an_order_has_steps_to_go() -> None:
    clock, done = WorkClock(), []

    async def carry_out() -> None:
        for _ in range(5):
            clock.worked += PIECE
            await asyncio.sleep(0)
        done.append("order")

    turns = Turns(clock)
    clock.worked += PIECE
    task = asyncio.ensure_future(carry_out())
    await turns.next()
    assert done == ["order"], "no piece came between its steps"
    await task


class BusyClock(WorkClock):
    """A clock that shows other tasks working between any two readings."""

    def monotonic(self) -> float:
        self.worked += PIECE
        return super().monotonic()


async def test_work_is_done_in_the_end_however_busy_the_others_are() -> None:
    turns, began = Turns(BusyClock()), asyncio.get_running_loop().time()
    await turns.next()
    assert asyncio.get_running_loop().time() - began == pytest.approx(REST * MOST_RESTS)


def test_the_page_is_built_after_a_write_and_rarely_without() -> None:
    written = 7
    pace = Pace(lambda: written)
    assert pace.is_due()
    assert [pace.is_due() for _ in range(2 * SLOWEST)] == [*[False] * (SLOWEST - 1), True] * 2
    written += 1
    assert pace.is_due()
    assert not pace.is_due()
