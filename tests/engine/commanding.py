"""What an operator commands in a simulation, and what of it holds: a model of its own, told by nobody's rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

ALL = "*"


@dataclass(frozen=True, slots=True)
class Given:
    """A command: to whom (names and books, or everybody), for which symbol, and after how many signals."""

    action: str
    to: frozenset[str]
    symbol: str
    signals: int


@dataclass
class Commanding:
    """Everything that was commanded, oldest first. ``said_at``: the number of each source's newest signal."""

    given: list[Given] = field(default_factory=list)
    said_at: dict[tuple[str, str], int] = field(default_factory=dict)
    signals: int = 0

    def said(self, source: str, symbol: str) -> None:
        """Note that a source spoke."""
        self.signals += 1
        self.said_at[source, symbol] = self.signals

    def note(self, action: str, to: frozenset[str], symbol: str) -> None:
        """Note a command."""
        self.given.append(Given(action, to, symbol, self.signals))

    def newest(self, who: set[str], symbol: str) -> Given | None:
        """Return the newest command that covers a symbol of an account, given by its name and its book."""
        return next(
            (one for one in reversed(self.given) if one.to & {ALL, *who} and one.symbol in ("", symbol)), None
        )

    def flat(self, who: set[str], symbol: str) -> bool:
        """Whether it is to be flat."""
        found = self.newest(who, symbol)
        return found is not None and found.action == "flatten"

    def held(self, who: set[str], symbol: str, weights: Any) -> bool:
        """Whether it may only be reduced. ``weights``: of the symbol's sources."""
        found = self.newest(who, symbol)
        if found is None or found.action == "resume":
            return False
        return found.action != "next" or not any(self.counts(found, source, symbol) for source in weights)

    def counts(self, given: Given | None, source: str, symbol: str) -> bool:
        """Whether what a source said last came after a resume from the next signal on."""
        return (
            given is None or given.action != "next" or self.said_at.get((source, symbol), 0) > given.signals
        )

    def share(self, who: set[str], source: str, symbol: str, weights: Any, depth: Decimal) -> Decimal:
        """Return what a source's depth counts for there."""
        if self.held(who, symbol, weights) or self.counts(self.newest(who, symbol), source, symbol):
            return depth
        return Decimal(0)
