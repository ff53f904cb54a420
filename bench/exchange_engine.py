"""The engine in this process, with accounts at emulated exchanges in another one, and rounds of alerts to it."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from bench.exchange_process import Exchanges, Seen
from bench.exchange_specs import spec_of
from harness.alerts import encode
from te_core.api import WebhookRequest
from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.model.control import Action, Command
from te_core.plugins.registry import Registry
from te_core.reporting.readiness import readiness
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings

COINS = (
    *("BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB", "AVAX", "LINK", "DOT", "TRX", "ATOM", "UNI", "ETC"),
    *("FIL", "NEAR", "APT", "ARB", "OP"),
)  # fmt: skip
SYMBOLS = tuple(f"{coin}USDT" for coin in COINS)
TOKEN = "bench-Qm3vX8tRk1sZ6pWc9yLd4hNf"
TIMEOUT = 90.0
WITHOUT_LIMIT = 100_000
ASIDE = frozenset({"connect", "time", "instruments", "other"})
"""Requests that no order causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round of alerts led to. Times are seconds from just before the first alert was handed in."""

    last: float
    """Until the last order was at the exchange."""
    answered: float
    """Until its answer."""
    chain: int
    """How many requests, up to the last order, can have waited for each other's answers."""
    wait: float
    """What the exchanges' limits cost at least."""
    requests: Counter[str]
    accounts: int
    refused: int
    at_target: bool


class Bench:
    """An engine with ``accounts`` accounts at each exchange that trades ``symbols``."""

    def __init__(
        self,
        folder: Path,
        exchanges: Exchanges,
        *,
        accounts: int,
        symbols: Sequence[str],
        streams: bool,
        lifted: bool,
    ) -> None:
        self.exchanges = tuple(exchanges.addresses)
        self.title = f"{', '.join(exchanges.addresses)} {'with' if streams else 'without'} streams"
        self._exchanges = exchanges
        self._symbols = symbols
        self._streams = streams
        self._number = 0
        self._clock = SystemClock()
        source = {"plugin": "tradingview", "token": TOKEN, "symbols": {name: name for name in symbols}}
        self._settings = Settings.model_validate(
            {
                "sources": {"tv": source},
                "accounts": _sections(exchanges, accounts, streams=streams, lifted=lifted),
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

    def _wait(self, seen: Sequence[Seen]) -> float:
        """Return the least seconds between the first and last of these, spread evenly over accounts."""
        waits = [0.0]
        for name, address in self._exchanges.addresses.items():
            accounts = sum(account.partition("-")[0] == name for account in self.engine.accounts)
            counts = Counter(one.kind for one in seen if one.exchange == name)
            each = {kind: -(-count // accounts) for kind, count in counts.items()}
            waits += [pace.wait(each) for pace in address.paces]
        return max(waits)

    @property
    def longest_window(self) -> float:
        """Seconds of the longest limit that a round of orders may fill."""
        paces = [pace for address in self._exchanges.addresses.values() for pace in address.paces]
        return max((pace.seconds for pace in paces if pace.capacity < 100), default=0.0)

    async def start(self) -> None:
        """Start; with streams, wait until they are relied on."""
        await self.registry.ensure(self._settings.plugins_in_use())
        await self.engine.start(resolve(self._settings, self.registry))
        await self._until(lambda: readiness(self.engine)["ready"], "the accounts")
        await self.rest()
        gc.collect()
        gc.freeze()  # as a start does, once settings and plugins are loaded
        gc.set_threshold(10_000)

    async def stop(self) -> None:
        """Stop everything."""
        await self.engine.stop()
        self._journal.close()
        gc.unfreeze()

    async def rest(self, seconds: float = 0.3) -> None:
        """Wait until background reads are done and streams are relied on."""
        await asyncio.sleep(seconds)
        if self._streams:
            await self._until(self._relied_on, "the streams")

    def _relied_on(self) -> bool:
        """Return whether every account uses every stream that it can."""
        accounts = [getattr(runner.account, "inner", None) for runner in self.engine.accounts.values()]
        return all(
            (streams := getattr(one, "streams", None)) is not None and streams.complete for one in accounts
        )

    async def _until(self, done: Any, what: str) -> None:
        deadline = time.monotonic() + TIMEOUT
        while not done():
            if time.monotonic() > deadline:
                raise SystemExit(f"waited {TIMEOUT:g} s for {what}: {readiness(self.engine)}")
            await asyncio.sleep(0.02)

    async def alert(self, size: str, leverage: int = 2, *, symbols: Sequence[str] = ()) -> Round:
        """Send an alert per symbol at once, wait until all is confirmed, and count."""
        requests = [self._request(symbol, size, leverage) for symbol in symbols or self._symbols]

        async def send() -> None:
            for answer in await asyncio.gather(*(self.engine.on_webhook("tv", one) for one in requests)):
                if answer.status != 200:
                    raise SystemExit(f"an alert was refused: {json.dumps(dict(answer.body))}")

        return await self._round(send())

    async def flatten(self) -> Round:
        """Close everything by command, wait until it is confirmed, and count."""
        return await self._round(self._execute(Action.FLATTEN))

    async def resume(self) -> Round:
        """Lift the flatten, wait until everything is held again, and count."""
        return await self._round(self._execute(Action.RESUME))

    async def _execute(self, action: Action) -> None:
        await self.engine.commands.execute(Command(action=action, by="bench", reason="to measure it"))

    async def _round(self, act: Coroutine[Any, Any, None]) -> Round:
        self._exchanges.drain()
        began = time.monotonic()
        await act
        await self._until_confirmed(began)
        found = self._exchanges.drain()
        orders = [seen.came - began for seen in found.seen if seen.kind == "order"]
        return Round(
            last=orders[-1],
            answered=orders[-1] + self._exchanges.latency,
            chain=chain([seen for seen in found.seen if seen.kind not in ASIDE], self._exchanges.latency),
            wait=self._wait(found.seen),
            requests=Counter(seen.kind for seen in found.seen if seen.kind not in ASIDE),
            accounts=len(self.engine.accounts),
            refused=found.refused + found.doubled,
            at_target=self._at_target(),
        )

    def _request(self, symbol: str, size: str, leverage: int) -> WebhookRequest:
        self._number += 1
        direction = "short" if size.startswith("-") else "long"
        body = {
            "symbol": symbol,
            "direction": direction,
            "action": "sell" if direction == "short" else "buy",
            "size": f"{size.removeprefix('-')}/100",
            "leverage": str(leverage),
            "event_id": f"event-{self._number}",  # an identical message would count as a redelivery and have no effect
        }
        return WebhookRequest(
            method="POST",
            tail=(TOKEN,),
            query={},
            headers={"content-type": "application/json"},
            body=encode(body),
            client="127.0.0.1",
            received_at=self._clock.now(),
        )

    async def _until_confirmed(self, began: float) -> None:
        while True:
            await asyncio.sleep(0.01)
            states = [s for runner in self.engine.accounts.values() for s in runner.worker.keepers.values()]
            if all(state.confirmed and state.task is None for state in states):
                return
            if time.monotonic() > began + TIMEOUT:
                missing = {state.symbol: state.reason for state in states if not state.confirmed}
                raise SystemExit(f"not at target after {TIMEOUT:g} s: {missing}")

    def _at_target(self) -> bool:
        """Compare the positions at the exchanges with the goals."""
        held = self._exchanges.held()
        for name, runner in self.engine.accounts.items():
            exchange, _, number = name.partition("-")
            owner = "main" if number == "1" else f"account-{number}"
            for symbol, state in runner.worker.keepers.items():
                have = held.get((exchange, owner, symbol.removesuffix("USDT")), 0)
                if state.goal is None or abs(have - state.goal.quantity) > state.goal.quantity_step:
                    return False
        return True


def chain(seen: Sequence[Seen], latency: float) -> int:
    """Count the longest chain of requests, up to the last order, of which each can have waited for the one before.

    It is what no load on the machine changes: a request that another one waits for adds one.
    """
    last = max((number for number, one in enumerate(seen) if one.kind == "order"), default=-1)
    length, free = 0, float("-inf")
    for one in seen[: last + 1]:
        if one.came >= free:
            length, free = length + 1, one.came + latency
    return length


def _sections(exchanges: Exchanges, accounts: int, *, streams: bool, lifted: bool) -> dict[str, Any]:
    """Return the sections of that many accounts at each exchange."""
    return {
        f"{name}-{number}": {
            "plugin": name,
            "observe": False,
            "url": address.url,
            "ws_url": address.ws_url,
            "api_key": f"K{number}",
            "secret": "S",
            "streams": streams,
            "concurrency": len(SYMBOLS),
            **({"passphrase": "P"} if name in ("blofin", "kucoin") else {}),
            **({"rate_limits": _lifted(name)} if lifted else {}),
        }
        for name, address in exchanges.addresses.items()
        for number in range(1, accounts + 1)
    }


def _lifted(exchange: str) -> Mapping[str, int]:
    windows: Any = spec_of(exchange).settings
    return {window.name: WITHOUT_LIMIT for window in windows.windows if not window.per_address}


@asynccontextmanager
async def bench(
    exchanges: Sequence[str],
    *,
    latency: float,
    accounts: int = 1,
    symbols: Sequence[str] = SYMBOLS[:1],
    streams: bool,
    lifted: bool = False,
) -> AsyncIterator[Bench]:
    """Run emulators and an engine. ``lifted``: without limits per key, on both sides."""
    with (
        tempfile.TemporaryDirectory(prefix="te-bench-") as folder,
        Exchanges(exchanges, accounts=accounts, latency=latency, lifted=lifted) as running,
    ):
        made = Bench(
            Path(folder), running, accounts=accounts, symbols=symbols, streams=streams, lifted=lifted
        )
        try:
            await made.start()
            yield made
        finally:
            await made.stop()
