"""What the operator commands beyond the settings: halts, pauses, depths by hand, going live.

It outlives restarts and edits of the settings.
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
    """An account was found flat after a flatten; ``at`` is that of the flatten."""
    OBSERVE = "observe"
    """An account that is new here, from when it was first connected until the operator lets it trade."""


class ControlState(StrEnum):
    """Where it stands."""

    HALTED = "halted"
    """Reductions only."""
    FLAT = "flat"
    """Reductions only, and whatever the engine holds is closed."""
    FOREIGN = "foreign"
    """The same, with what the engine never opened."""
    NEXT_SIGNAL = "next_signal"
    """Resumed, but opinions of before do not count until their source speaks again."""
    HOLD = "hold"
    """A source's alerts have no say; its share stays as it was."""
    CLOSE = "close"
    """A source's alerts have no say; its share is closed."""
    SET = "set"
    """A depth by hand goes before the signals."""
    OBSERVING = "observing"
    """Nothing is sent."""
    STOPPED = "stopped"
    """A stop closed the position: depth 0 goes before the signals until a source of the symbol speaks."""
    ACCEPTED = "accepted"
    """A position stays as it is, whatever the signals say, until a source of the symbol speaks."""
    OVER = "over"
    """Lifted, resumed, ended or done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One standing command, and who gave it when and why. The newest of each topic, scope and symbol counts.

    ``scope``: an account's section, or ``#`` and its book; empty for all accounts; the source for ``PAUSE``.
    ``symbol``: empty for all.
    ``depth`` -1 … 1 and ``until`` belong to ``SET``, ``STOPPED`` and ``ACCEPTED``; without ``until`` it ends when a
    source of the symbol speaks.
    ``held``: by symbol, what a source that is held said when it was paused (JSON values); of what was accepted its
    ``quantity``.
    """

    topic: Topic
    scope: str
    symbol: str
    state: ControlState
    at: datetime
    by: str
    reason: str = ""
    depth: Decimal | None = None
    until: datetime | None = None
    held: Mapping[str, Any] = field(default_factory=dict)

    @property
    def quantity(self) -> Decimal | None:
        """Return what was accepted, signed base units; None for any other command."""
        return Decimal(self.held["quantity"]) if self.state is ControlState.ACCEPTED else None


class Action(StrEnum):
    """What the operator may ask for."""

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    PAUSE = "pause"
    TARGET = "target"
    GO = "go"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One request of the operator. ``by``: who asks, as far as is known; ``reason``: why, in their words.

    ``accounts``: sections of the settings, none for all; ``sources``: for pause and resume. ``lasts``: how long a depth
    by hand counts, None until a source of the symbol speaks. ``leave_flat``: symbols that a resume does not open.
    """

    action: Action
    by: str
    reason: str = ""
    accounts: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    symbol: str = ""
    foreign: bool = False
    from_next_signal: bool = False
    close: bool = False
    depth: Decimal | None = None
    lasts: timedelta | None = None
    leave_flat: tuple[str, ...] = ()
