"""Collects the observations of one account; ``te_core.rules.belief`` decides which of them count."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any, TypeAlias, TypeVar

from te_core.clock import Clock
from te_core.contracts.exchange import Feed
from te_core.model.observation import Observation, Origin
from te_core.model.position import Equity, Position
from te_core.model.reading import Unknown
from te_core.rules.belief import (
    DISTRUST,
    EQUITY_AGE,
    NEVER,
    NO_EVIDENCE,
    FeedState,
    PositionEvidence,
    believed_equity,
    believed_position,
    believed_price,
    may_be_stale,
    missed,
    observe,
    order_answered,
    order_filled,
    order_of_others,
    order_sent,
    outcome_unresolved,
    shows_end,
    undisturbed,
)

T = TypeVar("T")
Positions: TypeAlias = Mapping[str, Position]

ZERO = Decimal(0)
PASS = 2.0
"""Seconds within which most passes finish their reads."""
DEAD = FeedState()


class Beliefs:
    """Evidence about one account, from reads, pushes and the account's own orders. Nothing else writes it.

    ``pending``: whether one of our orders on a symbol has no known outcome yet.
    """

    def __init__(self, clock: Clock, pending: Callable[[str], bool]) -> None:
        self.window = 0.0
        """The visibility window in seconds, see ``te_core.rules.belief``; set when the account connects."""
        self.on_equity: Callable[[], None] = lambda: None
        """Called with each equity that is observed."""
        self._clock = clock
        self._pending = pending
        self._numbers = count()
        self._positions: dict[str, PositionEvidence] = {}
        self._last_read: Observation[Positions] | None = None
        self._folded: dict[str, int] = {}
        """By symbol: the number of the newest read included in its evidence."""
        self._equity: Observation[Equity] | None = None
        self._order_number = -1
        """Number of the newest order, ours or not, that was answered or seen: an earlier equity lacks its cost."""
        self._prices: dict[str, Observation[Decimal]] = {}
        self._feeds: dict[Feed, FeedState] = {}
        self.dated: dict[str, tuple[datetime, float, int]] = {}
        """By kind of read: the exchange's time of the newest response, and when it was first requested.

        These outlive a connection: an old response repeated on the next connection is not newer.
        """
        self.disbelieved: dict[str, datetime] = {}
        """By kind of read: the exchange's time of the newest response that was dated in the future."""

    def number(self) -> int:
        """Return the number of the next event."""
        return next(self._numbers)

    # -- observations

    def connected(self, window: float) -> None:
        """Reset the feeds for a new connection: nothing is pushed on it yet."""
        self.window = window
        self._feeds.clear()

    def positions_read(self, read: Observation[Positions]) -> None:
        """Apply a read of all positions; a symbol that is absent is flat.

        It is folded in when a symbol's evidence is next requested, so a read costs the same whatever is held.
        """
        self._last_read = read

    def position_pushed(self, position: Position) -> bool:
        """Apply a pushed position. Returns whether it shows a change that our own orders do not explain."""
        now = self._clock.monotonic()
        pushed = Observation(
            value=position, asked_at=now, arrived_at=now, number=self.number(), origin=Origin.PUSHED
        )
        before = self.evidence(position.symbol)
        self._observe(position.symbol, pushed)
        after = self._positions[position.symbol]
        feed = self._feeds.get(Feed.POSITIONS, DEAD)
        late = now - (feed.distrusted_until - DISTRUST) <= self.window
        if feed.distrusted_until > now and late and after.end == position.quantity and not after.doubt:
            # What a read showed first was pushed after all: the stream lags but misses nothing.
            self._feeds[Feed.POSITIONS] = replace(feed, distrusted_until=NEVER)
        if after.end != before.end:
            self._order_number = self.number()
        return after.end != before.end or bool(after.doubt)

    def order_of_others(self, symbol: str, *, named: bool) -> None:
        """Record that another party's order was filled; its effect is pushed, too, or must be read.

        Unless ``named``, it may be our own last order, whose effect is awaited anyway: the next read counts.
        """
        now = self._clock.monotonic()
        orders = self._feeds.get(Feed.ORDERS, DEAD)
        if orders.distrusted_until > now and now - (orders.distrusted_until - DISTRUST) <= self.window:
            self._feeds[Feed.ORDERS] = replace(orders, distrusted_until=NEVER)  # late, not missing
        if not self.follows(Feed.POSITIONS):
            recent = self._pending(symbol) or now - self.evidence(symbol).changed_at < self.window
            self._own(symbol, order_of_others, window=self.window if named or not recent else 0.0)
        self._order_number = self.number()

    def equity_observed(self, seen: Observation[Equity]) -> None:
        """Apply an observed equity, unless a newer one is known."""
        if self._equity is None or seen.asked_at >= self._equity.asked_at:
            self._equity = seen
            self.on_equity()

    def equity_pushed(self, equity: Equity) -> None:
        """Apply a pushed equity."""
        now = self._clock.monotonic()
        self._equity = Observation(
            value=equity, asked_at=now, arrived_at=now, number=self.number(), origin=Origin.PUSHED
        )
        self.on_equity()

    def prices_read(self, read: Observation[Mapping[str, Decimal]]) -> None:
        """Apply a read of prices; newer pushed prices stay."""
        for symbol, price in read.value.items():
            known = self._prices.get(symbol)
            if known is None or read.asked_at >= known.asked_at:
                self._prices[symbol] = _valued(read, price)

    def price_pushed(self, symbol: str, price: Decimal) -> None:
        """Apply a pushed price."""
        now = self._clock.monotonic()
        self._prices[symbol] = Observation(
            value=price, asked_at=now, arrived_at=now, number=0, origin=Origin.PUSHED
        )

    def feeds_up(self, feeds: Iterable[Feed]) -> None:
        """Record that these feeds are live from now on."""
        now = self._clock.monotonic()
        for feed in feeds:
            known = self._feeds.get(feed, DEAD)
            self._feeds[feed] = replace(known, up_at=now, alive_at=now)

    def feeds_alive(self, feeds: Iterable[Feed]) -> None:
        """Record that the connection carrying these feeds is alive."""
        now = self._clock.monotonic()
        for feed in feeds:
            known = self._feeds.get(feed)
            if known is not None:
                self._feeds[feed] = replace(known, alive_at=now)

    def feeds_down(self, feeds: Iterable[Feed]) -> None:
        """Record that these feeds are down."""
        for feed in feeds:
            known = self._feeds.get(feed)
            if known is not None:
                self._feeds[feed] = replace(known, up_at=None)

    def outdate(self) -> None:
        """Doubt everything observed so far: an unknown time may have passed since."""
        held = self._last_read.value if self._last_read is not None else {}
        for symbol in dict.fromkeys([*self._positions, *held]):
            self._own(symbol, missed)
        self._last_read = self._equity = None
        self._prices.clear()

    # -- our own orders

    def restore(self, symbol: str, *, end: Decimal | None, changed_at: float) -> None:
        """Start from the journal's state: where the latest order led, and when its outcome was learnt.

        If that is unknown, others may have changed the position unobserved.
        """
        now = self._clock.monotonic()
        self._positions[symbol] = PositionEvidence(
            end=end, changed_at=changed_at, own_at=now, own_number=self.number(), disturbed=end is None
        )

    def catch_up(self, symbol: str) -> None:
        """Fold in what was read so far; call it before an order becomes pending, and before it stops being pending."""
        self.evidence(symbol)

    def sent(self, symbol: str) -> None:
        """Record that one of our orders is being sent."""
        self._own(symbol, order_sent)

    def answered(self, symbol: str) -> None:
        """Record that the exchange responded about one of our orders."""
        self._own(symbol, order_answered)
        self._order_number = self.number()

    def mode_set(self, symbol: str) -> None:
        """Record that leverage or margin mode was set: earlier observations may show the old one."""
        self._own(symbol, order_sent)

    def filled(self, symbol: str, change: Decimal) -> None:
        """Record the known outcome of one of our orders: ``change`` in signed base units, zero if none."""
        self.answered(symbol)
        if change:
            self._positions[symbol] = order_filled(
                self.evidence(symbol),
                change,
                at=self._clock.monotonic(),
                number=self.number(),
                window=self.window,
            )

    def unresolved(self, symbol: str) -> None:
        """Record that the outcome of one of our orders can no longer be determined: a read decides."""
        self.answered(symbol)
        self._positions[symbol] = outcome_unresolved(self.evidence(symbol), at=self._clock.monotonic())

    def sized(self, symbol: str) -> None:
        """Record that a goal was sized: it includes earlier changes by others."""
        self._positions[symbol] = undisturbed(self.evidence(symbol))

    def _own(self, symbol: str, fold: Callable[..., PositionEvidence], **more: float) -> None:
        at, number = self._clock.monotonic(), self.number()
        self._positions[symbol] = fold(self.evidence(symbol), at=at, number=number, **more)

    def counts(self, symbol: str, read: Observation[Positions]) -> bool:
        """Return whether a read was requested after our last order's response and shows its result.

        A read that shows the position from before an earlier order of ours may simply lag.
        """
        evidence = self.evidence(symbol)
        quantity = _about(read, symbol).value.quantity
        newer = read.number > evidence.own_number and read.asked_at >= evidence.own_at
        return newer and not may_be_stale(evidence, quantity, read.asked_at, self.window)

    def agrees(self, symbol: str, read: Observation[Positions]) -> None:
        """Accept a read that shows where our own orders led, even if their outcome was learnt only after it."""
        self._positions[symbol] = shows_end(self.evidence(symbol), _about(read, symbol))

    # -- beliefs

    def evidence(self, symbol: str) -> PositionEvidence:
        """Return the evidence about one symbol's position."""
        read = self._last_read
        if read is not None and self._folded.get(symbol, -1) < read.number:
            self._folded[symbol] = read.number
            self._observe(symbol, _about(read, symbol))
        return self._positions.get(symbol, NO_EVIDENCE)

    def position(self, symbol: str) -> Position | Unknown:
        """Return one symbol's position, or why it is unknown."""
        return believed_position(
            self.evidence(symbol),
            now=self._clock.monotonic(),
            feed=self._feeds.get(self._told_by, DEAD),
            pending=self._pending(symbol),
        )

    def equity(self) -> Equity | Unknown:
        """Return the account's equity, or why it is unknown."""
        return believed_equity(
            self._equity,
            now=self._clock.monotonic(),
            own_number=self._order_number,
            held=lambda: next(iter(self.held()), ""),
        )

    @property
    def equity_is_old(self) -> bool:
        """Whether the equity lacks fee and profit of the newest order, and no push will correct it."""
        known = self._equity
        return known is not None and known.number < self._order_number and not self.follows(Feed.EQUITY)

    @property
    def equity_ends_soon(self) -> bool:
        """Whether the equity may be too old by the time a pass has finished its reads and decides."""
        known = self._equity
        return known is not None and self._clock.monotonic() - known.asked_at > EQUITY_AGE - PASS

    @property
    def equity_seen(self) -> Observation[Equity] | None:
        """The equity as observed last, of any age."""
        return self._equity

    @property
    def equity_lags(self) -> bool:
        """Whether the equity was observed before the newest order, ours or not, was answered or seen."""
        return self._equity is None or self._equity.number < self._order_number

    def price(self, symbol: str) -> Decimal | None:
        """Return a symbol's price; None if none is recent enough."""
        return believed_price(self._prices.get(symbol), now=self._clock.monotonic())

    def last_price(self, symbol: str) -> Decimal | None:
        """Return a symbol's last price of any age, for display and to count exposure; never to size an order."""
        seen = self._prices.get(symbol)
        return seen.value if seen is not None else None

    @property
    def prices_seen(self) -> Mapping[str, Observation[Decimal]]:
        """Every symbol's price as observed last, of any age: for display, never to act on."""
        return self._prices

    def held(self) -> Mapping[str, Position]:
        """Return the last accepted position of every symbol that is not flat, whatever its age."""
        read = self._last_read.value if self._last_read is not None else {}
        found = {
            symbol: self.evidence(symbol).position for symbol in dict.fromkeys([*self._positions, *read])
        }
        return {symbol: held for symbol, held in found.items() if held is not None and held.quantity}

    @property
    def follows_positions(self) -> bool:
        """Whether pushed positions are reliable now."""
        return self.follows(Feed.POSITIONS)

    @property
    def read_at(self) -> float | None:
        """When the positions were last read, monotonic; None if never."""
        return None if self._last_read is None else self._last_read.asked_at

    @property
    def told_of_changes(self) -> bool:
        """Whether a stream now reports every change of a position: it pushes positions, or at least every order."""
        return self.follows(self._told_by)

    @property
    def _told_by(self) -> Feed:
        return Feed.POSITIONS if self.follows(Feed.POSITIONS) else Feed.ORDERS

    def follows(self, feed: Feed) -> bool:
        """Return whether a feed is reliable now."""
        return self._feeds.get(feed, DEAD).alive(self._clock.monotonic())

    # -- folding

    def _observe(self, symbol: str, seen: Observation[Position]) -> None:
        before = self._positions.get(symbol, NO_EVIDENCE)
        after = observe(before, seen, window=self.window, pending=self._pending(symbol))
        self._positions[symbol] = after
        announced = bool(before.doubt)
        missed = not seen.pushed and before.seen and after.changed_at > before.changed_at
        if missed and self.told_of_changes and not (announced and self._told_by is Feed.ORDERS):
            feed = self._feeds[self._told_by]
            self._feeds[self._told_by] = replace(feed, distrusted_until=seen.arrived_at + DISTRUST)


def _about(read: Observation[Positions], symbol: str) -> Observation[Position]:
    """Return a read of all positions reduced to one symbol; an absent symbol is flat."""
    return _valued(read, read.value.get(symbol) or Position(symbol=symbol, quantity=ZERO))


def _valued(read: Observation[Any], value: T) -> Observation[T]:
    """Return one part of an observation, with the same times."""
    return Observation(
        value=value,
        asked_at=read.asked_at,
        arrived_at=read.arrived_at,
        number=read.number,
        origin=read.origin,
    )
