"""What an operator commands in a simulation, and what applies: a model that is independent of the engine's rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ALL = "*"
HELD, CLOSED = "pause hold", "pause close"


@dataclass(frozen=True, slots=True)
class Given:
    """A command: for whom (names and books, or everybody), for which symbol, and after how many signals."""

    action: str
    to: frozenset[str]
    symbol: str
    signals: int


@dataclass(frozen=True, slots=True)
class Hand:
    """A manual depth: after how many signals, and until when (monotonic); None until the next signal."""

    depth: Decimal
    signals: int
    until: float | None


@dataclass
class Commanding:
    """Everything that was commanded, oldest first."""

    given: list[Given] = field(default_factory=list)
    said_at: dict[tuple[str, str], int] = field(default_factory=dict)
    """The number of each source's newest signal."""
    signals: int = 0
    paused: dict[str, Mapping[str, Decimal]] = field(default_factory=dict)
    """By paused source: the depths that it is held at, by symbol."""
    hands: dict[tuple[str, str], Hand] = field(default_factory=dict)
    """Manual depths, by account (its identity at the exchange) and symbol."""

    def speaking(self, weights: Iterable[str]) -> list[str]:
        """Return which of a symbol's sources count."""
        return [source for source in weights if source not in self.paused]

    def pause(self, source: str, said: Mapping[str, Decimal], *, close: bool) -> None:
        """Record a pause; a source that is paused already stays at what it was held at, or is closed."""
        self.paused[source] = {} if close else self.paused.get(source, said)

    def end_hands(self, weights: Callable[[str], Iterable[str]]) -> None:
        """End manual depths that apply until the next signal, where one has arrived."""
        for (account, symbol), hand in list(self.hands.items()):
            speaking = self.speaking(weights(symbol))
            spoken = any(self.said_at.get((source, symbol), 0) > hand.signals for source in speaking)
            if hand.until is None and spoken:
                del self.hands[account, symbol]

    def said(self, source: str, symbol: str) -> None:
        """Record a signal of a source."""
        self.signals += 1
        self.said_at[source, symbol] = self.signals

    def note(self, action: str, to: frozenset[str], symbol: str) -> None:
        """Record a command."""
        self.given.append(Given(action, to, symbol, self.signals))

    def newest(self, who: set[str], symbol: str) -> Given | None:
        """Return the newest command that covers a symbol of an account, given by its name and its book."""
        return next(
            (one for one in reversed(self.given) if one.to & {ALL, *who} and one.symbol in ("", symbol)), None
        )

    def flat(self, who: set[str], symbol: str) -> bool:
        """Whether it must be flat."""
        found = self.newest(who, symbol)
        return found is not None and found.action == "flatten"

    def held(self, who: set[str], symbol: str, weights: Any) -> bool:
        """Whether it may only be reduced. ``weights``: of the symbol's sources."""
        found = self.newest(who, symbol)
        if found is None or found.action == "resume":
            return False
        if found.action != "next":
            return True
        return not any(self.counts(found, source, symbol) for source in self.speaking(weights))

    def counts(self, given: Given | None, source: str, symbol: str) -> bool:
        """Whether a source's last signal came after a resume that waits for the next signal."""
        return (
            given is None or given.action != "next" or self.said_at.get((source, symbol), 0) > given.signals
        )

    def share(self, who: set[str], source: str, symbol: str, weights: Any, depth: Decimal) -> Decimal:
        """Return a source's effective depth there; what a paused one is held at counts whatever was resumed."""
        if source in self.paused:
            return self.paused[source].get(symbol, Decimal(0))
        if self.held(who, symbol, weights) or self.counts(self.newest(who, symbol), source, symbol):
            return depth
        return Decimal(0)
