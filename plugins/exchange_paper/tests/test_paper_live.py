"""A paper account at the prices, rules, tiers and fundings of a real exchange."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    ConfigError,
    FundingRate,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderRequest,
    Severity,
    TradeEngineError,
)
from te_core.model.event import Event
from te_core.testing.fakes import account_context
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.public_data import Quote, RiskTier
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.books import FILE_NAME
from te_exchange_paper.options import PaperOptions

D = Decimal
MakeOrder = Callable[..., OrderRequest]
BTC = Instrument(
    symbol="BTCUSDT",
    quantity_step=D("0.002"),
    minimum_quantity=D("0.004"),
    minimum_notional=D(7),
    price_tick=D("0.5"),
    largest_leverage=40,
)


def quote(price: object, bid: object = None, ask: object = None) -> Quote:
    """A quote of plain numbers."""
    bid, ask = (None if side is None else D(str(side)) for side in (bid, ask))
    return Quote(price=D(str(price)), bid=bid, ask=ask)


@dataclass
class Public:
    """The exchange's public data. ``failing`` is raised by every request; ``past`` is None without a history."""

    quoted: dict[str, Quote] = field(default_factory=dict)
    rules: dict[str, Instrument] = field(default_factory=dict)
    announced: dict[str, FundingRate] = field(default_factory=dict)
    past: dict[str, list[FundingRate]] | None = field(default_factory=dict)
    risk: dict[str, list[RiskTier]] = field(default_factory=dict)
    failing: TradeEngineError | None = None
    defect: Exception | None = None
    """What the reading of tiers raises."""
    streams: bool = False
    asked: list[str] = field(default_factory=list)
    push: Callable[[str, Quote], None] = lambda _symbol, _quote: None

    def down(self, text: str = "no route to host") -> None:
        """From now on nothing answers."""
        self.failing = NotReady(text)

    async def connect(self, _context: Any) -> Any:
        """What an account's ``make_data`` is."""
        return Data(self)


class Data:
    """A connection; its methods are those of ``PublicData``."""

    def __init__(self, there: Public) -> None:
        self.there = there

    def _ask(self, what: str) -> None:
        self.there.asked.append(what)
        if self.there.failing is not None:
            raise self.there.failing

    async def open(self) -> None:
        self._ask("open")

    async def close(self) -> None:
        """Nothing to let go of."""

    def offers(self) -> Mapping[str, bool]:
        return {"pushed prices": self.there.streams, "past funding rates": self.there.past is not None}

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        self._ask("instruments")
        return {symbol: self.there.rules[symbol] for symbol in symbols if symbol in self.there.rules}

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        self._ask("quotes")
        return {symbol: self.there.quoted[symbol] for symbol in symbols if symbol in self.there.quoted}

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate]:
        self._ask("funding")
        return {symbol: self.there.announced[symbol] for symbol in symbols if symbol in self.there.announced}

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[FundingRate] | None:
        self._ask("past funding")
        if self.there.past is None:
            return None
        return [rate for rate in self.there.past.get(symbol, []) if rate.at > since]

    async def tiers(self, symbol: str) -> Sequence[RiskTier]:
        self._ask("tiers")
        if self.there.defect is not None:
            raise self.there.defect
        return self.there.risk.get(symbol, [])

    async def follow(self, symbols: Sequence[str], push: Callable[[str, Quote], None]) -> None:
        del symbols
        self.there.push = push
        await asyncio.Event().wait()

    def want(self, symbols: Sequence[str]) -> None:
        """Everything can be pushed."""


class World:
    """An exchange, a source's prices, and a paper account between them."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.public = Public(quoted={"BTCUSDT": quote(60_000)}, rules={"BTCUSDT": BTC})
        self.stated: dict[str, Known[Decimal]] = {}
        self.events: list[Event] = []
        self.folder = folder
        self.account: PaperAccount

    @asynccontextmanager
    async def run(self, **options: Any) -> AsyncIterator[PaperAccount]:
        """An open account, as the engine asks it."""
        options = {"fee": 0, "slippage": 0, "prices_from": "bybit", **options}
        context = account_context(
            name="paper",
            options=PaperOptions.model_validate(options),
            clock=self.clock,
            log=logger,
            state_dir=self.folder,
            signal_price=self.stated.get,
            record=self.events.append,
        )
        self.account = PaperAccount(context, self.public.connect)
        await self.account.open()
        try:
            await self.account.instruments(["BTCUSDT"])
            yield self.account
        finally:
            await self.account.close()

    def at(self, hour: float) -> datetime:
        """That many hours after the clock's own start, on the hour."""
        return self.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)

    def state(self, price: object) -> None:
        """Let a signal state a price now."""
        self.stated["BTCUSDT"] = Known(value=D(str(price)), as_of=self.clock.now())

    async def price(self) -> Decimal:
        return (await self.account.prices(["BTCUSDT"])).value["BTCUSDT"]

    async def wallet(self) -> Decimal:
        return (await self.account.equity()).value.wallet

    def told(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")


# -- prices and rules


async def test_orders_fill_at_live_ask_and_bid_and_are_valued_at_the_mark(
    world: World, order: MakeOrder
) -> None:
    world.public.quoted["BTCUSDT"] = quote(60_000, bid=59_990, ask=60_010)
    async with world.run() as account:
        bought = await account.place_order(order("0.1"))
        assert (await world.account.equity()).value.total == 10_000 - 1
        sold = await account.place_order(order("-0.1"))
        assert [bought.average_price, sold.average_price] == [60_010, 59_990]
        assert await world.price() == 60_000


async def test_slippage_comes_on_top_and_is_rounded_to_the_exchanges_tick(
    world: World, order: MakeOrder
) -> None:
    world.public.quoted["BTCUSDT"] = quote(60_000, bid=59_990, ask=60_010)
    async with world.run(slippage="0.0001") as account:
        assert (await account.place_order(order("0.1"))).average_price == D("60016.5")


async def test_the_exchanges_rules_hold_and_settings_go_over_them(world: World, order: MakeOrder) -> None:
    async with world.run(instruments={"BTCUSDT": {"largest_leverage": 5}}) as account:
        (found,) = (await account.instruments(["BTCUSDT", "NOPEUSDT", "ETHUSDT"])).values()
        assert [found.quantity_step, found.minimum_notional, found.largest_leverage] == [D("0.002"), 7, 5]
        with pytest.raises(OrderRejected, match="multiple"):
            await account.place_order(order("0.005"))


async def test_pushed_prices_count_at_once_and_need_no_read(world: World) -> None:
    async with world.run():
        await asyncio.sleep(1)
        world.public.asked.clear()
        for second in range(60):
            world.public.push("BTCUSDT", quote(61_000 + second))
            await asyncio.sleep(1)
            assert await world.price() == 61_000 + second
        assert "quotes" not in world.public.asked


async def test_what_is_not_pushed_is_read(world: World) -> None:
    async with world.run():
        world.public.quoted["BTCUSDT"] = quote(62_000)
        await asyncio.sleep(11)
        assert await world.price() == 62_000


# -- outages


async def test_an_outage_is_one_event_and_signal_prices_apply_until_its_end(
    world: World, order: MakeOrder
) -> None:
    async with world.run() as account:
        await asyncio.sleep(20)
        world.state(50_000)
        await asyncio.sleep(1)
        assert await world.price() == 60_000, "live prices go first"
        world.public.down()
        await asyncio.sleep(40)
        assert world.told() == ["outage"]
        assert (
            "bybit: no price of BTCUSDT for 15 s (no route to host); using the signals'"
            in world.events[0].text
        )
        assert await world.price() == 60_000, "the live price is newer than the signal's"
        world.state(50_500)
        assert await world.price() == 50_500
        assert (await account.place_order(order("0.1"))).average_price == 50_500
        await asyncio.sleep(600)
        world.public.failing = None
        await asyncio.sleep(10)
        assert await world.price() == 60_000
        assert world.told() == ["outage", "recovery"]


async def test_an_exchange_that_is_down_at_the_start_is_tried_again(world: World, order: MakeOrder) -> None:
    world.public.down()
    world.state(50_000)
    async with world.run() as account:
        assert (await account.place_order(order("0.1"))).average_price == 50_000, "by the built-in table"
        await asyncio.sleep(60)
        assert world.told() == ["outage"]
        world.public.failing = None
        await asyncio.sleep(120)
        assert await world.price() == 60_000
        assert world.told() == ["outage", "recovery"]
        assert (await account.instruments(["BTCUSDT"]))["BTCUSDT"].quantity_step == D("0.002")


async def test_an_exchange_that_nobody_knows_stops_the_account(world: World) -> None:
    world.public.failing = ConfigError("ccxt does not support the exchange 'bibyt'")
    with pytest.raises(ConfigError, match="bibyt"):
        async with world.run():
            pass


async def test_a_defect_is_reported_and_what_it_ended_is_tried_again(world: World) -> None:
    world.public.defect = RuntimeError("a plugin's mistake")
    async with world.run():
        await asyncio.sleep(30)
        assert world.told() == ["outage"]
        assert "a plugin's mistake" in world.events[0].text
        world.public.defect = None
        await asyncio.sleep(60)
        assert world.told() == ["outage", "recovery"]


async def test_a_symbol_that_the_exchange_does_not_trade_is_no_outage(world: World) -> None:
    async with world.run() as account:
        assert (await account.instruments(["BTCUSDT", "ETHUSDT"])).keys() == {"BTCUSDT"}
        assert (await account.prices(["BTCUSDT", "ETHUSDT"])).value.keys() == {"BTCUSDT"}
        await asyncio.sleep(60)
        assert world.told() == []


async def test_the_doctor_says_what_the_exchange_offers(world: World) -> None:
    async with world.run() as account:
        (finding,) = await account.diagnose()
        assert (finding.severity, "without pushed prices" in finding.text) == (Severity.WARNING, True)
    world.public.down()
    async with world.run() as account:
        (finding,) = await account.diagnose()
        assert "cannot be reached: no route to host" in finding.text


async def test_an_old_signal_price_liquidates_nothing_at_start(world: World, order: MakeOrder) -> None:
    world.state(30_000)
    await asyncio.sleep(60)
    async with world.run() as account:
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
    for broken in (False, True):
        if broken:
            world.public.down()
        async with world.run() as account:
            await asyncio.sleep(30)
            assert (await account.positions()).value["BTCUSDT"].quantity == D("0.1")
            assert await world.price() == 60_000


# -- maintenance tiers


async def test_a_large_position_is_liquidated_by_its_tier_not_a_flat_share(
    world: World, order: MakeOrder
) -> None:
    flat, tiered = world, RiskTier(floor=D(100_000), rate=D("0.05"))
    prices = {}
    for name, risk in (("flat", []), ("tiered", [RiskTier(floor=D(0), rate=D("0.005")), tiered])):
        world.public.risk["BTCUSDT"] = risk
        async with flat.run(balance=100_000) as account:
            await asyncio.sleep(2)
            if name == "flat":
                await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
                await account.place_order(order("10"))
            await asyncio.sleep(2)
            prices[name] = (await account.positions()).value["BTCUSDT"].liquidation_price
    # 600,000 in, 60,000 of margin: 60,000 + 10 p - 600,000 = 0.05 x 10 p - 4,500
    assert prices == {
        "flat": pytest.approx(D(540_000) / D("9.95")),
        "tiered": pytest.approx(D(535_500) / D("9.5")),
    }


async def test_what_live_prices_no_longer_support_is_liquidated(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
        await asyncio.sleep(1)
        world.public.push("BTCUSDT", quote(54_000))
        await asyncio.sleep(1.5)
        world.public.push("BTCUSDT", quote(60_000))
        assert (await account.positions()).value["BTCUSDT"].quantity == 0
        assert await world.wallet() == 9_400


# -- funding


def announce(world: World, hour: float, rate: str = "0.0001", *, settled: str | None = None) -> None:
    """Announce the rate of an hour after now; ``settled``: what the history will say of it."""
    at = world.at(hour)
    world.public.announced["BTCUSDT"] = FundingRate(at=at, rate=D(rate))
    if settled is not None and world.public.past is not None:
        world.public.past.setdefault("BTCUSDT", []).append(FundingRate(at=at, rate=D(settled)))


@pytest.mark.parametrize(("quantity", "wallet"), [("0.1", "9999.4"), ("-0.1", "10000.6")])
async def test_funding_is_charged_once_at_its_time_at_the_mark_price(
    world: World, order: MakeOrder, quantity: str, wallet: str
) -> None:
    async with world.run() as account:
        announce(world, 1)
        await account.place_order(order(quantity))
        await asyncio.sleep(3600 - 1)
        assert await world.wallet() == 10_000
        await asyncio.sleep(10)
        assert await world.wallet() == D(wallet)
        await asyncio.sleep(600)
        assert await world.wallet() == D(wallet)


async def test_only_what_was_held_at_the_time_is_charged(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        announce(world, 1)
        await account.place_order(order("0.1"))
        await asyncio.sleep(3600 + 1)
        await account.place_order(order("0.04"))  # before it is charged, but after the funding time
        await asyncio.sleep(5)
        assert await world.wallet() == D("9999.4")
        announce(world, 1)
        await asyncio.sleep(600)
        await account.place_order(order("-0.14"))
        await asyncio.sleep(3600)
        assert await world.wallet() == D("9999.4")
        assert not account.books.funded_until()


async def test_funding_from_while_the_engine_was_down_is_charged_once(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
        announce(world, 1, settled="0.0001")
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == D("9999.4")
    for hour in (8, 16):
        announce(world, hour, settled="0.0002")
    await asyncio.sleep(17 * 3600)
    for _ in range(3):
        async with world.run():
            await asyncio.sleep(100)
            assert await world.wallet() == D("9999.4") - D("2.4")
    assert world.told() == []


async def test_without_a_history_what_was_missed_is_an_event(world: World, order: MakeOrder) -> None:
    world.public.past = None
    async with world.run() as account:
        await account.place_order(order("0.1"))
    await asyncio.sleep(10 * 3600)
    async with world.run():
        await asyncio.sleep(100)
        assert await world.wallet() == 10_000
    (event,) = world.events
    assert (event.kind, event.account, event.symbol) == ("funding", "paper", "BTCUSDT")
    assert "bybit has no past funding rates; what fell due since 2026-01-01" in event.text


async def test_a_funding_that_fell_into_an_outage_is_charged_after_it(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        announce(world, 1, settled="0.0003")
        await account.place_order(order("0.1"))
        await asyncio.sleep(3000)
        world.public.down()
        await asyncio.sleep(1200)
        assert await world.wallet() == 10_000
        world.public.failing = None
        announce(world, 1)
        await asyncio.sleep(200)
        assert await world.wallet() == 10_000 - D("1.8")
        assert world.told() == ["outage", "recovery"]


async def test_funding_reduces_isolated_margin_when_nothing_else_is_left(
    world: World, order: MakeOrder
) -> None:
    async with world.run(balance=600) as account:
        announce(world, 1, rate="0.02")
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
        before = (await account.positions()).value["BTCUSDT"].liquidation_price
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == 600 - 120
        after = (await account.positions()).value["BTCUSDT"].liquidation_price
        assert before is not None
        assert after is not None
        assert after > before


async def test_without_live_prices_nothing_is_charged_also_not_later(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
    world.state(60_000)
    announce(world, 1, settled="0.0001")
    async with world.run(prices_from=None):
        await asyncio.sleep(4000)
    async with world.run():
        await asyncio.sleep(100)
        assert await world.wallet() == 10_000


async def test_an_account_of_the_earlier_version_goes_on(world: World, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.place_order(order("0.1"))
    with closing(sqlite3.connect(world.folder / FILE_NAME)) as file:
        file.executescript(
            "DROP TABLE funding; DROP TABLE payments; DROP TABLE stops; PRAGMA user_version=1;"
        )
    announce(world, 1)
    async with world.run() as account:
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.1")
        await asyncio.sleep(3600 + 10)
        assert await world.wallet() == D("9999.4")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"prices_url": "http://127.0.0.1:1"}, "prices_url has no effect without prices_from"),
        ({"prices_from": "By bit"}, "pattern"),
        ({"prices_from": "bybit", "prices_max_age": "1s"}, "greater than or equal"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PaperOptions.model_validate(options)
