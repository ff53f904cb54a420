"""The operator's commands beyond the settings: halts, pauses, manual depths, going live.

They outlive restarts and edits of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Topic(StrEnum):
    """What a control is about."""

    HALT = "halt"
    PAUSE = "pause"
    TARGET = "target"
    CLOSED = "closed"
    """An account was found flat after a flatten; ``at`` is the time of the flatten."""
    OBSERVE = "observe"
    """An account that is new to this journal only observes until the operator lets it trade."""


class ControlState(StrEnum):
    """The state of a control."""

    HALTED = "halted"
    """Reductions only."""
    FLAT = "flat"
    """Reductions only, and every position of the engine is closed."""
    FOREIGN = "foreign"
    """Like ``FLAT``, including positions that the engine never opened."""
    NEXT_SIGNAL = "next_signal"
    """Resumed, but earlier opinions do not count until their source sends a new signal."""
    HOLD = "hold"
    """A source's alerts have no effect; its share stays as it was."""
    CLOSE = "close"
    """A source's alerts have no effect; its share is closed."""
    SET = "set"
    """A manual depth overrides the signals."""
    OBSERVING = "observing"
    """Nothing is sent."""
    STOPPED = "stopped"
    """A stop closed the position: depth 0 overrides the signals until the symbol's next signal."""
    ACCEPTED = "accepted"
    """A position stays as it is, whatever the signals say, until the symbol's next signal."""
    OVER = "over"
    """Lifted, resumed, ended or done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One standing command: by whom, when and why. The newest of each topic, scope and symbol counts."""

    topic: Topic
    scope: str
    """An account's section, or ``#`` and its book; empty for all accounts; the source for ``PAUSE``."""
    symbol: str
    """Empty for all."""
    state: ControlState
    at: datetime
    by: str
    reason: str = ""
    depth: Decimal | None = None
    """Target exposure in -1 … 1, for ``SET``, ``STOPPED`` and ``ACCEPTED``."""
    until: datetime | None = None
    """When such a depth ends; None: at the symbol's next signal."""
    held: Mapping[str, Any] = field(default_factory=dict)
    """JSON values. For ``HOLD``: by symbol, the source's opinion when it was paused. For ``ACCEPTED``: ``quantity``."""

    @property
    def quantity(self) -> Decimal | None:
        """The accepted position in signed base units; None for any other command."""
        return Decimal(self.held["quantity"]) if self.state is ControlState.ACCEPTED else None


class Action(StrEnum):
    """What the operator may command."""

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    PAUSE = "pause"
    TARGET = "target"
    GO = "go"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of the operator."""

    action: Action
    by: str
    """Who sent it, as far as known."""
    reason: str = ""
    """Why, in their words."""
    accounts: tuple[str, ...] = ()
    """Sections of the settings; none for all."""
    sources: tuple[str, ...] = ()
    """For pause and resume."""
    symbol: str = ""
    foreign: bool = False
    """For flatten: also close positions that the engine never opened."""
    from_next_signal: bool = False
    """For resume: earlier opinions do not count."""
    close: bool = False
    """For pause: close the source's share instead of holding it."""
    depth: Decimal | None = None
    """Manual target exposure in -1 … 1."""
    lasts: timedelta | None = None
    """How long a manual depth counts; None: until the symbol's next signal."""
    leave_flat: tuple[str, ...] = ()
    """Symbols that a resume does not open."""
