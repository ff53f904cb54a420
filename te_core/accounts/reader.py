"""Reads one account. A read returns a dated observation, or the reason why there is none.

Concurrent reads of positions share one request; a request under way serves only callers that asked before it was
sent, so that no caller gets a state from before its own order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeAlias, TypeVar

from te_core.accounts.beliefs import Beliefs
from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount
from te_core.errors import AuthError, ConfigError, NotReady, OrderRejected, OutcomeUnknown
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.observation import Observation
from te_core.model.position import Position
from te_core.model.reading import Known, Unknown
from te_core.tasks import ignore_error

T = TypeVar("T")
Positions: TypeAlias = Mapping[str, Position]
PositionsTask: TypeAlias = "asyncio.Task[Observation[Positions] | Unknown]"

READ_TIMEOUT = timedelta(seconds=10)
INSTRUMENT_AGE = timedelta(hours=1)
MISSING_INSTRUMENT_AGE = timedelta(minutes=5)
FUNDING_PAUSE = timedelta(minutes=5)
FUNDING_AGE = timedelta(minutes=20)
"""Rates read longer ago count as unknown."""
RENEWAL_PAUSE = timedelta(minutes=5)
FUTURE = 5.0
"""Seconds by which an exchange's clock may be ahead; a response dated later shows that a clock was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a pass must read because it is not known."""

    positions: bool = False
    equity: bool = False
    prices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.positions or self.equity or bool(self.prices)


async def read(what: str, call: Callable[[], Awaitable[T]]) -> T | Unknown:
    """Make one read; a failure is returned as `Unknown`. ``AuthError`` and ``ConfigError`` propagate."""
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
    """Reads one account into its beliefs, with as few requests as possible."""

    def __init__(self, account: ExchangeAccount, clock: Clock, beliefs: Beliefs) -> None:
        self._account = account
        self._clock = clock
        self._beliefs = beliefs
        self._positions = SharedRead(self._read_positions)
        self._instruments: dict[str, Instrument] = {}
        self._asked: dict[str, float] = {}
        self._renewing: asyncio.Task[None] | None = None
        self._renewed_at = float("-inf")
        self._funding: Mapping[str, FundingRate] = {}
        self._funding_at = self._funding_asked = float("-inf")
        self._funding_of = self._funding_wanted = frozenset[str]()
        """Symbols of the last response, and those that were last requested."""
        self._funding_read: asyncio.Task[None] | None = None
        self._funding_failed = ""
        """Why the newest read of funding failed; empty if it did not."""
        self.tells_funding = True
        """False once the plugin has returned that its exchange does not report funding."""

    async def read(self, wanted: Wanted) -> Mapping[str, Unknown | None]:
        """Read what is wanted concurrently and fold it in. Returns each failure by name; None for a success."""
        reads: dict[str, Awaitable[Unknown | None]] = {}
        if wanted.equity:
            reads["equity"] = self._read_equity()
        if wanted.positions:
            reads["positions"] = self._positions_failure()
        if wanted.prices:
            reads["prices"] = self._read_prices(wanted.prices)
        return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))

    async def positions(self, *, batch_window: float = 0.0) -> Observation[Positions] | Unknown:
        """Read all positions with a request sent after this call, at most ``batch_window`` seconds later."""
        return await self._positions.get(batch_window)

    async def _positions_failure(self) -> Unknown | None:
        found = await self.positions()
        return found if isinstance(found, Unknown) else None

    async def _read_positions(self) -> Observation[Positions] | Unknown:
        seen = await self._observed("positions", self._account.positions)
        if not isinstance(seen, Unknown):
            self._beliefs.positions_read(seen)
        return seen

    async def _read_equity(self) -> Unknown | None:
        seen = await self._observed("equity", self._account.equity)
        if isinstance(seen, Unknown):
            return seen
        self._beliefs.equity_observed(seen)
        return None

    async def _read_prices(self, symbols: Sequence[str]) -> Unknown | None:
        seen = await self._observed("prices", partial(self._account.prices, symbols))
        if isinstance(seen, Unknown):
            return seen
        self._beliefs.prices_read(seen)
        return None

    async def _observed(self, what: str, call: Callable[[], Awaitable[Known[T]]]) -> Observation[T] | Unknown:
        asked_at, sent_at, number = self._clock.monotonic(), self._clock.now(), self._beliefs.number()
        answer = await read(what, call)
        if isinstance(answer, Unknown):
            return answer
        arrived_at = self._clock.monotonic()
        first = self._beliefs.dated.get(what)
        if first is not None and first[0] == answer.as_of and first[1] < asked_at:
            return Observation(  # the same response again: it proves what it proved when it was new
                value=answer.value, asked_at=first[1], arrived_at=arrived_at, number=first[2]
            )
        ahead = (answer.as_of - self._clock.now()).total_seconds()
        if answer.as_of == self._beliefs.disbelieved.get(what):
            return Unknown(reason=f"{what}: ignored a repeated response that was dated in the future")
        if ahead > FUTURE:
            self._beliefs.disbelieved[what] = answer.as_of
            return Unknown(
                reason=f"{what}: ignored a response dated {ahead:.0f} s in the future; check the clock"
            )
        if answer.as_of < sent_at:
            # An older state. Rounding must never make it appear newer than our own order.
            age = (self._clock.now() - answer.as_of + timedelta.resolution).total_seconds()
            asked_at = min(asked_at, arrived_at - age)
        self._beliefs.dated[what] = answer.as_of, asked_at, number
        return Observation(value=answer.value, asked_at=asked_at, arrived_at=arrived_at, number=number)

    # -- instruments

    def instrument(self, symbol: str) -> Instrument | None:
        """Return a symbol's instrument as last read."""
        return self._instruments.get(symbol)

    def refresh_instrument(self, symbol: str) -> None:
        """Reload it in the background after an order was refused for size or precision; at most every five minutes."""
        now = self._clock.monotonic()
        if now - self._renewed_at >= RENEWAL_PAUSE.total_seconds():
            self._renew([symbol], now)

    async def load_instruments(self, symbols: Sequence[str]) -> Unknown | None:
        """Read missing instruments; reload those older than an hour in the background while the old ones stay in use.

        Returns the reason if reading missing ones failed.
        """
        now = self._clock.monotonic()
        due = [symbol for symbol in symbols if now - self._asked.get(symbol, -1e9) >= self._age(symbol)]
        if any(symbol not in self._instruments for symbol in due):
            return await self._load(due)
        if due:
            self._renew(due, now)
        return None

    def _renew(self, symbols: Sequence[str], now: float) -> None:
        if self._renewing is not None and not self._renewing.done():
            return
        self._renewed_at = now
        self._asked.update(dict.fromkeys(symbols, now))  # a failure is not retried early, either
        self._renewing = asyncio.create_task(self._load_quietly(symbols))

    async def close(self) -> None:
        """Stop the background tasks."""
        running = [task for task in (self._renewing, self._funding_read) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def funding(self, symbol: str) -> FundingRate | Unknown | None:
        """Return what is announced for a symbol's next funding; None if there is none, or none is reported."""
        if not self.tells_funding:
            return None
        recent = self._clock.monotonic() - self._funding_at <= FUNDING_AGE.total_seconds()
        if recent and symbol in self._funding_of:
            return self._funding.get(symbol)
        why = f": {self._funding_failed}" if self._funding_failed else ""
        return Unknown(reason=f"the funding rate of {symbol} is unknown now{why}")

    async def load_funding(self, symbols: Sequence[str], done: Callable[[], None]) -> None:
        """Read announced funding every five minutes; wait for the result only the first time.

        ``done`` is called after every successful read.
        """
        now = self._clock.monotonic()
        running = self._funding_read is not None and not self._funding_read.done()
        new = not self._funding_wanted.issuperset(symbols)
        if running or not self.tells_funding or not symbols:
            return
        if new or now - self._funding_asked >= FUNDING_PAUSE.total_seconds():
            self._funding_wanted = frozenset(symbols)
            self._funding_asked = now
            first = not self._funding_of
            self._funding_read = asyncio.create_task(self._read_funding(symbols, done))
            if first:
                await asyncio.wait([self._funding_read])

    async def _read_funding(self, symbols: Sequence[str], done: Callable[[], None]) -> None:
        asked_at = self._clock.monotonic()
        with suppress(AuthError, ConfigError):  # the next read of the account meets them too
            found = await read("funding", partial(self._account.funding, symbols))
            self._funding_failed = found.reason if isinstance(found, Unknown) else ""
            if isinstance(found, Unknown):
                return
            self.tells_funding = found is not None
            self._funding, self._funding_at = found or {}, asked_at
            self._funding_of = frozenset(symbols)
            done()

    async def _load_quietly(self, symbols: Sequence[str]) -> None:
        with suppress(AuthError, ConfigError):  # the next read of the account meets them too
            await self._load(symbols)

    async def _load(self, symbols: Sequence[str]) -> Unknown | None:
        now = self._clock.monotonic()

        found = await read("instruments", partial(self._account.instruments, symbols))
        if isinstance(found, Unknown):
            return found
        self._instruments.update(found)
        self._asked.update(dict.fromkeys(symbols, now))
        return None

    def _age(self, symbol: str) -> float:
        return (INSTRUMENT_AGE if symbol in self._instruments else MISSING_INSTRUMENT_AGE).total_seconds()


class SharedRead:
    """Callers that arrive before the request is sent share it; those that arrive later share the next one."""

    def __init__(self, start: Callable[[], Awaitable[Observation[Positions] | Unknown]]) -> None:
        self._start = start
        self._running: PositionsTask | None = None
        self._next: PositionsTask | None = None

    async def get(self, batch_window: float = 0.0) -> Observation[Positions] | Unknown:
        """Return the result of a request sent after this call; ``batch_window``: seconds to wait for other callers."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running, batch_window))
            ignore_error(self._next)  # its callers may have been cancelled by then
        return await asyncio.shield(self._next)

    async def _after(
        self, earlier: PositionsTask | None, batch_window: float
    ) -> Observation[Positions] | Unknown:
        await asyncio.sleep(batch_window)
        if earlier is not None:
            await asyncio.wait([earlier])
        self._running, self._next = self._next, None
        return await self._start()
