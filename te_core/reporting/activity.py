"""What happened, grouped by its cause: an alert is one activity together with the orders that it led to. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from te_core.journal.pages import Order
from te_core.model.cause import Cause
from te_core.model.event import Event
from te_core.model.order import IntentState
from te_core.model.signal import QuarantinedInput, Signal
from te_core.reporting.explain import text

LATE = timedelta(minutes=10)
"""Delay after its signal from which an order is shown on its own: a limit was lifted, or the exchange recovered."""
BATCH_WINDOW = timedelta(seconds=2)
"""Time within which one cause, for example an edit, reaches all the targets that it changes."""
Numbered = tuple[int, Order]


class ActivityKind(StrEnum):
    """What an activity starts with."""

    ALERT = "alert"
    REFUSED = "refused"
    """Input that was not accepted."""
    ORDERS = "orders"
    """Orders that no signal at that time caused."""
    EVENT = "event"


REJECTED = "rejected"
"""Usable as a kind: everything that led to an order that the exchange rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One thing that happened, with the orders it led to, oldest first."""

    number: int
    """The number of its oldest entry in the journal."""
    at: datetime
    kind: ActivityKind
    signal: Signal | None = None
    refused: QuarantinedInput | None = None
    event: Event | None = None
    cause: Cause | None = None
    """For orders, what made them necessary, and when that happened."""
    orders: tuple[Numbered, ...] = ()

    def is_of(self, kind: str) -> bool:
        """Return whether it matches a kind; orders are listed with their cause."""
        if kind == ActivityKind.ORDERS:
            return bool(self.orders)
        if kind == REJECTED:
            return any(order.record.state is IntentState.REJECTED for _, order in self.orders)
        return self.kind == kind

    @property
    def sent(self) -> Iterator[Order]:
        """Return the orders that were sent, or may have been."""
        never = (IntentState.UNSENT, IntentState.REFUSED)
        return (order for _, order in self.orders if order.record.state not in never)

    @property
    def sent_after(self) -> timedelta | None:
        """Return how long after the cause the first order was created; None if there is none."""
        return min((order.record.intent.created_at - self.at for order in self.sent), default=None)

    @property
    def done_after(self) -> timedelta | None:
        """Return how long after the cause the last outcome was known; None while one is unknown."""
        ends = [order.record.outcome for order in self.sent]
        if not ends or None in ends:
            return None
        return max(end.at - self.at for end in ends if end is not None)


def grouped(
    *,
    orders: Iterable[Numbered],
    signals: Collection[tuple[int, Signal]] = (),
    refused: Collection[tuple[int, QuarantinedInput]] = (),
    events: Iterable[tuple[int, Event]] = (),
) -> list[Activity]:
    """Return what happened, newest first. ``signals`` should include those that the orders name as their cause."""
    known = {(signal.symbol, signal.received_at): number for number, signal in signals if signal.current}
    of_signal: defaultdict[int, list[Numbered]] = defaultdict(list)
    others: list[Numbered] = []
    for numbered in sorted(orders, key=lambda one: one[0]):
        number = known.get(key) if (key := caused_by(numbered[1])) is not None else None
        (others if number is None else of_signal[number]).append(numbered)
    found = [
        Activity(
            number=number,
            at=signal.received_at,
            kind=ActivityKind.ALERT,
            signal=signal,
            cause=Cause.SIGNAL,
            orders=tuple(of_signal[number]),
        )
        for number, signal in signals
    ]
    found += [
        Activity(number=number, at=one.received_at, kind=ActivityKind.REFUSED, refused=one)
        for number, one in refused
    ]
    found += [
        Activity(number=number, at=one.at, kind=ActivityKind.EVENT, event=one)
        for number, one in events
        if not _repeats(one, refused)
    ]
    return sorted([*found, *_by_cause(others)], key=lambda one: one.number, reverse=True)


def _repeats(event: Event, refused: Collection[tuple[int, QuarantinedInput]]) -> bool:
    """Return whether an event only repeats refused input that is shown anyway."""
    return event.kind == "refused" and any(
        event.source == one.source
        and abs(event.at - one.received_at) <= BATCH_WINDOW
        and one.reason in event.text
        for _, one in refused
    )


def caused_by(order: Order) -> tuple[str, datetime] | None:
    """Return symbol and time of receipt of the signal that an order followed at once; None if there is none."""
    intent = order.record.intent
    if intent.cause is not Cause.SIGNAL or intent.caused_at is None:
        return None
    return None if intent.created_at - intent.caused_at > LATE else (intent.symbol, intent.caused_at)


def _by_cause(orders: Sequence[Numbered]) -> Iterator[Activity]:
    """Group the orders that no given signal explains."""
    groups: list[tuple[object, datetime, list[Numbered]]] = []
    for number, order in orders:
        intent = order.record.intent
        at = intent.caused_at or intent.created_at
        own = intent.cause in (Cause.DRIFT, Cause.SIGNAL, None)
        key = (intent.cause, *((intent.account, intent.symbol, intent.revision) if own else ()))
        group = next(
            (one for one in reversed(groups) if one[0] == key and abs(at - one[1]) <= BATCH_WINDOW), None
        )
        if group is None:
            group = (key, at, [])
            groups.append(group)
        group[2].append((number, order))
    for _, at, members in groups:
        cause = members[0][1].record.intent.cause
        yield Activity(
            number=members[0][0], at=at, kind=ActivityKind.ORDERS, cause=cause, orders=tuple(members)
        )


# -- in words


def title(activity: Activity, names: Mapping[str, str]) -> str:
    """Return a title of what happened. ``names``: the names of accounts, by book."""
    if (signal := activity.signal) is not None:
        price = f" @ {text(signal.price)}" if signal.price is not None else ""
        late = "" if signal.current else " (arrived after a newer one: not followed)"
        return f"{signal.source} {signal.symbol} {stated_position(signal)}{price}{late}"
    if (refused := activity.refused) is not None:
        return f"{refused.source}: refused: {refused.field}: {refused.reason}"
    if (event := activity.event) is not None:
        about = " ".join(part for part in (event.source, event.account, event.symbol) if part)
        return f"{about}: {event.text}" if about and about not in event.text else event.text
    symbols = list(dict.fromkeys(order.record.intent.symbol for _, order in activity.orders))
    accounts = dict.fromkeys(names_of(activity, names))
    about = symbols[0] if len(symbols) == 1 else f"{len(symbols)} symbols"
    where = next(iter(accounts)) if len(accounts) == 1 else f"{len(accounts)} accounts"
    return f"{_CAUSES[activity.cause]}: {about} on {where}"


def stated_position(signal: Signal) -> str:
    """Return the position that a signal states: flat, or the side with its depth."""
    if not signal.depth:
        return "flat"
    return f"{'long' if signal.depth > 0 else 'short'} {text(abs(signal.depth))}"


_CAUSES = {
    Cause.SIGNAL: "an earlier signal",
    Cause.EXPIRY: "a source fell silent",
    Cause.SETTINGS: "settings edited",
    Cause.COMMAND: "command",
    Cause.BREAKER: "breaker",
    Cause.STOP: "stop",
    Cause.DRIFT: "position changed by others",
    None: "orders",
}


def outcome(activity: Activity) -> str:
    """Return the outcome: how many orders, where, how fast. Empty if there are no orders."""
    states = [order.record.state for _, order in activity.orders]
    if not states:
        return ""
    filled = states.count(IntentState.FILLED)
    accounts = len({order.record.intent.account for _, order in activity.orders})
    parts = [f"{_count(len(states), 'order')} filled on {_count(accounts, 'account')}"]
    if filled < len(states):
        other = {state: states.count(state) for state in dict.fromkeys(states)}
        shown = ", ".join(f"{number} {_STATES[state]}" for state, number in other.items())
        parts = [f"{_count(len(states), 'order')} on {_count(accounts, 'account')}: {shown}"]
    if (sent := activity.sent_after) is not None and activity.cause is not None:
        parts.append(f"first sent after {short(sent)}")
    if (done := activity.done_after) is not None and activity.cause is not None:
        parts.append(f"all done after {short(done)}")
    return ", ".join(parts)


_STATES = {
    IntentState.OPEN: "open",
    IntentState.FILLED: "filled",
    IntentState.CANCELLED: "cancelled",
    IntentState.REJECTED: "rejected by the exchange",
    IntentState.REFUSED: "refused by limits",
    IntentState.UNSENT: "not sent",
    IntentState.LOST: "never arrived",
}


def problems(activity: Activity, names: Mapping[str, str]) -> list[str]:
    """Return a line for each order that did not succeed."""
    found = []
    for _, order in activity.orders:
        record, order_outcome = order.record, order.record.outcome
        if record.state not in (IntentState.FILLED, IntentState.OPEN) and order_outcome is not None:
            intent = record.intent
            name = names.get(intent.account, intent.account)
            reason = f": {order_outcome.reason}" if order_outcome.reason else ""
            found.append(f"{name} {intent.symbol} {_STATES[record.state]}{reason}")
    return found


def names_of(activity: Activity, names: Mapping[str, str]) -> list[str]:
    """Return the accounts of its orders, in the order of the orders."""
    books = (order.record.intent.account for _, order in activity.orders)
    return list(dict.fromkeys(names.get(book, book) for book in books))


def short(span: timedelta) -> str:
    """Return a span with one decimal below 10 of its unit: 4.2 ms, 77 ms, 1.3 s, 4 min."""
    seconds = span.total_seconds()
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        value, unit = seconds * 1000, "ms"
    elif seconds < 60:
        value, unit = seconds, "s"
    else:
        value, unit = seconds / 60, "min"
    return f"{sign}{value:.1f} {unit}" if value < 9.95 and unit != "min" else f"{sign}{value:.0f} {unit}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
