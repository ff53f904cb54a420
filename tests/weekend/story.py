"""The scenario of a weekend: continuous alerts, with incidents in between. Records what really happened."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from te_core.model.control import Action
from te_emulators.core.faults import Fault, FaultKind
from tests.weekend.world import ACCOUNTS, SYMBOLS, World

Step = Callable[[], Awaitable[None]]

SIZES = (10, 25, 50, 75, 100)
LAST_ALERT = 1800.0
"""Seconds before the end at which sources fall silent."""
CALM = 900.0
"""Seconds before the end from which nothing happens any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that really happened."""

    kind: str
    accounts: tuple[str, ...]
    """The affected ones."""
    at: datetime
    until: datetime | None = None
    """The end of an outage."""
    symbol: str = ""
    amount: Decimal = Decimal(0)


@dataclass(slots=True)
class Truth:
    """Everything that the engine has to find out on its own."""

    incidents: list[Incident] = field(default_factory=list)
    accepted: int = 0
    repeated: int = 0
    """Sent once more, identical, within a minute or so: counts as a redelivery."""
    refused: int = 0
    strangers: int = 0
    began: datetime | None = None
    ended: datetime | None = None

    def of(self, *kinds: str) -> list[Incident]:
        """Return the incidents of some kinds."""
        return [one for one in self.incidents if one.kind in kinds]


class Story:
    """One weekend. ``hours`` and ``alerts``: how long, and how many."""

    def __init__(self, world: World, *, hours: float, alerts: int, seed: int = 1) -> None:
        self.world, self.truth = world, Truth()
        self._chance = random.Random(seed)
        self._seconds = hours * 3600
        self._alerts = alerts
        self._said: dict[tuple[str, str], tuple[str, int]] = {}
        self._down_since: dict[str, datetime] = {}

    async def tell(self) -> Truth:
        """Run the whole scenario."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        self.truth.began = self.world.clock.now()
        for at, step in sorted([*self._of_alerts(), *self._of_incidents()], key=lambda one: one[0]):
            await asyncio.sleep(max(begin + at - loop.time(), 0))
            await step()
        await asyncio.sleep(max(begin + self._seconds - loop.time(), 0))
        self.truth.ended = self.world.clock.now()
        return self.truth

    # -- alerts

    def _of_alerts(self) -> list[tuple[float, Step]]:
        last = self._seconds - LAST_ALERT
        times = sorted(self._chance.uniform(30, last) for _ in range(self._alerts))
        return [(at, self._alert) for at in times]

    async def _alert(self) -> None:
        chance = self._chance
        source = "tradingview" if chance.random() < 0.7 else "swing"
        symbol = chance.choice(list(SYMBOLS))
        self._move(symbol)
        before = self._said.get((source, symbol))
        if before is None or chance.random() < 0.45:
            direction = chance.choices(("long", "short", "flat"), (5, 3, 2))[0]
            before = (direction, 0 if direction == "flat" else chance.choice(SIZES))
            self._said[source, symbol] = before
        await self._send(source, symbol, *before)

    async def _send(self, source: str, symbol: str, direction: str, size: int) -> None:
        """Send it, and again if there is no response, as TradingView does."""
        for _ in range(3):
            status = await self.world.alert(source, symbol, direction, size)
            if status == 200:
                repeated = self.world.answer["status"] == "duplicate"
                self.truth.accepted += not repeated
                self.truth.repeated += repeated
                return
            await asyncio.sleep(5)
        raise AssertionError(f"an alert was answered {status}")

    def _move(self, symbol: str) -> None:
        moved = float(self.world.prices[symbol]) * math.exp(self._chance.gauss(0, 0.0012))
        self.world.set_price(symbol, Decimal(f"{moved:.1f}"))

    # -- what goes wrong

    def _of_incidents(self) -> Sequence[tuple[float, Step]]:
        """Return the incidents, spread over the weekend; those that end with both their start and their end."""
        length, hour = self._seconds - LAST_ALERT, 3600.0
        at = [length * part / 24 for part in range(24)]
        found: list[tuple[float, Step]] = [
            (at[1], self._refused_alerts),
            (at[2], self._shut("bybit")),
            (at[2] + 240, self._reopen("bybit")),
            (at[3], self._deposit("bybit-main", Decimal(500))),
            (at[4], self._hand_trade("bybit-main", "adds")),
            (at[5], self._refused_order("kucoin")),
            (at[6], self._lost_answers("blofin")),
            (at[7], self._maintain("kucoin")),
            (at[7] + 600, self._end_maintenance("kucoin")),
            (at[8], self._command(Action.HALT, "halt", "blofin")),
            (at[9], self._command(Action.RESUME, "resume", "blofin")),
            (at[10], self._liquidate("bybit-second")),
            (at[11], self._restart),
            (at[12], self._hand_trade("kucoin", "closes")),
            (at[13], self._partial_fill("bybit-second")),
            (at[14], self._pause("swing")),
            (at[15], self._resume("swing")),
            (at[16], self._deposit("kucoin", Decimal(-250))),
            (at[17], self._shut("blofin")),
            (at[17] + 120, self._reopen("blofin")),
            (at[18], self._lost_answers("kucoin")),
            (at[20], self._hand_trade("blofin", "closes")),
            (self._seconds - CALM, self._leave_something_to_do("kucoin")),
        ]
        every = min(8 * hour, length / 3)
        fundings = int(length / every)
        found += [(every * number + 17, self._funding) for number in range(1, fundings + 1)]
        return found

    def _note(self, kind: str, *accounts: str, **more: object) -> None:
        now = self.world.clock.now()
        self.truth.incidents.append(Incident(kind=kind, accounts=accounts, at=now, **more))  # type: ignore[arg-type]

    def _at(self, exchange: str) -> tuple[str, ...]:
        return tuple(name for name, (there, _) in ACCOUNTS.items() if there == exchange)

    def _shut(self, exchange: str) -> Step:
        async def step() -> None:
            self._down_since[exchange] = self.world.clock.now()
            await self.world.exchanges[exchange].refuse()

        return step

    def _reopen(self, exchange: str) -> Step:
        async def step() -> None:
            await self.world.exchanges[exchange].listen()
            self._over(exchange)

        return step

    def _maintain(self, exchange: str) -> Step:
        async def step() -> None:
            self._down_since[exchange] = self.world.clock.now()
            self.world.exchanges[exchange].faults.add(Fault(kind=FaultKind.MAINTENANCE, times=None))

        return step

    def _end_maintenance(self, exchange: str) -> Step:
        async def step() -> None:
            self.world.exchanges[exchange].faults.clear()
            self._over(exchange)

        return step

    def _over(self, exchange: str) -> None:
        self.truth.incidents.append(
            Incident(
                kind="outage",
                accounts=self._at(exchange),
                at=self._down_since.pop(exchange),
                until=self.world.clock.now(),
            )
        )

    async def _refused_alerts(self) -> None:
        world = self.world
        for source, text in (
            ("tradingview", "{"),
            ("swing", '{"symbol": "DOGEUSDT.P", "direction": "long"}'),
        ):
            status = await world.post(source, text)
            assert status in {400, 422}, status
            self.truth.refused += 1
        assert await world.post("swing", "{}", token="a-token-of-a-stranger-123") == 401
        self.truth.strangers += 1

    def _deposit(self, account: str, amount: Decimal) -> Step:
        async def step() -> None:
            self.world.venue(account).exchange.deposit(self.world.owner(account), amount)
            self._note("transfer", account, amount=amount)
            await asyncio.sleep(60)

        return step

    async def _held(self, account: str) -> str:
        """Return a symbol that an account holds; if it holds none, a source opens one."""
        for symbol in SYMBOLS:
            if self.world.size(account, symbol):
                return symbol
        await self._send("tradingview", "ETHUSDT", "long", 100)
        self._said["tradingview", "ETHUSDT"] = ("long", 100)
        await asyncio.sleep(30)
        assert self.world.size(account, "ETHUSDT"), account
        return "ETHUSDT"

    def _hand_trade(self, account: str, how: str) -> Step:
        async def step() -> None:
            await asyncio.sleep(30)  # none of our orders is in flight
            symbol = await self._held(account)
            size = self.world.size(account, symbol)
            self.world.trade_by_hand(account, symbol, size if how == "adds" else -size)
            self._note(f"hand trade {how}", account, symbol=symbol)
            await asyncio.sleep(30)

        return step

    def _liquidate(self, account: str) -> Step:
        """Make the price collapse for a moment: every account that holds the symbol at that exchange is liquidated."""

        async def step() -> None:
            await asyncio.sleep(30)
            symbol = await self._held(account)
            world, price = self.world, self.world.prices[symbol]
            there = [name for name in self._at(ACCOUNTS[account][0]) if world.size(name, symbol)]
            far = price * (Decimal("0.6") if world.size(account, symbol) > 0 else Decimal("1.4"))
            exchange, contract = world.venue(account).exchange, world.contract(account, symbol)
            exchange.set_price(contract, far.quantize(Decimal("0.1")))
            exchange.set_price(contract, price)
            gone = [name for name in there if not world.size(name, symbol)]
            assert account in gone
            self._note("liquidation", *gone, symbol=symbol)
            await asyncio.sleep(60)

        return step

    def _refused_order(self, account: str) -> Step:
        async def step() -> None:
            fault = Fault(kind=FaultKind.REJECTED, route="order", error="PriceOutOfBand")
            await self._next_order(account, fault)
            self._note("refused order", account)

        return step

    def _lost_answers(self, account: str) -> Step:
        async def step() -> None:
            fault = Fault(kind=FaultKind.DROPPED, route="order", accepted=True)
            await self._next_order(account, fault)
            self._note("lost answer", account)

        return step

    def _partial_fill(self, account: str) -> Step:
        async def step() -> None:
            fault = Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=Decimal("0.4"))
            await self._next_order(account, fault)
            self._note("partial fill", account)

        return step

    async def _next_order(self, account: str, fault: Fault) -> None:
        """Inject a fault into the next order of an account, and make sure that there is one."""
        key = self.world.owner(account).keys[0].key
        self.world.fault(account, replace(fault, key=key))
        met = self.world.venue(account).exchange.counts.faults
        before = met[fault.kind]
        for size in (100, 10, 50, 25):
            self._said["tradingview", "BTCUSDT"] = ("long", size)
            await self._send("tradingview", "BTCUSDT", "long", size)
            await asyncio.sleep(60)
            if met[fault.kind] > before:
                return
        raise AssertionError(f"no order of {account} met {fault.kind}")

    def _command(self, action: Action, kind: str, account: str) -> Step:
        async def step() -> None:
            await self.world.command(action, accounts=(account,), reason="maintenance")
            self._note(kind, account)

        return step

    def _pause(self, source: str) -> Step:
        async def step() -> None:
            await self.world.command(Action.PAUSE, sources=(source,))
            self._note("pause", source)

        return step

    def _resume(self, source: str) -> Step:
        async def step() -> None:
            await self.world.command(Action.RESUME, sources=(source,))
            self._note("resume", source)

        return step

    async def _restart(self) -> None:
        await self.world.stop()
        self._note("restart")
        await asyncio.sleep(20)
        await self.world.start()

    async def _funding(self) -> None:
        for account in ACCOUNTS:
            exchange = self.world.venue(account).exchange
            for symbol in SYMBOLS:
                contract = self.world.contract(account, symbol)
                if self.world.owner(account).size(contract):
                    exchange.pay_funding(self.world.owner(account), contract, Decimal("0.0001"))
        self._note("funding", *ACCOUNTS)
        await asyncio.sleep(30)

    def _leave_something_to_do(self, account: str) -> Step:
        """Close something by hand near the end: it stays closed, and the operator should be notified."""
        trade = self._hand_trade(account, "closes")

        async def step() -> None:
            await trade()
            last = self.truth.incidents.pop()
            self.truth.incidents.append(
                Incident(kind="left to do", accounts=last.accounts, at=last.at, symbol=last.symbol)
            )

        return step


def friday(now: datetime, hours: float) -> datetime:
    """Return the start of a weekend that ends now."""
    return now - timedelta(hours=hours)
