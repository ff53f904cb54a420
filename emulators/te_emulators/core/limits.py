"""Rate limits: windows per key (or whoever the key belongs to) and per address."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """At most ``capacity`` units in ``seconds``."""

    name: str
    scope: Literal["key", "ip"]
    capacity: int
    seconds: float
    kinds: frozenset[str] | None = None
    """The kinds of requests that count; None: all."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """The cost of a request by route kind; the default is 1."""
    ban_seconds: float = 0
    """Exceeding it refuses everything in the scope for that long."""
    fixed: bool = False
    """The window starts with its first request and then ends as a whole, instead of sliding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The state of a window after a request; ``reset_in`` seconds until it has room again."""

    window: Window
    remaining: int
    reset_in: float
    refused: bool = False


class RateLimits:
    """All windows of one exchange. A request is counted in every window it falls under, or refused by one."""

    def __init__(self, windows: Iterable[Window]) -> None:
        self.windows = tuple(windows)
        self._spent: dict[tuple[str, str], deque[tuple[float, int]]] = {}
        self._banned: dict[tuple[str, str], float] = {}

    def admit(self, kind: str, *, key: str | None, ip: str, now: float) -> list[Standing]:
        """Return the states of the affected windows, the tightest first; a refusal is the only one and ``refused``.

        Windows per key are skipped for requests without a key.
        """
        standings = []
        spending = []
        for window in self.windows:
            owner = key if window.scope == "key" else ip
            if owner is None or (window.kinds is not None and kind not in window.kinds):
                continue
            place = (window.name, owner)
            standing, spent = self._standing(window, place, window.weights.get(kind, 1), now)
            if standing.refused:
                return [standing]
            standings.append(standing)
            spending.append((spent, window.weights.get(kind, 1)))
        for spent, weight in spending:
            spent.append((now, weight))
        return sorted(standings, key=lambda s: s.remaining / s.window.capacity)

    def _standing(
        self, window: Window, place: tuple[str, str], weight: int, now: float
    ) -> tuple[Standing, deque[tuple[float, int]]]:
        spent = self._spent.setdefault(place, deque())
        while spent and spent[0][0] <= now - window.seconds:
            spent.clear() if window.fixed else spent.popleft()
        banned = self._banned.get(place, now) - now
        remaining = window.capacity - sum(units for _, units in spent) - weight
        reset = spent[0][0] + window.seconds - now if spent else window.seconds
        if banned > 0:
            return Standing(window=window, remaining=0, reset_in=banned, refused=True), spent
        if remaining < 0:
            if window.ban_seconds:
                self._banned[place] = now + window.ban_seconds
            reset = window.ban_seconds or reset
            return Standing(window=window, remaining=0, reset_in=reset, refused=True), spent
        return Standing(window=window, remaining=remaining, reset_in=reset), spent
