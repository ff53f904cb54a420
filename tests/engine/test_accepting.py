"""A change by others is accepted as it is: nothing is ordered, and the next signal ends it."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import NotReady
from te_core.errors import CommandRefused
from te_core.model.control import Action, Command
from te_core.reporting.view import view
from te_core.rules.controls import implied_depth
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, scene

D = Decimal
ACCEPT, HALT, RESUME = Action.ACCEPT, Action.HALT, Action.RESUME


async def changed_by_hand(world: Scene, to: str) -> int:
    """Open 0.1 BTC, have somebody change it, and return how many orders that took."""
    await world.say("0.5", wait=30)
    assert world.held() == D("0.1")
    world.exchange()._set("BTCUSDT", D(to))
    await asyncio.sleep(60)
    assert world.row()["status"] == "drift"
    return len(world.sent())


@pytest.mark.parametrize("to", ["0", "0.04", "0.15", "-0.05"])
@pytest.mark.parametrize("drift", ["alert", "heal"])
async def test_what_is_accepted_stays_through_everything_but_a_signal(
    tmp_path: Path, to: str, drift: str
) -> None:
    async with scene(tmp_path, accounts__one__drift="alert", accounts__one__rebalance="band") as world:
        sent = await changed_by_hand(world, to)
        await world.command(ACCEPT, "one", reason="on purpose", wait=30)
        assert world.at_target()
        assert not [item for item in view(world.whole_state()).attention if item.kind == "changed"]
        (standing,) = world.whole_state()["commands"]
        assert "accepted as it is by alice" in standing["text"]
        assert f"{to} stays until the symbol's next signal" in standing["text"]
        (event,) = world.events("accept")
        assert (event.account, event.detail["reason"]) == ("one", "on purpose")
        await world.edit("accounts.one.drift", drift, wait=60)
        await world.restart()
        await asyncio.sleep(120)
        assert (world.held(), len(world.sent())) == (D(to), sent), "nothing was ordered"
        assert world.at_target()
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1"), "the next signal counts, though it says what it said before"
        assert world.whole_state()["commands"] == []


async def test_a_resume_reverts_it_after_showing_the_orders(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        await changed_by_hand(world, "0")
        await world.command(ACCEPT, "one", symbol="BTCUSDT", wait=30)
        await world.command(RESUME, "one", wait=30)
        assert world.held() == D("0.1")


async def test_a_stranger_who_continues_is_treated_as_before(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        await changed_by_hand(world, "0.04")
        await world.command(ACCEPT, "one", wait=30)
        await world.edit("accounts.one.drift", "heal", wait=5)
        world.exchange()._set("BTCUSDT", D("0.02"))
        await asyncio.sleep(60)
        assert world.held() == D("0.04"), "drift is measured against what was accepted"


async def test_what_was_closed_before_a_read_is_not_opened_again(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        sent = await changed_by_hand(world, "0.15")
        world.exchange()._set("BTCUSDT", D("0.05"))
        await world.command(ACCEPT, "one", wait=60)
        assert (world.held(), len(world.sent())) == (D("0.05"), sent)
        world.exchange()._set("BTCUSDT", D("0.05"))
        await asyncio.sleep(60)
        assert len(world.sent()) == sent
        assert world.row()["revision"] <= 3, "and not sized over and over"


async def test_only_a_known_change_of_the_engines_own_is_accepted(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        await world.say("0.5", wait=30)
        refusals: tuple[tuple[dict[str, str], str], ...] = (
            ({}, "nothing that others changed"),
            ({"symbol": "ETHUSDT"}, "it has no target"),
            ({"symbol": "NOSUCH"}, "no symbol NOSUCH"),
        )
        for how, why in refusals:
            with pytest.raises(CommandRefused, match=why):
                await world.command(ACCEPT, "one", wait=1, **how)
        with pytest.raises(CommandRefused, match="needs an account"):
            await world.command(ACCEPT)
        world.exchange()._set("BTCUSDT", D("0.02"))
        await asyncio.sleep(60)
        broken = Fault(refused=NotReady("down"))
        world.connection().faults = lambda method, _: broken if method == "positions" else None
        await asyncio.sleep(60)
        with pytest.raises(CommandRefused, match="cannot be read now"):
            await world.command(ACCEPT, "one")
        assert world.whole_state()["commands"] == []


async def test_an_accepted_position_obeys_flatten_and_halt(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__drift="alert") as world:
        await changed_by_hand(world, "0.04")
        await world.command(ACCEPT, "one", wait=30)
        await world.command(HALT, wait=30)
        assert world.held() == D("0.04")
        await world.command(Action.FLATTEN, wait=60)
        assert world.held() == 0


async def test_symbols_left_flat_open_with_their_next_signal(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.command(HALT, wait=5)
        await world.say("0.5", wait=10)
        await world.say("0.5", "ETHUSDT", wait=10)
        asked = Command(action=RESUME, by="alice", leave_flat=("ETHUSDT",))
        _, shown = await world.engine.commands.preview(asked)
        found = shown["one"]
        assert isinstance(found, dict)
        assert [symbol for symbol, one in found.items() if one.plan.steps] == ["BTCUSDT"]
        await world.command(RESUME, leave_flat=("ETHUSDT",), wait=60)
        assert world.held() == D("0.1")
        assert world.held("ETHUSDT") == 0
        await world.restart()
        await asyncio.sleep(60)
        assert world.held("ETHUSDT") == 0
        await world.say("0.5", "ETHUSDT", wait=30)
        assert world.held("ETHUSDT") == 2
        with pytest.raises(CommandRefused, match="no symbol NOSUCH"):
            await world.command(RESUME, leave_flat=("NOSUCH",))


@pytest.mark.parametrize(
    ("quantity", "depth"),
    [("0.1", "0.5"), ("-0.05", "-0.25"), ("0.0000001", "0.0001"), ("9", "1"), ("-9", "-1")],
)
def test_a_position_comes_to_a_depth_that_is_never_flat(quantity: str, depth: str) -> None:
    found = implied_depth(D(quantity), price=D(50_000), equity=D(10_000), leverage=1)
    assert found == D(depth)
