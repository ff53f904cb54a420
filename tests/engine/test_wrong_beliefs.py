"""No order follows from a wrong belief: old reads and pushes, prices of any age, an equity of zero."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import (
    Equity,
    Known,
    MarginMode,
    NotReady,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Position,
)
from te_core.rules.belief import EQUITY_AGE
from te_core.testing.faults import Fault, Faults
from tests.engine.scene import scene

D = Decimal
LAGS = [0.3, 1, 2.5, 4, 6]


# -- reads and pushes that are behind each other


@pytest.mark.parametrize("lag", LAGS)
async def test_reads_behind_the_pushes_lead_to_no_second_order(tmp_path: Path, lag: float) -> None:
    async with scene(tmp_path, streams=True) as world:
        world.exchange().read_lag = lag
        await asyncio.sleep(30)
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        assert len(world.sent()) == 1
        assert world.at_target()


@pytest.mark.parametrize("lag", LAGS)
async def test_pushes_behind_the_reads_lead_to_no_second_order(tmp_path: Path, lag: float) -> None:
    async with scene(tmp_path, streams=True) as world:
        world.exchange().push_lag = lag
        await asyncio.sleep(30)
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        assert len(world.sent()) == 1
        assert world.at_target()


@pytest.mark.parametrize("streams", [True, False], ids=["streams", "reads"])
@pytest.mark.parametrize("pause", [0.1, 1, 3, 7])
async def test_quick_signals_end_at_the_last_one_despite_late_reads(
    tmp_path: Path, streams: bool, pause: float
) -> None:
    async with scene(tmp_path, streams=streams, accounts__one__limits={"symbol_exposure": 8000}) as world:
        world.exchange().read_lag, world.exchange().push_lag = 5.0, 2.0
        await asyncio.sleep(30)
        most = D(0)
        for depth in ("0.2", "0.6", "0.2", "0.4", "-0.4", "0.4", "0.8"):
            await world.say(depth, wait=pause)
            most = max(most, abs(world.held()))
        for _ in range(60):
            await asyncio.sleep(1)
            most = max(most, abs(world.held()))
        assert world.held() == D("0.16")
        assert most == D("0.16"), "never beyond what was wanted"


async def test_a_read_that_took_its_time_is_as_old_as_its_request(tmp_path: Path) -> None:
    """It is answered just before our order is executed, and arrives when the order must show in every answer."""
    async with scene(tmp_path, streams=True, accounts__one__drift="heal") as world:
        await asyncio.sleep(29.5 - world.clock.monotonic())
        world.connection().inject("place_order", Fault(delay=1))
        world.connection().inject("positions", Fault(answer_delay=9.5))
        regular = world.connection().calls["positions"] + 1
        await world.say("0.5", wait=0.9)
        assert world.connection().calls["positions"] == regular
        assert not world.held()
        await asyncio.sleep(60)
        assert [order.quantity for order in world.sent()] == [D("0.1")]
        assert world.events("drift") == []


@pytest.mark.parametrize("streams", [True, False], ids=["streams", "reads"])
async def test_a_read_dated_before_our_order_does_not_undo_it(tmp_path: Path, streams: bool) -> None:
    """Something between us and the exchange answers with what it knew minutes ago, and says so."""
    async with scene(tmp_path, streams=streams, accounts__one__drift="heal") as world:
        await asyncio.sleep(30)
        world.exchange().read_lag, world.exchange().dates_lag = 200, True
        await world.say("0.5", wait=180)
        assert [order.quantity for order in world.sent()] == [D("0.1")]
        assert world.events("drift") == []


async def test_a_push_that_was_missed_is_found_by_a_read(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True, accounts__one__drift="heal") as world:
        await world.say("0.5", wait=30)
        world.exchange().push_lag = 1e6
        world.exchange().hold("BTCUSDT", "0.15")
        await asyncio.sleep(90)
        assert world.held() == D("0.1")


async def test_a_stream_that_says_nothing_is_not_relied_on(tmp_path: Path) -> None:
    """Its connection lives. Somebody trades meanwhile, and nothing is pushed."""
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=30)
        world.exchange().silent = True
        await asyncio.sleep(20)
        world.exchange().hold("BTCUSDT", "0.04")
        await world.say("0.8", wait=2)
        assert world.held() == D("0.16")


async def test_a_read_from_before_a_leverage_does_not_show_it(tmp_path: Path) -> None:
    """Only a read shows the leverage here; until the next one the old one is still what was seen last."""
    async with scene(tmp_path, streams=True) as world:
        await world.say("0.5", wait=30)
        exchange = world.exchange()
        exchange.held["BTCUSDT"] = replace(exchange.held["BTCUSDT"], leverage=D(20))
        await asyncio.sleep(120)
        assert exchange.held["BTCUSDT"].leverage == 1
        assert exchange.calls.count("leverage 1") == 2, "at the first order, and once to put it right"
        assert [event.kind for event in world.events()] == ["drift"]


# -- prices


async def test_a_symbol_without_pushes_is_not_sized_at_an_old_price(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path, streams=True, limits__symbol_exposure=5000) as world:
        await asyncio.sleep(30)
        world.exchange().muted.add("BTCUSDT")
        world.exchange().price["BTCUSDT"] = D(100_000)
        await asyncio.sleep(120)
        await world.say("0.5", wait=60)
        assert world.held() == D("0.05")


async def test_nothing_is_sized_at_an_old_price_while_reads_fail(tmp_path: Path) -> None:
    async with scene(tmp_path, streams=True) as world:
        await asyncio.sleep(30)
        world.exchange().muted.add("BTCUSDT")
        world.connection().faults = _failing("prices")
        await asyncio.sleep(300)
        world.exchange().price["BTCUSDT"] = D(100_000)
        await world.say("0.5", wait=60)
        assert world.sent() == []
        assert "price" in world.row()["reason"]
        world.exchange().muted.clear()
        await asyncio.sleep(180)
        assert world.held() == D("0.05")


def _failing(*methods: str) -> Faults:
    refused = Fault(refused=NotReady("cannot be reached"))
    return lambda method, _: refused if method in methods else None


async def test_a_read_before_the_last_fill_does_not_prove_a_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A close that was only acknowledged counted as filled: a read that was behind still showed flat."""
    async with scene(tmp_path, streams=True) as world:
        exchange = world.exchange()

        async def place_order(order: OrderRequest) -> OrderReport:
            asyncio.get_running_loop().call_later(25 if order.reduce_only else 4, exchange.fill, order)
            return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN)

        async def find_order(symbol: str, client_order_id: str) -> OrderReport | None:
            return exchange.orders.get(client_order_id) or OrderReport(
                client_order_id=client_order_id, status=OrderStatus.OPEN
            )

        monkeypatch.setattr(exchange, "place_order", place_order)
        monkeypatch.setattr(exchange, "find_order", find_order)
        exchange.read_lag = 6.0
        await world.say("0.5", wait=1)
        await world.say("0", wait=9)
        assert world.held() == D("0.1")
        assert not world.row()["confirmed"]
        await asyncio.sleep(60)
        assert world.held() == 0
        assert world.at_target()
        assert world.events("drift") == []
        assert len(world.sent()) == 2


# -- reads that repeat themselves


async def test_a_read_that_is_repeated_for_hours_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        repeated = await world.exchange().positions()

        async def positions() -> Known[Mapping[str, Position]]:
            return repeated

        monkeypatch.setattr(world.exchange(), "positions", positions)
        world.exchange().hold("BTCUSDT", "0")
        await asyncio.sleep(4 * 3600)
        assert not world.at_target()
        assert world.row()["reason"]
        await world.say("0.7", wait=600)
        assert len(world.sent()) == 1, "nothing is sent on a position of hours ago"


async def test_a_repeated_read_of_equity_sizes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as world:
        repeated = await world.exchange().equity()

        async def equity() -> Known[Equity]:
            return repeated

        monkeypatch.setattr(world.exchange(), "equity", equity)
        world.exchange().equity_value = D(1000)
        await asyncio.sleep(3600)
        await world.say("0.5", wait=600)
        assert world.sent() == []
        assert "equity" in world.row()["reason"]


async def test_an_old_answer_is_not_newer_after_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the future at first; once the clock has caught up, it must not count as fresh."""
    async with scene(tmp_path) as world:
        repeated = await world.exchange().prices(["BTCUSDT"])

        async def prices(_: object) -> Known[Mapping[str, Decimal]]:
            return repeated

        monkeypatch.setattr(world.exchange(), "prices", prices)
        world.exchange().price["BTCUSDT"] = D(100_000)
        world.clock.shift -= timedelta(seconds=60)
        await world.restart()
        await world.say("0.5", wait=600)
        assert world.sent() == []
        assert "no recent price" in world.row()["reason"]


# -- equity


async def test_zero_equity_with_positions_is_unknown(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.exchange().equity_value = D(0)
        await asyncio.sleep(60)
        await world.say("0.6", wait=600)
        assert world.held() == D("0.1")
        assert "equity" in world.row()["reason"]
        assert not world.at_target()
        world.exchange().equity_value = D(10_000)
        await asyncio.sleep(180)
        assert world.held() == D("0.12")


async def test_without_equity_a_position_can_be_closed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        world.exchange().equity_value = D(0)
        await world.say("0", wait=60)
        assert world.held() == 0


async def test_a_signal_from_before_the_deposit_is_sized_on_deposit(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.exchange().equity_value = D(0)
        await world.say("0.5", wait=3600)
        assert world.held() == 0
        assert "equity" in world.row()["reason"]
        world.exchange().equity_value = D(10_000)
        await asyncio.sleep(180)
        assert world.held() == D("0.1")


# -- decisions that have become old (I23)


@pytest.mark.parametrize("streams", [True, False], ids=["streams", "reads"])
async def test_a_price_that_moves_through_a_plan_of_chunks_ends_it(tmp_path: Path, streams: bool) -> None:
    """Ten chunks of 2 s each; after the second the price leaves what ``price_distance`` allows."""
    limits = {"order_notional": 1000, "price_distance": 0.01}
    async with scene(tmp_path, streams=streams, accounts__one__limits=limits) as world:
        world.connection().faults = lambda method, _: (
            Fault(answer_delay=2) if method == "place_order" else None
        )
        await world.say("1", wait=3.5, price=D(50_000))
        assert len(world.exchange().executed_at) == 2
        world.exchange().price["BTCUSDT"] = D(60_000)
        moved = world.clock.monotonic()
        await asyncio.sleep(120)
        late = [at for at in world.exchange().executed_at if at > moved + 6]
        assert not late, "no order leaves with limits checked at a price of more than a few seconds ago"
        assert not world.at_target()
        assert "price" in world.row()["reason"]


async def test_a_decision_that_waited_for_a_slot_is_made_again(tmp_path: Path) -> None:
    """The operator opens by hand what the engine was about to open."""
    async with scene(tmp_path, accounts__one__concurrency=1) as world:
        world.connection().inject("place_order", Fault(answer_delay=14))
        await world.say("0.1", "ETHUSDT", wait=0)
        await world.say("0.5", wait=5)
        world.exchange().hold("BTCUSDT", "0.1")
        await asyncio.sleep(120)
        assert world.held() == D("0.1")
        assert [order.symbol for order in world.sent()] == ["ETHUSDT"]


async def test_a_process_that_was_paused_sends_no_earlier_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute passes between the call and the signature, as with SIGSTOP or a paused machine."""
    async with scene(tmp_path, limits__symbol_exposure=5000) as world:
        exchange, place_order, loop = (
            world.exchange(),
            world.exchange().place_order,
            asyncio.get_running_loop(),
        )
        frozen: list[float] = []

        async def freezing(order: OrderRequest) -> OrderReport:
            await asyncio.sleep(0.1)
            if not frozen:
                frozen.append(loop.time())
                loop._now += 60  # type: ignore[attr-defined]  # nothing runs meanwhile
                world.clock.shift -= timedelta(seconds=60)  # and the wall clock is corrected afterwards
            world.contexts["one"].date()
            return await place_order(order)

        monkeypatch.setattr(exchange, "place_order", freezing)
        await world.say("0.5", wait=0.05)
        exchange.price["BTCUSDT"] = D(100_000)
        await asyncio.sleep(120)
        assert frozen
        assert world.held() == D("0.05"), "it was decided again, and the limit holds at the present price"


# -- margin mode


async def test_a_margin_mode_changed_while_flat_is_set_before_opening(
    tmp_path: Path,
) -> None:
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        await world.say("0", wait=60)
        exchange = world.exchange()
        exchange.held["BTCUSDT"] = replace(exchange.held["BTCUSDT"], margin_mode=MarginMode.CROSS)
        await asyncio.sleep(600)
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        assert exchange.held["BTCUSDT"].margin_mode is MarginMode.ISOLATED


@pytest.mark.parametrize("restarted", [False, True], ids=["running", "restarted"])
async def test_a_margin_mode_hidden_while_flat_is_set_before_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarted: bool
) -> None:
    async with scene(tmp_path) as world:
        exchange, positions = world.exchange(), world.exchange().positions

        async def hiding() -> Known[Mapping[str, Position]]:
            known = await positions()
            return replace(known, value={s: p for s, p in known.value.items() if p.quantity})

        monkeypatch.setattr(exchange, "positions", hiding)
        await world.say("0.5", wait=60)
        await world.say("0", wait=60)
        exchange.held["BTCUSDT"] = replace(exchange.held["BTCUSDT"], margin_mode=MarginMode.CROSS)
        await asyncio.sleep(600)
        if restarted:
            await world.restart()
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        assert exchange.held["BTCUSDT"].margin_mode is MarginMode.ISOLATED


# -- an exchange that says nonsense


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("positions", None),
        ("positions", {}),
        ("equity", None),
        ("equity", Known(value=Equity(wallet=1e4, total=1e4), as_of=None)),  # type: ignore[arg-type]
        ("prices", Known(value={"BTCUSDT": 50_000.0}, as_of=None)),  # type: ignore[arg-type]
        ("prices", ["BTCUSDT", 50_000]),
    ],
    ids=["no positions", "bare positions", "no equity", "float equity", "float price", "list of prices"],
)
async def test_a_result_of_another_type_is_unknown_with_its_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, answer: object
) -> None:
    async with scene(tmp_path) as world:

        async def nonsense(symbols: Sequence[str] = ()) -> object:
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(world.connection(), method, nonsense)
            await world.say("0.5", wait=60)
            assert world.sent() == []
            assert method in world.state()["reason"]
        await asyncio.sleep(300)
        assert world.held() == D("0.1"), "it goes on by itself"


async def test_an_equity_that_ages_during_a_pass_is_read_with_it(tmp_path: Path) -> None:
    """Otherwise the alert waits for the next regular read."""
    async with scene(tmp_path, streams=True, engine={"resync": "10m"}) as world:
        await world.say("0.5", wait=20)
        seen = world.engine.accounts["one"].worker.beliefs.equity_seen
        assert seen is not None
        world.exchange().muted.add("ETHUSDT")
        await asyncio.sleep(seen.asked_at + EQUITY_AGE - 0.05 - world.clock.monotonic())
        world.connection().faults = lambda method, _: Fault(delay=0.1) if method == "prices" else None
        await world.say("0.5", symbol="ETHUSDT", wait=5)
        assert world.at_target("ETHUSDT")
        assert world.events("waiting") == []
