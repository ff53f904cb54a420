"""What the engine may take for the present state of an account, concluded from observations and its own orders.

Exchanges answer with a fresh time and an old state for seconds after an order; pushes overtake reads and reads overtake
pushes; streams miss messages and price feeds stall while their connection lives. Everything that decides whether an
observation counts is in this module: plugins report, and judge nothing (I13).

Times are seconds of the steady clock. ``window``: how long after a change an observation may still show the state from
before it (``Capabilities.visibility_window``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from te_core.model.observation import Observation
from te_core.model.position import Equity, Position
from te_core.model.reading import Unknown

NEVER = float("-inf")

POSITION_AGE = 10.0
"""Seconds for which a position read counts where no stream tells of changes: as long as one read may take."""
FOLLOWED_AGE = 60.0
"""Seconds after the last read for which a position counts while a stream pushes positions, or every order: only a read
shows what a stream missed."""
EQUITY_AGE = 30.0
"""Seconds for which an equity counts: unrealised profit moves with every price."""
PRICE_AGE = 10.0
"""Seconds for which a price counts (I23), whatever its connection says of itself."""
HEARTBEAT_TIMEOUT = 13.0
"""Seconds without any message, pongs included, after which a feed counts as dead: more than two pings."""
DISTRUST = 600.0
"""Seconds for which pushed positions do not count after a read showed a change that was not pushed."""


# -- feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """Whether a kind of push arrives. ``up_at``: since when; None while it does not."""

    up_at: float | None = None
    alive_at: float = NEVER
    distrusted_until: float = NEVER

    def alive(self, now: float) -> bool:
        """Whether what it pushes can be counted on."""
        return (
            self.up_at is not None
            and now - self.alive_at <= HEARTBEAT_TIMEOUT
            and now >= self.distrusted_until
        )


# -- positions


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEvidence:
    """What is known of one symbol's position.

    ``position``: as last accepted. ``end``: where that and our own orders since lead; None when not known. ``low`` and
    ``high`` bound every quantity on the way there within the window (None: unknown, as after a restart).
    ``changed_at``: when ``end`` last changed. ``own_number`` and ``own_at``: event number and time of our last order's
    sending or answer; nothing requested before them counts. ``seen_at``: the newest moment at which an observation
    showed ``end``; ``read_at``: the same of reads. ``doubt``: why the newest observation contradicts ``end`` without
    disproving it. ``early``: what was pushed while an order of ours had no outcome yet. ``disturbed``: somebody else
    changed the position since ``undisturbed`` was last called; ``foreign_changes`` counts how often.
    """

    position: Position | None = None
    end: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    changed_at: float = NEVER
    own_number: int = -1
    own_at: float = NEVER
    seen_at: float = NEVER
    read_at: float = NEVER
    doubt: str = ""
    early: tuple[Position, float] | None = None
    disturbed: bool = False
    foreign_changes: int = 0

    @property
    def seen(self) -> bool:
        """Whether an observation has shown where our own orders led."""
        return self.seen_at > NEVER


NO_EVIDENCE = PositionEvidence()
"""Nothing is known yet."""


def order_sent(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Note that an order of ours leaves, or that a mode was set: what was seen or requested before no longer counts."""
    return replace(evidence, own_at=at, own_number=number, seen_at=NEVER, doubt="", early=None)


def order_answered(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Note that the exchange answered for an order of ours, whatever it said."""
    return replace(evidence, own_at=at, own_number=number)


def order_filled(
    evidence: PositionEvidence, change: Decimal, *, at: float, number: int, window: float
) -> PositionEvidence:
    """Note the known outcome of an order of ours that changed the position by ``change`` (signed base units).

    The position is unknown from here on, until an observation shows it: a fill is never added to a snapshot.
    """
    if evidence.end is None:
        moved = replace(evidence, changed_at=at)
    else:
        end = evidence.end + change
        low, high = _bounds(evidence, at=at, window=window)
        moved = replace(
            evidence,
            end=end,
            low=None if low is None else min(low, end),
            high=None if high is None else max(high, end),
            changed_at=at,
        )
    moved = replace(moved, own_at=at, own_number=number, seen_at=NEVER, doubt="")
    if evidence.early is not None and evidence.early[0].quantity == moved.end:
        return replace(moved, position=evidence.early[0], seen_at=evidence.early[1])
    return moved


def order_of_others(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Note that an order which is not ours was filled: only what is requested from now on shows what it did."""
    return replace(
        evidence,
        own_at=at,
        own_number=number,
        doubt="somebody else's order was filled: its effect was not read yet",
    )


def outcome_unresolved(evidence: PositionEvidence, *, at: float) -> PositionEvidence:
    """Note that an order may have changed the position by an amount that nobody can tell any more.

    What others did meanwhile cannot be told from it either, so the position counts as changed by others.
    """
    return replace(
        evidence, end=None, low=None, high=None, changed_at=at, seen_at=NEVER, doubt="", disturbed=True
    )


def undisturbed(evidence: PositionEvidence) -> PositionEvidence:
    """Forget that others changed the position: it was sized again since."""
    return replace(evidence, disturbed=False) if evidence.disturbed else evidence


def _bounds(evidence: PositionEvidence, *, at: float, window: float) -> tuple[Decimal | None, Decimal | None]:
    """Return the bounds of the quantities that an observation may still show from before a change at ``at``."""
    if evidence.changed_at > at - window:
        return evidence.low, evidence.high
    return evidence.end, evidence.end


def may_be_stale(evidence: PositionEvidence, quantity: Decimal, asked_at: float, window: float) -> bool:
    """Return whether a quantity that is not ``end`` may be one from before the last change."""
    if asked_at >= evidence.changed_at + window:
        return False
    if evidence.low is None or evidence.high is None:
        return True
    return evidence.low <= quantity <= evidence.high


def observe(
    evidence: PositionEvidence, seen: Observation[Position], *, window: float, pending: bool
) -> PositionEvidence:
    """Fold one observation in. ``pending``: an order of ours has no known outcome yet."""
    quantity = seen.value.quantity
    if pending:
        early = (seen.value, seen.arrived_at) if seen.pushed and seen.number > evidence.own_number else None
        return replace(evidence, early=early) if early else evidence
    if seen.number < evidence.own_number or seen.asked_at < evidence.own_at:
        return evidence
    if seen.asked_at < evidence.seen_at and not seen.pushed and quantity != evidence.end:
        return evidence  # requested before something newer was seen: it disproves nothing
    if quantity == evidence.end:
        return _agreed(evidence, seen)
    if may_be_stale(evidence, quantity, seen.asked_at, window):
        return replace(evidence, doubt=_contradiction(evidence, seen))
    return _changed(evidence, seen, window=window)


def shows_end(evidence: PositionEvidence, seen: Observation[Position]) -> PositionEvidence:
    """Fold in an observation from after our orders were answered, though their outcome was learnt only after it.

    It counts if it shows where they led: then it confirms what the exchange said of them.
    """
    return _agreed(evidence, seen) if seen.value.quantity == evidence.end else evidence


def _contradiction(evidence: PositionEvidence, seen: Observation[Position]) -> str:
    if evidence.end is None or evidence.own_at >= evidence.changed_at:
        return "the exchange may not show our own last order yet"
    how = "a push" if seen.pushed else "a read"
    return f"{how} shows {seen.value.quantity:f}, earlier {evidence.end:f} was shown: one of them is behind"


def _agreed(evidence: PositionEvidence, seen: Observation[Position]) -> PositionEvidence:
    return replace(
        evidence,
        position=seen.value,
        seen_at=max(evidence.seen_at, seen.asked_at),
        read_at=evidence.read_at if seen.pushed else max(evidence.read_at, seen.asked_at),
        doubt="",
    )


def _changed(evidence: PositionEvidence, seen: Observation[Position], *, window: float) -> PositionEvidence:
    """Accept a quantity that our own orders do not explain."""
    quantity, at = seen.value.quantity, seen.arrived_at
    low, high = _bounds(evidence, at=at, window=window)
    first = evidence.end is None
    return replace(
        evidence,
        position=seen.value,
        end=quantity,
        low=quantity if low is None else min(low, quantity),
        high=quantity if high is None else max(high, quantity),
        changed_at=evidence.changed_at if first else at,
        seen_at=seen.asked_at,
        read_at=evidence.read_at if seen.pushed else seen.asked_at,
        doubt="",
        disturbed=evidence.disturbed or not first,
        foreign_changes=evidence.foreign_changes + (not first),
    )


def believed_position(
    evidence: PositionEvidence, *, now: float, feed: FeedState, pending: bool
) -> Position | Unknown:
    """Conclude one symbol's position, or why it is not known. ``feed``: what pushes changes, as positions or orders."""
    if pending:
        return Unknown(reason="the outcome of our own last order is not known yet")
    if evidence.doubt:
        return Unknown(reason=evidence.doubt)
    if evidence.position is None or not evidence.seen:
        own = evidence.own_at > NEVER
        return Unknown(reason="the position was not read since our own last order" if own else "never read")
    followed = feed.alive(now) and feed.up_at is not None and evidence.read_at >= feed.up_at
    at, most = (evidence.read_at, FOLLOWED_AGE) if followed else (evidence.seen_at, POSITION_AGE)
    if now - at > most:
        return Unknown(reason=f"the position was last read {now - at:.0f} s ago")
    return evidence.position


# -- equity


def believed_equity(
    seen: Observation[Equity] | None, *, now: float, own_number: int, held: Callable[[], str]
) -> Equity | Unknown:
    """Conclude an account's equity.

    ``own_number``: event number of the account's newest order outcome; free margin from before it is not known.
    ``held``: returns a symbol that the account holds, empty for none: an equity of zero would contradict it.
    """
    if seen is None:
        return Unknown(reason="the equity was not read yet")
    if now - seen.asked_at > EQUITY_AGE:
        return Unknown(reason=f"the equity was last read {now - seen.asked_at:.0f} s ago")
    if seen.value.wallet <= 0 and seen.value.total <= 0 and (symbol := held()):
        return Unknown(
            reason=f"the exchange reports an equity of {seen.value.total:f} while {symbol} is held: not believed"
        )
    return replace(seen.value, free=None) if seen.number < own_number else seen.value


# -- prices


def believed_price(seen: Observation[Decimal] | None, *, now: float) -> Decimal | None:
    """Conclude a symbol's price; None when none is recent enough to size or check an order with."""
    if seen is None or now - seen.asked_at > PRICE_AGE or seen.value <= 0:
        return None
    return seen.value
