"""No position gets stuck: not by stray cancellations, sporadic refusals, new steps or small chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import (
    AuthError,
    Equity,
    InsufficientMargin,
    Known,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    SignalSource,
    SourceContext,
)
from te_core.testing import virtual_clock
from te_core.testing.faults import Fault
from tests.engine.scene import Scene, Strict, scene
from tests.querying import account_findings

D = Decimal
METHODS = (
    "open",
    "instruments",
    "equity",
    "positions",
    "prices",
    "set_leverage",
    "place_order",
    "find_order",
)


def stray(error: type[BaseException]) -> Fault:
    return Fault(refused=error("stray"))  # type: ignore[arg-type]


# -- plugins that cancel or exit (I21)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_a_plugin_that_cancels_or_exits_ends_nothing(
    tmp_path: Path, method: str, error: type[BaseException]
) -> None:
    async def run() -> None:
        async with scene(tmp_path) as world:
            if method == "find_order":
                world.connection().inject("place_order", Fault(lost=OutcomeUnknown("timeout")))
            world.connection().inject(method, stray(error))
            if method == "open":
                await world.restart()
            await world.say("0.5", wait=300)
            assert world.held() == D("0.1")
            await world.say("0", wait=60)
            assert world.held() == 0
            assert world.state()["status"] == "running"

    _contained(run)


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_a_source_that_cancels_or_exits_is_named_and_restarted(
    tmp_path: Path, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaving(SignalSource):
        async def run(self) -> None:
            await asyncio.sleep(60)
            raise error("stray")

    def source(world: Scene, context: SourceContext[Any]) -> SignalSource:
        world.sources[context.name] = context
        return Leaving()

    async def run() -> None:
        monkeypatch.setattr(Scene, "_source", source)
        async with scene(tmp_path) as world:
            await world.say("0.5", wait=70)
            told = [event.text for event in world.events("outage") if event.source == "tv"]
            assert any(error.__name__ in text for text in told)
            await asyncio.sleep(300)
            await world.say("0", wait=10)
            assert world.held() == 0

    _contained(run)


def _contained(run: Any) -> None:
    try:
        virtual_clock.run(run())
    except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
        pytest.fail(f"it left the plugin: {error!r}")


# -- sporadic refusals of the key


@pytest.mark.parametrize("method", ["open", "equity", "positions", "prices", "instruments", "find_order"])
async def test_a_key_that_one_read_refused_works_again_by_itself(tmp_path: Path, method: str) -> None:
    async with scene(tmp_path) as world:
        if method == "find_order":
            world.connection().inject("place_order", Fault(lost=OutcomeUnknown("timeout")))
        world.connection().inject(method, Fault(refused=AuthError("10003 invalid key")))
        if method == "open":
            await world.restart()
        await world.say("0.5", wait=180)
        assert world.held() == D("0.1")
        assert world.state()["status"] == "running"


async def test_a_refused_key_is_retried_ever_more_slowly(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.connection().faults = _refusing("positions", AuthError("10003 invalid key"))
        await asyncio.sleep(60)
        calls = world.connection().calls["positions"]
        await world.say("0.2", wait=12 * 3600)
        assert 12 <= world.connection().calls["positions"] - calls <= 40, "from a minute to an hour, for ever"
        assert len(world.sent()) == 1
        assert "10003" in world.state()["reason"]
        assert not world.at_target()
        world.connection().faults = _refusing("nothing", NotReady(""))
        await asyncio.sleep(3700)
        assert world.held() == D("0.04")


async def test_a_key_refused_for_one_symbol_holds_only_that_symbol(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        place_order = world.exchange().place_order

        async def refusing(order: OrderRequest) -> OrderReport:
            if order.symbol == "BTCUSDT" and world.clock.monotonic() < 600:
                raise AuthError("10029 the symbol is not whitelisted")
            return await place_order(order)

        world.exchange().place_order = refusing  # type: ignore[method-assign]
        await world.say("0.5", wait=2)
        await world.say("0.5", "ETHUSDT", wait=60)
        assert world.held("ETHUSDT") == D(2)
        assert "10029" in world.row()["reason"]
        assert world.row()["status"] != "at_target"
        await asyncio.sleep(4000)
        assert world.held() == D("0.1"), "it is retried automatically"


def _refusing(method: str, error: Any) -> Any:
    refused = Fault(refused=error)
    return lambda called, _: refused if called == method else None


# -- reductions that are refused


@pytest.mark.parametrize("error", [OrderRejected("reduce-only is refused"), InsufficientMargin("short")])
async def test_a_reduction_refused_for_hours_backs_off_to_a_minute(
    tmp_path: Path, error: OrderRejected
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.connection().faults = _refusing("place_order", error)
        await world.say("0", wait=3600)
        assert len(world.sent()) <= 90
        assert world.connection().calls["instruments"] <= 20, "lists are renewed every 5 min at most"
        assert str(error) in world.row()["reason"]
        world.connection().faults = _refusing("nothing", error)
        await asyncio.sleep(70)
        assert world.held() == 0


async def test_a_held_reduction_starves_no_other_symbol_s_increase(tmp_path: Path) -> None:
    """Margin is short, and the reduction that would free some is refused: what fits is still sent."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        place_order = world.exchange().place_order

        async def refusing(order: OrderRequest) -> OrderReport:
            if order.symbol == "BTCUSDT":
                raise OrderRejected("reduce-only is refused")
            return await place_order(order)

        async def equity() -> Any:
            value = Equity(wallet=D(10_000), total=D(10_000), free=D(100))
            return Known(value=value, as_of=world.clock.now())

        world.exchange().place_order = refusing  # type: ignore[method-assign]
        world.exchange().equity = equity  # type: ignore[method-assign]
        await world.say("0", wait=0)
        await world.say("0.1", "ETHUSDT", wait=300)
        assert world.held("ETHUSDT") == D("0.4")


async def test_a_refused_size_delays_no_other_symbol(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.2", "ETHUSDT", wait=30)
        await world.say("0.5", wait=30)
        world.connection().faults = lambda method, _: Fault(delay=8) if method == "instruments" else None
        world.connection().inject("place_order", Fault(refused=OrderRejected("size")))
        await world.say("0.6", wait=7)
        await world.say("0.3", "ETHUSDT", wait=1)
        assert world.held("ETHUSDT") == D("1.2")


async def test_old_lists_serve_while_new_ones_cannot_be_read(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=30)
        world.connection().faults = _refusing("instruments", NotReady("down"))
        await asyncio.sleep(4000)
        await world.say("0.6", wait=10)
        assert world.held() == D("0.12")


# -- sizes that the exchange takes no more


async def test_what_can_be_closed_after_a_new_step_is_closed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.575", wait=30)
        assert world.held() == D("0.115")
        Strict(world, step="0.01")
        await world.restart()
        await world.say("0", wait=600)
        assert world.held() == D("0.005")
        assert len(world.sent()) <= 12
        assert world.row()["reason"], "what is left is shown"


async def test_a_rest_is_closed_once_a_finer_step_is_listed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.575", wait=30)
        strict = Strict(world, step="0.01")
        await world.restart()
        await world.say("0", wait=600)
        assert world.held() == D("0.005")
        strict.step = D("0.001")
        strict.exchange.instrument_of = strict.instrument
        await asyncio.sleep(3700)
        assert world.held() == 0
        assert world.at_target()


async def test_no_chunk_is_below_the_exchanges_minimum(tmp_path: Path) -> None:
    """With a step of 0.01 BTC every chunk must be at least 0.02; equal parts of 0.11 BTC would leave one of 0.01."""
    async with scene(tmp_path, accounts__one__limits={"order_notional": 1100}) as world:
        Strict(world, step="0.01", minimum="1000")
        await world.restart()
        await world.say("0.55", wait=600)
        assert world.held() == D("0.1")
        assert all(1000 <= order.quantity * 50_000 <= 1100 for order in world.sent())
        assert len(world.sent()) == 5


# -- pauses


async def test_a_leverage_in_doubt_is_not_set_again_without_a_pause(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.connection().faults = _refusing("set_leverage", OutcomeUnknown("timeout"))
        await world.say("0.5", wait=3600)
        assert world.connection().calls["set_leverage"] <= 70
        assert world.sent() == []
        assert "timeout" in world.row()["reason"]


async def test_orders_per_minute_are_counted_across_a_restart(tmp_path: Path) -> None:
    async with scene(tmp_path, accounts__one__limits={"orders_per_minute": 2}) as world:
        await world.say("0.1", wait=2)
        await world.say("0.2", wait=2)
        await world.restart()
        await world.say("0.3", wait=20)
        assert world.held() == D("0.04")
        assert "orders_per_minute" in world.row()["reason"]
        await asyncio.sleep(180)
        assert world.held() == D("0.06")


# -- ids


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
async def test_no_client_order_id_is_sent_twice_even_if_it_never_left(
    tmp_path: Path, restarted: bool
) -> None:
    async with scene(tmp_path) as world:
        world.connection().inject("place_order", *[Fault(refused=NotReady("busy"))] * 3)
        await world.say("0.5", wait=1)
        if restarted:
            await world.restart()
        await asyncio.sleep(300)
        assert world.held() == D("0.1")
        ids = [order.client_order_id for order in world.sent()]
        assert len(ids) == len(set(ids)) == 4


# -- nothing is "at target" that is not


async def test_an_account_that_cannot_be_read_is_not_at_target(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        assert world.at_target()
        world.connection().faults = _refusing("positions", NotReady("down"))
        await asyncio.sleep(600)
        assert not world.at_target()
        assert "down" in world.state()["reason"]


async def test_a_new_target_is_not_at_target_before_it_is_decided(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.connection().faults = lambda method, _: Fault(delay=5) if method == "positions" else None
        await world.say("0.6", wait=0.5)
        assert not world.at_target()


# -- instances that hang or talk nonsense


@pytest.mark.parametrize("method", ["diagnose", "close"])
async def test_an_account_that_hangs_or_raises_delays_no_other(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts: Mapping[str, Any] = {
        "one": {"plugin": "fake", "observe": False, "key": "a"},
        "two": {"plugin": "fake", "observe": False, "key": "b"},
    }
    async with scene(tmp_path, accounts=accounts) as world:

        async def hanging() -> Sequence[Any]:
            await asyncio.sleep(1e6)
            return ()

        monkeypatch.setattr(world.connection("a"), method, hanging)
        began = world.clock.monotonic()
        if method == "diagnose":
            found = await account_findings(world.engine)
            assert set(found) == {"one", "two"}
        else:
            edit = asyncio.create_task(world.edit("accounts.one.key", "c"))
            await asyncio.sleep(1)
            await world.say("0.5", wait=2)
            assert world.held(key="b") == D("0.1")
            await edit
        assert world.clock.monotonic() - began <= 30


async def test_a_new_step_affects_one_symbol_only(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        strict = Strict(world, step="0.001")
        await world.say("0.575", wait=30)
        strict.step = D("0.01")
        strict.exchange.instrument_of = lambda symbol: replace(
            strict.instrument(symbol), quantity_step=D("0.01"), minimum_quantity=D("0.01")
        )
        await world.say("0.2225", wait=900)
        assert world.held() == D("0.045"), "the part that is not a multiple stays: 0.115 - 0.07"
