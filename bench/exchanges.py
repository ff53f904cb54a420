"""Round trips and requests from an alert to the orders at emulated exchanges: ``python -m bench.exchanges``.

The engine runs in this process with the real TradingView source and the real plugins through ccxt; the exchanges run in
another one, with 80 ms of latency. Accounts work on 20 symbols at the same time (``concurrency``). Goals stand beside
the figures; one that an exchange's own limit forbids says so.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loguru import logger

from bench.alerts import encode
from bench.exchange_process import Exchanges
from te_core.api import WebhookRequest
from te_core.clock import SystemClock
from te_core.engine.engine import Engine
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings

LATENCY = 0.08
EXCHANGES = ("bybit", "blofin", "kucoin", "mexc")
COINS = (
    *("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB", "AVAX", "LINK", "DOT", "TRX", "ATOM", "UNI", "ETC"),
    *("FIL", "NEAR", "APT", "ARB", "OP"),
)  # fmt: skip
SYMBOLS = tuple(f"{coin}USDT" for coin in COINS)
TOKEN = "bench-Qm3vX8tRk1sZ6pWc9yLd4hNf"
PATIENCE = 90.0
PAUSE = 2.5
"""Seconds between two rounds, so that neither waits for the other's share of a rate limit."""


def say(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One round of alerts. ``trips``: until the last order's answer; ``first``: seconds until the first arrives."""

    trips: float
    first: float
    requests: Counter[str]
    orders: int
    refused: int
    at_target: bool


class Bench:
    """An engine with ``accounts`` accounts at each exchange that trades ``symbols``."""

    def __init__(
        self, folder: Path, exchanges: Exchanges, *, accounts: int, symbols: Sequence[str], streams: bool
    ) -> None:
        self._exchanges = exchanges
        self._symbols = symbols
        self._clock = SystemClock()
        self._settings = Settings.model_validate(
            {
                "sources": {
                    "tv": {
                        "plugin": "tradingview",
                        "token": TOKEN,
                        "symbols": {name: name for name in symbols},
                    }
                },
                "accounts": {
                    f"{name}-{number}": {
                        "plugin": name,
                        "url": address.url,
                        "ws_url": address.ws_url,
                        "api_key": f"K{number}",
                        "secret": "S",
                        "streams": streams,
                        "concurrency": len(SYMBOLS),
                        **({"passphrase": "P"} if name in ("blofin", "kucoin") else {}),
                    }
                    for name, address in exchanges.addresses.items()
                    for number in range(1, accounts + 1)
                },
                "symbols": {name: {"leverage": 2, "weights": {"tv": "0.4"}} for name in symbols},
                "limits": {"orders_per_minute": 1_000_000},
            }
        )
        self._journal = Journal.open(
            folder / "journal.sqlite3", clock=self._clock, new_id=lambda: folder.name
        )
        self.registry = Registry()
        self.engine = Engine(
            journal=self._journal, registry=self.registry, clock=self._clock, log=logger, state_dir=folder
        )

    async def start(self, streams: bool) -> None:
        """Start; with streams, wait until they are relied on."""
        await self.registry.ensure(self._settings.plugins_in_use())
        await self.engine.start(resolve(self._settings, self.registry))
        deadline = time.monotonic() + PATIENCE
        while not self.engine.readiness()["ready"]:
            if time.monotonic() > deadline:
                raise SystemExit(f"not ready: {self.engine.readiness()}")
            await asyncio.sleep(0.05)
        await asyncio.sleep(4 if streams else 1)

    async def stop(self) -> None:
        """Stop everything."""
        await self.engine.stop()
        self._journal.close()

    async def alert(self, size: str, leverage: int = 2, *, symbols: Sequence[str] = ()) -> Pass:
        """Send an alert per symbol at once, wait until all is confirmed, and count."""
        chosen = symbols or self._symbols
        self._exchanges.take()
        began = time.monotonic()
        await asyncio.gather(*(self._post(symbol, size, leverage) for symbol in chosen))
        await self._settled(began)
        found = self._exchanges.take()
        orders = sorted(at for tally in found.values() for at in tally.orders)
        requests = sum((Counter(tally.requests) for tally in found.values()), Counter[str]())
        return Pass(
            trips=(orders[-1] + LATENCY / 2 - began) / LATENCY if orders else 0.0,
            first=orders[0] - began if orders else 0.0,
            requests=requests,
            orders=len(orders),
            refused=sum(tally.refused + tally.doubled for tally in found.values()),
            at_target=self._at_target(),
        )

    async def _post(self, symbol: str, size: str, leverage: int) -> None:
        direction = "short" if size.startswith("-") else "long"
        body = {
            "symbol": symbol,
            "direction": direction,
            "action": "sell" if direction == "short" else "buy",
            "size": f"{size.removeprefix('-')}/100",
            "leverage": str(leverage),
        }
        answer = await self.engine.on_webhook(
            "tv",
            WebhookRequest(
                method="POST",
                tail=(TOKEN,),
                query={},
                headers={"content-type": "application/json"},
                body=encode(body),
                client="127.0.0.1",
                received_at=self._clock.now(),
            ),
        )
        if answer.status != 200:
            raise SystemExit(f"an alert was refused: {json.dumps(dict(answer.body))}")

    async def _settled(self, began: float) -> None:
        while True:
            await asyncio.sleep(0.01)
            states = [s for runner in self.engine.accounts.values() for s in runner.worker.states.values()]
            if all(state.confirmed and state.task is None for state in states):
                return
            if time.monotonic() > began + PATIENCE:
                missing = {state.symbol: state.reason for state in states if not state.confirmed}
                raise SystemExit(f"not at target after {PATIENCE:g} s: {missing}")

    async def warm_up(self) -> None:
        """Have every symbol held once at another leverage and closed again, and what is pushed of it relied on."""
        await self.alert("1", leverage=3)
        await self.alert("0")
        await asyncio.sleep(4)

    def floor(self, orders: int) -> float:
        """Round trips that so many orders of one account take at least by the exchanges' own limits."""
        waits = [
            (orders - 1) // allowed * seconds
            for address in self._exchanges.addresses.values()
            for kind, (allowed, seconds) in address.paces.items()
            if kind == "order"
        ]
        return 1 + max(waits, default=0.0) / LATENCY

    def _at_target(self) -> bool:
        """Compare what the exchanges' own books say with the goals."""
        held = self._exchanges.held()
        for name, runner in self.engine.accounts.items():
            exchange, _, number = name.partition("-")
            owner = "main" if number == "1" else f"account-{number}"
            for symbol, state in runner.worker.states.items():
                have = held.get((exchange, owner, symbol.removesuffix("USDT")), 0)
                if state.goal is None or abs(have - state.goal.quantity) > state.goal.quantity_step:
                    return False
        return True


@asynccontextmanager
async def bench(
    exchanges: Sequence[str],
    *,
    accounts: int = 1,
    symbols: Sequence[str] = SYMBOLS[:1],
    streams: bool,
    latency: float = LATENCY,
) -> AsyncIterator[Bench]:
    """Run emulators and an engine."""
    with (
        tempfile.TemporaryDirectory(prefix="te-bench-") as folder,
        Exchanges(exchanges, accounts=accounts, latency=latency) as running,
    ):
        made = Bench(Path(folder), running, accounts=accounts, symbols=symbols, streams=streams)
        try:
            await made.start(streams)
            yield made
        finally:
            await made.stop()


def show(what: str, found: Pass, *, trips: float, requests: int | None = None, floor: float = 0.0) -> None:
    """Print a figure beside its goal. ``floor``: below which the exchange's own limit lets nobody come."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found.requests.items()))
    missed = "  MISSED" if found.trips > trips + 0.5 else ""
    if missed and floor > trips:
        missed = f"  MISSED: the exchange's limit on orders allows {floor:.1f} at best"
    if requests is not None and found.requests.total() > requests:
        missed += "  TOO MANY REQUESTS"
    wrong = "" if found.at_target else "  NOT AT TARGET"
    wrong += f"  {found.refused} REFUSED OR DOUBLED" if found.refused else ""
    goal = f"goal {trips:g}" + (f" and {requests} requests" if requests else "")
    say(
        f"    {what:<31} {found.trips:5.1f} round trips ({goal}){missed}; "
        f"{found.requests.total()} requests: {kinds}{wrong}"
    )


async def one_symbol(exchange: str, *, streams: bool) -> None:
    """Flat to long at another leverage than is set, again at the same one, larger, flipped."""
    reads = 0 if streams else 1
    async with bench([exchange], streams=streams) as made:
        await made.warm_up()
        for what, size, trips in (
            ("flat to long, leverage differs", "20", 2 + reads),
            ("", "0", 0),
            ("flat to long", "20.5", 1 + reads),
            ("increase", "30", 1 + reads),
            ("flip", "-25", 3),
        ):
            found = await made.alert(size)
            if what:
                show(what, found, trips=trips)
            await asyncio.sleep(PAUSE)


async def twenty_symbols(exchange: str, *, streams: bool) -> None:
    async with bench([exchange], symbols=SYMBOLS, streams=streams) as made:
        await made.warm_up()
        for what, size in (("20 symbols, leverage differs", "4"), ("20 symbols, increase", "5")):
            show(what, await made.alert(size), trips=4, requests=45, floor=made.floor(len(SYMBOLS)))
            await asyncio.sleep(PAUSE)


async def everywhere(exchanges: Sequence[str], *, streams: bool) -> None:
    """Two accounts at each exchange, 20 symbols: 20 alerts at once, and one."""
    async with bench(exchanges, accounts=2, symbols=SYMBOLS, streams=streams) as made:
        await made.warm_up()
        reads = 0 if streams else 1
        many = f"20 alerts, {2 * len(exchanges)} accounts"
        show(many, await made.alert("4"), trips=4, floor=made.floor(len(SYMBOLS)))
        await asyncio.sleep(PAUSE)
        one = await made.alert("10", symbols=SYMBOLS[:1])
        show(many.replace("20 alerts", "one alert"), one, trips=1 + reads)


async def own_time(exchange: str, accounts: int, goal: float) -> None:
    """Without latency and with streams: from the alert until the order is at the exchange."""
    async with bench([exchange], accounts=accounts, streams=True, latency=0) as made:
        await made.warm_up()
        taken = []
        for number in range(12):
            found = await made.alert("20" if number % 2 else "25")
            if number > 1:
                taken.append(found)
            await asyncio.sleep(1.5)
        last = median(found.trips * LATENCY - LATENCY / 2 for found in taken) * 1000
        first = median(found.first for found in taken) * 1000
        figure = last if accounts > 1 else first
        say(
            f"    {accounts:>2} accounts: p50 {first:.1f} ms until the first order, {last:.1f} ms until the last "
            f"(goal {goal:g} ms){'  MISSED' if figure > goal else ''}"
        )


async def measure(exchanges: Sequence[str]) -> None:
    say(
        f"round trips of {LATENCY * 1000:.0f} ms from an alert to the last order's answer, and requests by kind"
    )
    for exchange in exchanges:
        for streams in (True, False):
            say(f"  {exchange}, {'with' if streams else 'without'} streams")
            await one_symbol(exchange, streams=streams)
            await twenty_symbols(exchange, streams=streams)
    for streams in (True, False):
        say(f"  {', '.join(exchanges)}: two accounts each, {'with' if streams else 'without'} streams")
        await everywhere(exchanges, streams=streams)
    say("own time from the alert to the order's arrival, without latency, with streams")
    for exchange in exchanges:
        say(f"  {exchange}")
        await own_time(exchange, 1, 5)
        await own_time(exchange, 10, 10)


def main() -> None:
    logger.remove()
    asyncio.run(measure(sys.argv[1:] or EXCHANGES))


if __name__ == "__main__":
    main()
