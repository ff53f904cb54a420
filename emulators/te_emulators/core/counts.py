"""Counters for tests."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One request that arrived; ``kind`` as in ``Route``."""

    kind: str
    method: str
    path: str
    key: str | None
    at: float
    """When it was counted, in monotonic seconds."""
    came: float
    """When it was read off the wire, before any latency, in monotonic seconds."""


@dataclass(kw_only=True)
class Counts:
    """Everything since the start, or since ``clear``."""

    requests: Counter[str] = field(default_factory=Counter)
    """By route kind; orders over a stream count as "order" too."""
    log: deque[Request] = field(default_factory=lambda: deque(maxlen=100_000))
    executed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Orders that were executed, by account name and client order id; more than 1 is a double execution."""
    orders: int = 0
    """Orders accepted."""
    refusals: Counter[str] = field(default_factory=Counter)
    """Requests refused by a rate limit, by name of the window. Refusals by a fault are not counted here."""
    faults: Counter[str] = field(default_factory=Counter)
    """Faults that took effect, by kind."""
    messages: Counter[str] = field(default_factory=Counter)
    """Messages sent over streams, by topic."""

    @property
    def kinds(self) -> list[str]:
        """Kinds of the requests in the log, oldest first."""
        return [request.kind for request in self.log]

    @property
    def doubled(self) -> list[tuple[str, str]]:
        """Client order ids that were executed more than once."""
        return [ids for ids, times in self.executed.items() if times > 1]

    def clear(self) -> None:
        """Reset all counts, for the next measurement."""
        for counter in (self.requests, self.executed, self.refusals, self.faults, self.messages):
            counter.clear()
        self.log.clear()
        self.orders = 0
