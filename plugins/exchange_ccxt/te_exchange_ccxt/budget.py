"""Request budgets: several rolling windows at once, shared by all accounts of an exchange in this process.

Reductions go before increases, increases before the placing of stops, stops before reads, and reads before requests
for bookkeeping. Stops and reads may not use the last part of a window, so that an order never waits behind them.
``Schedule`` computes with plain seconds; ``Budget`` adds the waiting.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from te_core.api import Clock, RateLimited

RequestCost = Mapping[str, int]
"""What one request costs, by window name."""

MAX_PAUSE_WAIT = 2.5
"""Seconds for which a request waits for a pause to end; in a longer pause it fails at once with ``RateLimited``."""


QUIET_BETWEEN_REPORTS = 60.0
"""Seconds without a pause after which the next pause is logged again."""


class Priority(IntEnum):
    """Order in which waiting requests go; the smallest first."""

    REDUCE = 0
    INCREASE = 1
    PROTECT = 2
    """Placing stops: what closes a position now goes first."""
    READ = 3
    RECORD = 4
    """Bookkeeping: costs of orders, deposits, withdrawals, funding."""


SHARE = {
    Priority.REDUCE: 1.0,
    Priority.INCREASE: 1.0,
    Priority.PROTECT: 0.6,
    Priority.READ: 0.8,
    Priority.RECORD: 0.8,
}
"""Share of a window that each priority may fill.

Increases may fill all of it: a reserve would delay bursts of them. Stops may wait, since the engine watches prices
itself until a stop rests.
"""

RECORD_SHARE = 0.25
"""Share of a window that bookkeeping may use at most, however much is free.

The costs of a burst of orders can wait, the next burst of orders cannot.
"""


class Window(NamedTuple):
    """At most ``capacity`` units within any ``period`` seconds."""

    name: str
    capacity: int
    period: float
    per_address: bool = False
    """Counted for all accounts of the exchange together, else for each key separately."""

    def room(self, priority: Priority) -> int:
        """Return the units that requests of that priority may fill; at least one."""
        return max(int(self.capacity * SHARE[priority]), 1)


Key = tuple[str, str]
"""Name of a window, and its owner: a key's fingerprint, or empty for the address."""


@dataclass(slots=True)
class WindowUsage:
    """Units spent in one window.

    A request counts from its start until one period after its response: the exchange counted it at some time in
    between.
    """

    window: Window
    in_flight: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def acquire(self, cost: int) -> None:
        """Count a request that starts now."""
        self.in_flight += cost
        self.total += cost

    def release(self, now: float, cost: int) -> None:
        """Count a request as spent from now on: its response came."""
        self.in_flight -= cost
        self.spent.append((now, cost))

    def _forget(self, now: float) -> None:
        while self.spent and self.spent[0][0] + self.window.period <= now:
            self.total -= self.spent.popleft()[1]

    def remaining(self, now: float) -> float:
        """Return the free share of the window."""
        self._forget(now)
        return max(1 - self.total / self.window.capacity, 0.0)

    def ready_at(self, now: float, cost: int, priority: Priority) -> float:
        """Return the earliest time at which a request fits; one larger than the window waits until the window is empty.

        Infinity while that depends on responses that are still outstanding.
        """
        self._forget(now)
        excess = self.total + cost - max(self.window.room(priority), cost)
        if excess <= 0:
            return now
        for at, units in self.spent:
            excess -= units
            if excess <= 0:
                return at + self.window.period
        return math.inf


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ticket:
    """A request that waits for its turn."""

    priority: Priority
    costs: tuple[tuple[Key, int], ...]
    turn: asyncio.Future[None] | None = None


class Schedule:
    """Decides which requests may start. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self.paused_until = float("-inf")
        self._tallies: dict[Key, WindowUsage] = {}
        self._records: dict[Key, WindowUsage] = {}
        """The part of the usage that is bookkeeping."""
        self._waiting: dict[Priority, dict[Ticket, None]] = {priority: {} for priority in Priority}

    def open(self, key: Key, window: Window) -> None:
        """Add a window, or change the size of a known one without forgetting what was spent in it."""
        self._tallies.setdefault(key, WindowUsage(window)).window = window
        part = window._replace(capacity=max(int(window.capacity * RECORD_SHARE), 1))
        self._records.setdefault(key, WindowUsage(part)).window = part

    def remaining(self, key: Key, now: float) -> float:
        """Return the free share of a window; 0 during a pause."""
        return 0.0 if now < self.paused_until else self._tallies[key].remaining(now)

    def enqueue(self, ticket: Ticket) -> None:
        """Add a request to the queue."""
        self._waiting[ticket.priority][ticket] = None

    def remove(self, ticket: Ticket) -> None:
        """Remove a request from the queue."""
        self._waiting[ticket.priority].pop(ticket, None)

    def release(self, ticket: Ticket, now: float) -> None:
        """Count a request as spent: its response came, or its caller gave up."""
        for key, cost in ticket.costs:
            for tally, _ in self._limits(key, ticket.priority):
                tally.release(now, cost)

    def pause(self, until: float) -> None:
        """Start no request before that time."""
        self.paused_until = max(self.paused_until, until)

    def _limits(self, key: Key, priority: Priority) -> list[tuple[WindowUsage, Priority]]:
        """Return the windows that a request counts in, with the priority that decides how much of each it may fill."""
        whole = (self._tallies[key], priority)
        return [whole, (self._records[key], Priority.REDUCE)] if priority is Priority.RECORD else [whole]

    def grant(self, now: float) -> tuple[list[Ticket], float | None]:
        """Return the requests that start now, already counted, and when to check again; None: at the next response.

        In a window that delays a request, no other of the same or lower priority overtakes it.
        """
        if now < self.paused_until:
            return [], self.paused_until if any(self._waiting.values()) else None
        granted: list[Ticket] = []
        held: set[Key] = set()
        again: float | None = None
        for ticket in [ticket for queue in self._waiting.values() for ticket in queue]:
            if ticket.turn is not None and ticket.turn.done():  # cancelled just now
                continue
            ready = {
                key: max(
                    tally.ready_at(now, cost, level) for tally, level in self._limits(key, ticket.priority)
                )
                for key, cost in ticket.costs
            }
            full = [key for key, at in ready.items() if at > now]
            if full or any(key in held for key in ready):
                held.update(full)
                at = max(ready.values())
                if full and at < math.inf:
                    again = at if again is None else min(again, at)
                continue
            for key, cost in ticket.costs:
                for tally, _ in self._limits(key, ticket.priority):
                    tally.acquire(cost)
            self.remove(ticket)
            granted.append(ticket)
        return granted, again


class Budget:
    """Budget of one exchange in this process. ``log`` is called once when the exchange asks to slow down."""

    def __init__(self, clock: Clock, log: Callable[[str], None]) -> None:
        self._clock = clock
        self._log = log
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None

    def share(self, windows: Sequence[Window], owner: str) -> BudgetShare:
        """Return the share of one key; ``owner`` is the key's fingerprint."""
        keys: dict[str, Key] = {}
        for window in windows:
            key = keys[window.name] = (window.name, "" if window.per_address else owner)
            self._schedule.open(key, window)
        return BudgetShare(self, keys)

    def back_off(self, seconds: float, reason: str) -> None:
        """Pause all requests: the exchange reported too many. Logged once until it is over."""
        now = self._clock.monotonic()
        if now >= self._schedule.paused_until + QUIET_BETWEEN_REPORTS:
            self._log(f"rate limit: all requests paused for {seconds:g} s ({reason})")
        self._schedule.pause(now + seconds)
        self._grant_due()

    def remaining(self, key: Key) -> float:
        """Return the free share of a window."""
        return self._schedule.remaining(key, self._clock.monotonic())

    @asynccontextmanager
    async def turn(self, costs: tuple[tuple[Key, int], ...], priority: Priority) -> AsyncIterator[None]:
        """Wait for a turn, and count the request until the block ends.

        Raises ``RateLimited`` at once during a long pause; nothing was sent then.
        """
        remaining = self._schedule.paused_until - self._clock.monotonic()
        if remaining > MAX_PAUSE_WAIT:
            raise RateLimited("the exchange asked to slow down", retry_after=remaining)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = Ticket(priority=priority, costs=costs, turn=turn)
        self._schedule.enqueue(ticket)
        self._grant_due()
        try:
            await turn
            yield
        finally:
            self._schedule.remove(ticket)
            if turn.done() and not turn.cancelled():
                self._schedule.release(ticket, self._clock.monotonic())
                self._grant_due()

    def _grant_due(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        granted, again = self._schedule.grant(now)
        for ticket in granted:
            if ticket.turn is not None:
                ticket.turn.set_result(None)
        if again is not None:
            self._timer = asyncio.get_running_loop().call_later(max(again - now, 0.001), self._grant_due)


class BudgetShare:
    """One key's share of a budget."""

    def __init__(self, budget: Budget, keys: Mapping[str, Key]) -> None:
        self._budget = budget
        self._keys = keys

    def turn(self, request_cost: RequestCost) -> AbstractAsyncContextManager[None]:
        """Wait for a turn for one request with the current priority; the block is that request."""
        costs = tuple((self._keys[name], cost) for name, cost in request_cost.items() if cost > 0)
        return self._budget.turn(costs, _PRIORITY.get())

    def remaining(self) -> Mapping[str, float]:
        """Return the free share of each window, whoever spent the rest."""
        return {name: self._budget.remaining(key) for name, key in self._keys.items()}

    def back_off(self, seconds: float, reason: str) -> None:
        """Pause all requests for some seconds."""
        self._budget.back_off(seconds, reason)


_PRIORITY: ContextVar[Priority] = ContextVar("te_exchange_ccxt_priority", default=Priority.READ)


@contextmanager
def priority(level: Priority) -> Iterator[None]:
    """Run the requests within this block with that priority."""
    token = _PRIORITY.set(level)
    try:
        yield
    finally:
        _PRIORITY.reset(token)
