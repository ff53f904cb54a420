"""Request budgets: several rolling windows at once, shared by everyone in the process who uses them.

Reductions go before increases, increases before stops that are to rest, these before reads, and reads before what is
only asked for the books. The last part of each window is kept from stops and reads, so that an order never waits behind
them. ``Schedule`` is arithmetic on plain seconds; ``Budget`` waits with it.
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

Spending = Mapping[str, int]
"""What one request costs, by window name."""

PATIENCE = 2.5
"""Seconds that a request waits for a pause to end before it is given back as ``RateLimited``."""


CALM = 60.0
"""Seconds without a pause after which the next one is told again."""


class Priority(IntEnum):
    """Who goes first."""

    REDUCE = 0
    INCREASE = 1
    PROTECT = 2
    """Stops that rest: what closes a position now goes first, and finds room."""
    READ = 3
    RECORD = 4
    """What orders cost, and what came and went: for the books."""


SHARE = {
    Priority.REDUCE: 1.0,
    Priority.INCREASE: 1.0,
    Priority.PROTECT: 0.6,
    Priority.READ: 0.8,
    Priority.RECORD: 0.8,
}
"""The part of a window that each may fill. Nothing is kept from increases: a burst of them would have to wait.

The engine watches prices itself until a stop rests, so a burst of stops can wait.
"""

RECORDS = 0.25
"""The part of a window that goes to the books at most, however much of it is free.

What a burst of orders cost can wait, the next burst cannot: where both count in one window, most of it is kept.
"""


class Window(NamedTuple):
    """At most ``capacity`` units within any ``period`` seconds.

    ``per_address``: counted for all accounts of the exchange together; else for each key on its own.
    """

    name: str
    capacity: int
    period: float
    per_address: bool = False

    def room(self, priority: Priority) -> int:
        """Units that requests of that priority may fill; at least one."""
        return max(int(self.capacity * SHARE[priority]), 1)


Key = tuple[str, str]
"""A window's name and whose it is: a key's fingerprint, or empty for the address."""


@dataclass(slots=True)
class Tally:
    """What was spent in one window lately.

    A request counts from leaving until one period after its answer: the exchange took it some time in between.
    """

    window: Window
    flying: int = 0
    spent: deque[tuple[float, int]] = field(default_factory=deque)
    total: int = 0

    def leave(self, cost: int) -> None:
        """Count a request that leaves now."""
        self.flying += cost
        self.total += cost

    def land(self, now: float, cost: int) -> None:
        """Take note that its answer came."""
        self.flying -= cost
        self.spent.append((now, cost))

    def _forget(self, now: float) -> None:
        while self.spent and self.spent[0][0] + self.window.period <= now:
            self.total -= self.spent.popleft()[1]

    def left(self, now: float) -> float:
        """Give the share of the window that nothing was spent of."""
        self._forget(now)
        return max(1 - self.total / self.window.capacity, 0.0)

    def ready_at(self, now: float, cost: int, priority: Priority) -> float:
        """Give the earliest time at which a request fits; one larger than the room waits for an empty window.

        Infinity while that depends on answers that have not come.
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
    """Decides who may go when. Times are seconds of one steady clock."""

    def __init__(self) -> None:
        self.paused_until = float("-inf")
        self._tallies: dict[Key, Tally] = {}
        self._records: dict[Key, Tally] = {}
        """Of what was spent, the part for the books."""
        self._waiting: dict[Priority, dict[Ticket, None]] = {priority: {} for priority in Priority}

    def open(self, key: Key, window: Window) -> None:
        """Make a window known; of a known one only its size is taken over, not what was spent in it."""
        self._tallies.setdefault(key, Tally(window)).window = window
        part = window._replace(capacity=max(int(window.capacity * RECORDS), 1))
        self._records.setdefault(key, Tally(part)).window = part

    def left(self, key: Key, now: float) -> float:
        """Give the share that is left of a window; nothing while nobody may go."""
        return 0.0 if now < self.paused_until else self._tallies[key].left(now)

    def ask(self, ticket: Ticket) -> None:
        """Put a request into the queue."""
        self._waiting[ticket.priority][ticket] = None

    def drop(self, ticket: Ticket) -> None:
        """Take a request out of the queue."""
        self._waiting[ticket.priority].pop(ticket, None)

    def land(self, ticket: Ticket, now: float) -> None:
        """Take note that the answer of a request came, or that nobody waits for it any more."""
        for key, cost in ticket.costs:
            for tally, _ in self._limits(key, ticket.priority):
                tally.land(now, cost)

    def pause(self, until: float) -> None:
        """Let nobody go before that time."""
        self.paused_until = max(self.paused_until, until)

    def _limits(self, key: Key, priority: Priority) -> list[tuple[Tally, Priority]]:
        """Return what a request counts in, with the priority that says how much of it may be filled."""
        whole = (self._tallies[key], priority)
        return [whole, (self._records[key], Priority.REDUCE)] if priority is Priority.RECORD else [whole]

    def release(self, now: float) -> tuple[list[Ticket], float | None]:
        """Give those who go now, counted already, and when to look again; None: at the next answer.

        Within the windows that hold someone up, nobody of the same or lower priority overtakes.
        """
        if now < self.paused_until:
            return [], self.paused_until if any(self._waiting.values()) else None
        granted: list[Ticket] = []
        held: set[Key] = set()
        again: float | None = None
        for ticket in [ticket for queue in self._waiting.values() for ticket in queue]:
            if ticket.turn is not None and ticket.turn.done():  # given up just now
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
                    tally.leave(cost)
            self.drop(ticket)
            granted.append(ticket)
        return granted, again


class Budget:
    """The budget of one exchange in this process. ``log`` is told once when the exchange asks to slow down."""

    def __init__(self, clock: Clock, log: Callable[[str], None]) -> None:
        self._clock = clock
        self._log = log
        self._schedule = Schedule()
        self._timer: asyncio.TimerHandle | None = None

    def share(self, windows: Sequence[Window], owner: str) -> Purse:
        """Give one key's part. ``owner`` is a fingerprint of the key."""
        keys: dict[str, Key] = {}
        for window in windows:
            key = keys[window.name] = (window.name, "" if window.per_address else owner)
            self._schedule.open(key, window)
        return Purse(self, keys)

    def back_off(self, seconds: float, reason: str) -> None:
        """Hold everyone back: the exchange said that it was too much. Told once until it is over."""
        now = self._clock.monotonic()
        if now >= self._schedule.paused_until + CALM:
            self._log(f"everyone waits {seconds:g} s: {reason}")
        self._schedule.pause(now + seconds)
        self._look()

    def left(self, key: Key) -> float:
        """Give the share that is left of a window now."""
        return self._schedule.left(key, self._clock.monotonic())

    @asynccontextmanager
    async def turn(self, costs: tuple[tuple[Key, int], ...], priority: Priority) -> AsyncIterator[None]:
        """Wait for a turn, and count until the block is over.

        Raises ``RateLimited`` at once during a long pause: nothing was sent.
        """
        left = self._schedule.paused_until - self._clock.monotonic()
        if left > PATIENCE:
            raise RateLimited("the exchange asked to slow down", retry_after=left)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ticket = Ticket(priority=priority, costs=costs, turn=turn)
        self._schedule.ask(ticket)
        self._look()
        try:
            await turn
            yield
        finally:
            self._schedule.drop(ticket)
            if turn.done() and not turn.cancelled():
                self._schedule.land(ticket, self._clock.monotonic())
                self._look()

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._clock.monotonic()
        granted, again = self._schedule.release(now)
        for ticket in granted:
            if ticket.turn is not None:
                ticket.turn.set_result(None)
        if again is not None:
            self._timer = asyncio.get_running_loop().call_later(max(again - now, 0.001), self._look)


class Purse:
    """One key's access to a budget."""

    def __init__(self, budget: Budget, keys: Mapping[str, Key]) -> None:
        self._budget = budget
        self._keys = keys

    def turn(self, spending: Spending) -> AbstractAsyncContextManager[None]:
        """Make one request of the present priority within this block, which waits for its turn."""
        costs = tuple((self._keys[name], cost) for name, cost in spending.items() if cost > 0)
        return self._budget.turn(costs, _PRIORITY.get())

    def left(self) -> Mapping[str, float]:
        """Give by window the share that is left of it now, whoever spent the rest."""
        return {name: self._budget.left(key) for name, key in self._keys.items()}

    def back_off(self, seconds: float, reason: str) -> None:
        """Hold everyone back for some seconds."""
        self._budget.back_off(seconds, reason)


_PRIORITY: ContextVar[Priority] = ContextVar("te_exchange_ccxt_priority", default=Priority.READ)


@contextmanager
def priority(level: Priority) -> Iterator[None]:
    """Give every request made within this block that priority."""
    token = _PRIORITY.set(level)
    try:
        yield
    finally:
        _PRIORITY.reset(token)
