"""The orders that changed weights and leverages would cause, previewed before they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from te_core.api import Instrument
from te_core.settings.schema import SymbolSettings
from tests.engine.scene import D, Scene, scene
from tests.querying import account_findings, queries_of


async def orders(world: Scene, **sections: Any) -> dict[str, list[str]]:
    """Return the orders of symbol sections on account "one"; None removes a section."""
    made = {
        name: None if one is None else SymbolSettings.model_validate(one) for name, one in sections.items()
    }
    (account,) = (await queries_of(world.engine).plan(made))["accounts"].values()
    return {
        symbol: [f"{step['side']} {step['quantity']}" for step in found["steps"] if step["kind"] == "order"]
        for symbol, found in account["symbols"].items()
    }


async def test_the_plan_of_an_edit_is_what_it_then_does(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        await world.say("0.5", "ETHUSDT", wait=30)
        held, before = world.held(), world.whole_state()["symbols"]
        weights = before["BTCUSDT"]["weights"]
        less = {"weights": {source: str(D(weight) / 2) for source, weight in weights.items()}}
        assert await orders(world, BTCUSDT=less) == {"BTCUSDT": [f"sell {held / 2:f}"]}
        assert await orders(world, BTCUSDT=None) == {"BTCUSDT": [f"sell {held:f}"]}
        assert await orders(world, SOLUSDT={"weights": {"tv": "0.1"}}) == {}, "no signal, nothing to do"
        assert world.held() == held
        assert world.whole_state()["symbols"] == before
        sent = len(world.sent())
        await world.edit("symbols.BTCUSDT", less, wait=30)
        assert [order.quantity for order in world.sent()[sent:]] == [held / 2]


async def test_a_newly_weighted_symbol_is_planned_by_its_last_signal(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.edit("symbols.ETHUSDT", None)
        await world.say("0.5", "ETHUSDT", wait=30)
        assert world.held("ETHUSDT") == 0
        section = {"weights": {"tv": "1"}}
        (planned,) = (await orders(world, ETHUSDT=section))["ETHUSDT"]
        await world.edit("symbols.ETHUSDT", section, wait=30)
        assert planned == f"buy {world.held('ETHUSDT'):f}"


async def test_accounts_report_their_symbols_and_largest_leverage(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.exchange().instrument_of = lambda symbol: Instrument(
            symbol=symbol, quantity_step=D("0.001"), minimum_quantity=D("0.001"), largest_leverage=25
        )
        await world.restart(wait=1)
        await world.say("0.5", wait=30)
        offers = (await queries_of(world.engine).instruments(["BTCUSDT", "SOLUSDT"]))["accounts"]["one"]
        assert offers["symbols"]["SOLUSDT"] == {"largest_leverage": 25}
        await world.stop()
        assert (await queries_of(world.engine).instruments(["BTCUSDT"]))["accounts"] == {}
        await world.start()
        await world.edit("symbols.BTCUSDT.leverage", 50)
        found = (await account_findings(world.engine))["one"]
        (said,) = [row for row in found if "more than the exchange allows" in row["text"]]
        assert said["check"] == "BTCUSDT"
        assert "leverage 50" in said["text"]
        assert "te configure weights --set BTCUSDT.leverage=25" in said["remedy"]
