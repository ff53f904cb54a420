"""Stops through a whole engine: stated by signals and settings, watched, fired, and their effect afterwards."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import Exit, Exits, ExitUnit
from te_core.model.control import Action
from te_core.reporting.symbol_view import why
from tests.engine.scene import Scene, scene

D = Decimal
STATED = Exits(stop_loss=Exit(value=D(49_000), unit=ExitUnit.PRICE))


def falls(world: Scene, price: str = "48900") -> None:
    world.exchange().price["BTCUSDT"] = D(price)


@pytest.mark.parametrize("streams", [False, True])
async def test_a_stop_that_a_signal_states_closes_and_keeps_closed(tmp_path: Path, streams: bool) -> None:
    async with scene(tmp_path, streams=streams) as world:
        await world.say("0.5", exits=STATED, wait=30)
        assert world.held() == D("0.1")
        assert "stop loss 49000 (engine)" in why(world.row())
        falls(world, "49100")
        await world.say("0.5", exits=STATED, wait=30)
        assert world.held() == D("0.1")
        falls(world)
        await world.say("0.3", "ETHUSDT", wait=60)
        assert world.held() == 0
        (event,) = world.events("stop")
        assert "stop loss at 49000" in event.text
        assert event.symbol == "BTCUSDT"
        assert not world.events("drift")
        assert len(world.sent()) == 3, "in, out, and the other symbol"
        (standing,) = world.whole_state()["commands"]
        assert "closed by the stop loss" in str(standing)
        falls(world, "50000")
        await world.restart(wait=60)
        await world.say("0.2", "ETHUSDT", wait=60)
        assert world.held() == 0, "after a restart, too"
        await world.say("0.5", wait=30)
        assert world.held() == D("0.1"), "its source spoke again"
        assert not world.whole_state()["commands"]
        assert "stop loss" not in why(world.row()), "the newer signal states none"


async def test_an_operator_may_open_again(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__stop={"loss": "2%"}) as world:
        await world.say("0.5", wait=30)
        falls(world)
        await world.say("0.3", "ETHUSDT", wait=60)
        assert world.held() == 0
        falls(world, "50000")
        await world.command(Action.RESUME, "one", symbol="BTCUSDT", wait=60)
        assert world.held() == D("0.1")


async def test_a_signal_that_moves_the_stop_alone_moves_it(tmp_path: Path) -> None:
    async with scene(tmp_path, symbols__BTCUSDT__stop={"loss": "5%"}) as world:
        await world.say("0.5", wait=30)
        assert "stop loss 47500 (engine)" in why(world.row())
        await world.say("0.5", exits=STATED, wait=30)
        assert "stop loss 49000 (engine)" in why(world.row())
        assert world.row()["revision"] == 1
        await world.edit("accounts.one.stops", "off")
        falls(world)
        await world.say("0.3", "ETHUSDT", wait=60)
        assert world.held() == D("0.1")
        assert "stop" not in why(world.row())


async def test_a_halted_symbol_keeps_its_stop(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__stop={"loss": "2%"}) as world:
        await world.say("0.5", wait=30)
        await world.command(Action.HALT, wait=30)
        falls(world)
        await world.say("0.5", "ETHUSDT", wait=60)
        assert world.held() == 0
        await world.command(Action.RESUME, wait=60)
        assert world.events("stop")


async def test_a_trailing_stop_of_the_engine_survives_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True, accounts__one__stop={"trailing": "4%"}) as world:
        await world.say("0.5", wait=30)
        falls(world, "55000")
        await world.say("0.3", "ETHUSDT", wait=30)
        assert "stop loss 52800 (engine)" in why(world.row())
        falls(world, "53000")
        await world.restart(wait=60)
        await world.say("0.3", "ETHUSDT", wait=30)
        assert "stop loss 52800 (engine)" in why(world.row())
        assert world.held() == D("0.1")
        falls(world, "52700")
        await world.say("0.2", "ETHUSDT", wait=60)
        assert world.held() == 0


async def test_an_observing_account_closes_nothing_until_it_goes_live(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__stop={"loss": "2%"}) as world:
        await world.say("0.5", wait=30)
        await world.edit("accounts.one.observe", True, wait=30)
        falls(world)
        await world.say("0.5", "ETHUSDT", wait=60)
        assert world.held() == D("0.1")
        assert not world.events("stop")
        await world.edit("accounts.one.observe", False, wait=60)
        assert world.held() == 0
        assert len(world.events("stop")) == 1
