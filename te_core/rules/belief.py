"""What the engine may believe about an account's current state, derived from observations and its own orders.

For seconds after an order, exchanges may return an old state with a fresh time; pushes overtake reads and reads
overtake pushes; streams miss messages, and price feeds stall while their connection lives. Everything that decides
whether an observation counts is in this module: plugins only report (I13).

Times are monotonic seconds. ``window``: how long after a change an observation may still show the state from
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
ORDER_OF_OTHERS = "another party's order was filled and its effect has not been read yet"
MISSED = "the machine was suspended, or its clock jumped, since the position was read"

POSITION_AGE = 10.0
"""Seconds for which a position read counts if no stream reports changes: as long as one read may take."""
FOLLOWED_AGE = 60.0
"""Seconds after the last read for which a position counts while a stream pushes positions, or every order: only a read
can show what a stream missed."""
EQUITY_AGE = 30.0
"""Seconds for which an equity counts: unrealised profit moves with every price."""
PRICE_AGE = 10.0
"""Seconds for which a price counts (I23), even if its connection is alive."""
HEARTBEAT_TIMEOUT = 13.0
"""Seconds without any message, pongs included, after which a feed counts as dead: more than two ping intervals."""
DISTRUST = 600.0
"""Seconds for which pushed positions do not count after a read showed a change that was not pushed."""


# -- feeds


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """The state of one kind of push."""

    up_at: float | None = None
    """Since when the feed is up; None while it is down."""
    alive_at: float = NEVER
    distrusted_until: float = NEVER

    def alive(self, now: float) -> bool:
        """Return whether the feed is reliable now."""
        return (
            self.up_at is not None
            and now - self.alive_at <= HEARTBEAT_TIMEOUT
            and now >= self.distrusted_until
        )


# -- positions


@dataclass(frozen=True, slots=True, kw_only=True)
class OthersOrders:
    """Orders that are not ours, were pushed, and may have effects that no observation has shown yet."""

    since: float
    """When the first was pushed."""
    until: float
    """When a read that shows no further change accounts for them all."""
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEvidence:
    """The evidence about one symbol's position."""

    position: Position | None = None
    """As last accepted."""
    end: Decimal | None = None
    """Where ``position`` and our own orders since then lead; None if unknown."""
    low: Decimal | None = None
    """With ``high``: bounds of every quantity on the way to ``end`` within the window; None if unknown (restart)."""
    high: Decimal | None = None
    changed_at: float = NEVER
    """When ``end`` last changed."""
    own_number: int = -1
    """Event number of our last order's sending or response; nothing requested before it counts."""
    own_at: float = NEVER
    """The time of that event; nothing requested before it counts."""
    seen_at: float = NEVER
    """The newest time at which an observation showed ``end``."""
    read_at: float = NEVER
    """The newest time at which a read showed ``end``."""
    doubt: str = ""
    """Why the newest observation contradicts ``end`` without disproving it."""
    early: tuple[Position, float] | None = None
    """What was pushed while one of our orders had no outcome yet."""
    others: OthersOrders | None = None
    """Orders of others that are not accounted for; None if there are none."""
    disturbed: bool = False
    """Whether others changed the position since ``undisturbed`` was last called."""
    foreign_changes: int = 0
    """How often others have changed the position."""

    @property
    def seen(self) -> bool:
        """Whether an observation has shown where our own orders led."""
        return self.seen_at > NEVER


NO_EVIDENCE = PositionEvidence()
"""The state before any observation."""


def order_sent(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Record that we send an order, or that a mode was set: what was seen or requested before no longer counts."""
    return replace(evidence, own_at=at, own_number=number, seen_at=NEVER, doubt="", early=None)


def missed(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Record that an unknown time may have passed: what was seen or requested before no longer counts."""
    return replace(evidence, own_at=at, own_number=number, seen_at=NEVER, doubt=MISSED, early=None)


def order_answered(evidence: PositionEvidence, *, at: float, number: int) -> PositionEvidence:
    """Record that the exchange responded about one of our orders, whatever the response."""
    return replace(evidence, own_at=at, own_number=number)


def order_filled(
    evidence: PositionEvidence, change: Decimal, *, at: float, number: int, window: float
) -> PositionEvidence:
    """Record the outcome of one of our orders that changed the position by ``change`` (signed base units).

    The position is unknown from then on until an observation shows it: a fill is never added to a snapshot.
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


def order_of_others(evidence: PositionEvidence, *, at: float, number: int, window: float) -> PositionEvidence:
    """Record that an order which is not ours was filled: only what is requested from now on shows its effect.

    A read that shows no change may lag until the window has passed. Orders that follow extend that time once at
    most: others who trade without pause must not keep the position unknown.
    """
    before = evidence.others or OthersOrders(since=at, until=at, count=0)
    until = max(before.until, min(at, before.since + window) + window)
    others = replace(before, until=until, count=before.count + 1)
    return replace(evidence, own_at=at, own_number=number, others=others, doubt=ORDER_OF_OTHERS)


def outcome_unresolved(evidence: PositionEvidence, *, at: float) -> PositionEvidence:
    """Record that an order may have changed the position by an amount that can no longer be determined.

    Changes by others meanwhile cannot be distinguished from it, so the position counts as changed by others.
    """
    return replace(
        evidence, end=None, low=None, high=None, changed_at=at, seen_at=NEVER, doubt="", disturbed=True
    )


def undisturbed(evidence: PositionEvidence) -> PositionEvidence:
    """Clear the mark that others changed the position: a goal has been sized since."""
    return replace(evidence, disturbed=False) if evidence.disturbed else evidence


def _bounds(evidence: PositionEvidence, *, at: float, window: float) -> tuple[Decimal | None, Decimal | None]:
    """Return the bounds of the quantities that an observation may still show from before a change at ``at``."""
    if evidence.changed_at > at - window:
        return evidence.low, evidence.high
    return evidence.end, evidence.end


def may_be_stale(evidence: PositionEvidence, quantity: Decimal, asked_at: float, window: float) -> bool:
    """Return whether a quantity other than ``end`` may be one from before the last change."""
    if asked_at >= evidence.changed_at + window:
        return False
    if evidence.low is None or evidence.high is None:
        return True
    return evidence.low <= quantity <= evidence.high


def observe(
    evidence: PositionEvidence, seen: Observation[Position], *, window: float, pending: bool
) -> PositionEvidence:
    """Fold one observation in. ``pending``: one of our orders has no known outcome yet."""
    quantity = seen.value.quantity
    if pending:
        early = (seen.value, seen.arrived_at) if seen.pushed and seen.number > evidence.own_number else None
        return replace(evidence, early=early) if early else evidence
    if seen.number < evidence.own_number or seen.asked_at < evidence.own_at:
        return evidence
    if seen.asked_at < evidence.seen_at and not seen.pushed and quantity != evidence.end:
        return evidence  # requested before something newer was seen: it disproves nothing
    if quantity == evidence.end:
        return _confirmed(evidence, seen)
    if may_be_stale(evidence, quantity, seen.asked_at, window):
        return replace(evidence, doubt=_contradiction(evidence, seen))
    return _changed(evidence, seen, window=window)


def shows_end(evidence: PositionEvidence, seen: Observation[Position]) -> PositionEvidence:
    """Fold in an observation from after our orders' responses, even if their outcome was learnt only after it.

    It counts if it shows where they led: then it confirms what the exchange reported about them.
    """
    return _confirmed(evidence, seen) if seen.value.quantity == evidence.end else evidence


def _contradiction(evidence: PositionEvidence, seen: Observation[Position]) -> str:
    if evidence.end is None or evidence.own_at >= evidence.changed_at:
        return "the exchange may not show our last order yet"
    how = "a push" if seen.pushed else "a read"
    return f"{how} shows {seen.value.quantity:f}, but {evidence.end:f} was observed earlier; one of them is stale"


def _confirmed(evidence: PositionEvidence, seen: Observation[Position]) -> PositionEvidence:
    """Accept what shows ``end``, unless it is a read that may lack the effect of others' orders."""
    if not seen.pushed and evidence.others is not None and seen.asked_at < evidence.others.until:
        return evidence
    return replace(
        evidence,
        position=seen.value,
        seen_at=max(evidence.seen_at, seen.asked_at),
        read_at=evidence.read_at if seen.pushed else max(evidence.read_at, seen.asked_at),
        doubt="",
        others=None,
    )


def _changed(evidence: PositionEvidence, seen: Observation[Position], *, window: float) -> PositionEvidence:
    """Accept a quantity that our own orders do not explain."""
    quantity, at = seen.value.quantity, seen.arrived_at
    low, high = _bounds(evidence, at=at, window=window)
    first = evidence.end is None
    others = evidence.others
    if others is not None and (seen.pushed or others.count == 1 or seen.asked_at >= others.until):
        others = None  # of several orders, a read may show the first only
    return replace(
        evidence,
        position=seen.value,
        end=quantity,
        low=quantity if low is None else min(low, quantity),
        high=quantity if high is None else max(high, quantity),
        changed_at=evidence.changed_at if first else at,
        seen_at=seen.asked_at,
        read_at=evidence.read_at if seen.pushed else seen.asked_at,
        doubt=ORDER_OF_OTHERS if others is not None else "",
        others=others,
        disturbed=evidence.disturbed or not first,
        foreign_changes=evidence.foreign_changes + (not first),
    )


def believed_position(
    evidence: PositionEvidence, *, now: float, feed: FeedState, pending: bool
) -> Position | Unknown:
    """Return one symbol's position, or why it is unknown. ``feed``: what pushes changes, as positions or orders."""
    if pending:
        return Unknown(reason="the outcome of our last order is still unknown")
    if evidence.doubt:
        return Unknown(reason=evidence.doubt)
    if evidence.position is None or not evidence.seen:
        own = evidence.own_at > NEVER
        since = "since our last order" if own else "yet"
        return Unknown(reason=f"the position has not been read {since}")
    followed = feed.alive(now) and feed.up_at is not None and evidence.read_at >= feed.up_at
    at, most = (evidence.read_at, FOLLOWED_AGE) if followed else (evidence.seen_at, POSITION_AGE)
    if now - at > most:
        return Unknown(reason=f"the position was last read {now - at:.0f} s ago")
    return evidence.position


# -- equity


def believed_equity(
    seen: Observation[Equity] | None, *, now: float, own_number: int, held: Callable[[], str]
) -> Equity | Unknown:
    """Return an account's equity, or why it is unknown.

    ``own_number``: event number of the account's newest order outcome; a free margin from before it does not count.
    ``held``: returns a symbol that the account holds, empty if none: an equity of zero would contradict it.
    """
    if seen is None:
        return Unknown(reason="the equity has not been read yet")
    if now - seen.asked_at > EQUITY_AGE:
        return Unknown(reason=f"the equity was last read {now - seen.asked_at:.0f} s ago")
    if seen.value.wallet <= 0 and seen.value.total <= 0 and (symbol := held()):
        return Unknown(
            reason=f"ignored an equity of {seen.value.total:f}: the exchange reports it while {symbol} is held"
        )
    if seen.number < own_number and seen.value.free is not None:
        return Equity(wallet=seen.value.wallet, total=seen.value.total)
    return seen.value


# -- prices


def believed_price(seen: Observation[Decimal] | None, *, now: float) -> Decimal | None:
    """Return a symbol's price; None if none is recent enough to size or check an order with."""
    if seen is None or now - seen.asked_at > PRICE_AGE or seen.value <= 0:
        return None
    return seen.value
