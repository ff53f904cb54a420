"""What a worker remembers of one symbol while it runs; the journal has what must survive."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.model.order import Intent, Settlement
from te_core.model.position import MarginMode, Position
from te_core.model.target import Blend, Confirmation, Goal, Target
from te_core.rules.decision import Status
from te_core.rules.trail import NO_TRAIL, Trail

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(slots=True, kw_only=True)
class SymbolState:
    """One symbol of one account.

    ``wish``: the newest blend. ``last_step``: largest step number used in the target's revision. ``unkept``: what the
    journal failed to keep. ``open``: intents without a known outcome, ``sent_at`` when they left; ``acknowledged``:
    those that the exchange took. ``fills``: what the orders of the present execution are known to have filled,
    unsigned. ``touched``: when the exchange last answered an order of ours. ``trail``: where our latest orders led.
    ``retry_reduction``: what failed was a reduction. ``trouble``: what failed, while increases are held back for it.
    ``reducing``: the order under way reduces. ``replan``: other symbols waited for this one. ``leverage_tries``: how
    often the leverage was set since a read last showed it. Times are monotonic seconds.
    """

    symbol: str
    log: Logger
    wish: Blend | None = None
    target: Target | None = None
    goal: Goal | None = None
    confirmation: Confirmation | None = None
    last_step: int = 0
    unkept: list[Target | Goal | Confirmation | Settlement] = field(default_factory=list)
    open: dict[str, Intent] = field(default_factory=dict)
    sent_at: dict[str, float] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    fills: dict[str, Decimal] = field(default_factory=dict)
    touched: float = float("-inf")
    trail: Trail = NO_TRAIL
    leverage: Decimal | None = None
    leverage_tries: int = 0
    margin_mode: MarginMode | None = None
    status: Status = Status.WAITING
    reason: str = "not looked at yet"
    position: Position | None = None
    failures: int = 0
    retry_at: float = 0.0
    retry_reduction: bool = False
    trouble: str = ""
    reducing: bool = False
    drifting: bool = False
    replan: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is held, wanted or under way."""
        flat = self.target is None or self.target.depth == 0
        confirmed = self.target is None or (
            self.confirmation is not None and self.confirmation.revision == self.target.revision
        )
        return flat and confirmed and not self.open and self.task is None

    @property
    def wanted(self) -> bool:
        """Whether the target is to hold something."""
        return self.target is not None and self.target.depth != 0

    @property
    def closing(self) -> bool:
        """Whether the target is to hold nothing, and no read has shown that yet, or not any more.

        Its orders need a price too, and what the exchange takes.
        """
        flat = self.confirmed and (self.position is None or self.position.quantity == 0)
        return self.target is not None and self.target.depth == 0 and not flat

    @property
    def confirmed(self) -> bool:
        """Whether a read has shown the present target's goal."""
        return (
            self.target is not None
            and self.confirmation is not None
            and self.confirmation.revision == self.target.revision
        )

    @property
    def may_reduce(self) -> bool:
        """Whether the next step may be a reduction: what is held, as far as known, is not what is wanted by now."""
        known = self.position or self.goal
        unreached = self.target is not None and not self.confirmed
        return self.retry_reduction or (unreached and known is not None and known.quantity != 0)

    def with_settings(self, position: Position) -> Position:
        """Add the latest leverage and margin mode that are known where the exchange does not say.

        Who changed the position may have changed them too: the leverage at any time, the mode while flat.
        """
        theirs = self.trail.end is not None and position.quantity != self.trail.end
        leverage = None if theirs else self.leverage
        margin_mode = None if theirs and position.quantity == 0 else self.margin_mode
        return replace(
            position,
            leverage=position.leverage if position.leverage is not None else leverage,
            margin_mode=position.margin_mode or margin_mode,
        )

    def seen(self, position: Position) -> None:
        """Take a read of the position. Leverage and margin mode are kept: not all exchanges tell them while flat."""
        self.position = self.with_settings(position)
        self.leverage, self.margin_mode = self.position.leverage, self.position.margin_mode
        if self.goal is not None and position.leverage == self.goal.leverage:
            self.leverage_tries = 0

    def aim(self, target: Target) -> None:
        """Take a new target: earlier failures no longer hold it back."""
        self.target = target
        self.last_step = self.leverage_tries = 0
        self.drifting = False
        self.succeeded()

    def wait(self, now: float, seconds: float) -> None:
        """Hold increases back for some seconds from ``now`` (monotonic)."""
        self.retry_at = now + seconds if seconds > 0 else 0.0

    def held_back(self, trouble: str) -> None:
        """Say why increases wait."""
        self.status, self.reason, self.trouble = Status.WAITING, trouble, trouble

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self.failures, self.retry_at, self.retry_reduction, self.trouble = 0, 0.0, False, ""
