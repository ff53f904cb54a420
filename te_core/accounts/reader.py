"""Reads of one account. A read gives a value with its time, or the reason why there is none.

Reads of positions that are wanted at the same time share one request; one that is under way serves only those who
asked before it was sent, so that nobody gets a state from before their own order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TypeAlias, TypeVar

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount
from te_core.errors import NotReady, OrderRejected, OutcomeUnknown
from te_core.model.instrument import Instrument
from te_core.model.reading import Known, Reading, Unknown
from te_core.model.snapshot import Holdings, Snapshot

T = TypeVar("T")
HoldingsTask: TypeAlias = "asyncio.Task[Holdings | Unknown]"

READ_TIMEOUT = timedelta(seconds=10)
INSTRUMENT_AGE = timedelta(hours=1)
MISSING_INSTRUMENT_AGE = timedelta(minutes=5)


async def read(what: str, call: Callable[[], Awaitable[Known[T]]]) -> Reading[T]:
    """Make one read; a failure that a plugin reports becomes its reason. ``AuthError`` and defects pass through."""
    try:
        async with asyncio.timeout(READ_TIMEOUT.total_seconds()):
            return await call()
    except TimeoutError:
        return Unknown(reason=f"{what}: no answer within {READ_TIMEOUT.total_seconds():g} s")
    except NotReady as error:
        return Unknown(reason=f"{what}: {error.reason}", retry_after=error.retry_after)
    except (OrderRejected, OutcomeUnknown) as error:
        return Unknown(reason=f"{what}: {error}")


class AccountReader:
    """Reads one account, with as few requests as the answers allow."""

    def __init__(self, account: ExchangeAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._holdings = SharedRead(self._read_holdings)
        self._instruments: dict[str, Instrument] = {}
        self._asked: dict[str, float] = {}

    async def snapshot(self, symbols: Sequence[str]) -> Snapshot:
        """Read equity, positions and the prices of ``symbols`` at the same time."""
        equity, holdings, prices = await asyncio.gather(
            read("equity", self._account.equity), self.holdings(), self._prices(symbols)
        )
        return Snapshot(equity=equity, holdings=holdings, prices=prices)

    async def holdings(self, *, together: float = 0.0) -> Holdings | Unknown:
        """Read all positions with a request that is sent after this call; ``together``: seconds to wait for others."""
        return await self._holdings.get(together)

    async def _read_holdings(self) -> Holdings | Unknown:
        sent, sent_at = self._clock.monotonic(), self._clock.now()
        reading = await read("positions", self._account.positions)
        if isinstance(reading, Unknown):
            return reading
        since = sent
        if reading.as_of < sent_at:
            # An older state. Rounding must never make it look newer than our own order.
            age = self._clock.now() - reading.as_of + timedelta.resolution
            since = min(sent, self._clock.monotonic() - age.total_seconds())
        return Holdings(positions=reading.value, since=since)

    async def _prices(self, symbols: Sequence[str]) -> Reading[Mapping[str, Decimal]]:
        if not symbols:
            return Known(value={}, as_of=self._clock.now())
        return await read("prices", partial(self._account.prices, symbols))

    def instrument(self, symbol: str) -> Instrument | None:
        """Give a symbol's instrument as last read."""
        return self._instruments.get(symbol)

    def refresh_instrument(self, symbol: str) -> None:
        """Ask again before the next use: an order was refused for its size or precision."""
        self._asked.pop(symbol, None)

    async def load_instruments(self, symbols: Sequence[str]) -> Unknown | None:
        """Read instruments that are missing or older than an hour. Gives the reason when that failed."""
        now = self._clock.monotonic()
        due = [symbol for symbol in symbols if now - self._asked.get(symbol, -1e9) >= self._age(symbol)]
        if not due:
            return None
        reading = await read("instruments", partial(self._known_instruments, due))
        if isinstance(reading, Unknown):
            return reading
        self._instruments.update(reading.value)
        self._asked.update(dict.fromkeys(due, now))
        return None

    def _age(self, symbol: str) -> float:
        return (INSTRUMENT_AGE if symbol in self._instruments else MISSING_INSTRUMENT_AGE).total_seconds()

    async def _known_instruments(self, symbols: Sequence[str]) -> Known[Mapping[str, Instrument]]:
        return Known(value=await self._account.instruments(symbols), as_of=self._clock.now())


class SharedRead:
    """Callers that come before the request is sent share it; those that come while it is under way share the next."""

    def __init__(self, start: Callable[[], Awaitable[Holdings | Unknown]]) -> None:
        self._start = start
        self._running: HoldingsTask | None = None
        self._next: HoldingsTask | None = None

    async def get(self, together: float = 0.0) -> Holdings | Unknown:
        """Give the result of a request that is sent after this call; ``together``: seconds to wait for others."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running, together))
        return await asyncio.shield(self._next)

    async def _after(self, earlier: HoldingsTask | None, together: float) -> Holdings | Unknown:
        await asyncio.sleep(together)
        if earlier is not None:
            await asyncio.wait([earlier])
        self._running, self._next = self._next, None
        return await self._start()
