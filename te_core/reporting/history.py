"""The history in the journal, as JSON values for the private listener and the commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Connection

from te_core.journal.journal import Journal
from te_core.journal.order_lookup import order_history
from te_core.journal.pages import (
    Order,
    Page,
    Wanted,
    event_page,
    flow_page,
    last_commit,
    names,
    number_at,
    order_page,
    orders_after,
    refusal_page,
    signal_page,
    signals_received,
)
from te_core.journal.reader import JournalReader
from te_core.journal.tables import intents
from te_core.reporting.activity import Activity, ActivityKind, caused_by, grouped
from te_core.reporting.history_view import (
    shown_activity,
    shown_event,
    shown_flow,
    shown_order,
    shown_refusal,
    shown_signal,
)
from te_core.reporting.order_story import order_story
from te_core.reporting.results import CurveWanted, ResultsWanted, read_curve, read_results

T = TypeVar("T")
SCANNED_AHEAD = 500
"""Number of orders newer than a page that are searched for those of its last alerts."""


class JournalHistory:
    """The history, newest first, a page at a time. Reads block: call them in a thread."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal

    def news(self) -> Awaitable[None]:
        """Return a future that resolves with the next event; only for a journal opened for writing."""
        assert isinstance(self._journal, Journal)
        return self._journal.news()

    def writes(self) -> int:
        """Return a number that grows with every write of this process; only for a journal opened for writing."""
        assert isinstance(self._journal, Journal)
        return self._journal.writes

    def version(self) -> int:
        """Return a number that grows with every write."""
        return self._journal.read(last_commit)

    def signals(self, wanted: Wanted) -> dict[str, Any]:
        """Return accepted signals."""
        page = self._journal.read(lambda connection: signal_page(connection, wanted))
        return _shown("signals", page, shown_signal)

    def quarantine(self, wanted: Wanted) -> dict[str, Any]:
        """Return refused inputs."""
        page = self._journal.read(lambda connection: refusal_page(connection, wanted))
        return _shown("quarantine", page, shown_refusal)

    def events(self, wanted: Wanted) -> dict[str, Any]:
        """Return events."""
        page = self._journal.read(lambda connection: event_page(connection, wanted))
        return _shown("events", page, shown_event)

    def orders(self, wanted: Wanted) -> dict[str, Any]:
        """Return orders, sent or not, with their outcomes and costs."""
        page, known = self._journal.read(
            lambda connection: (order_page(connection, wanted), names(connection))
        )
        return _shown("orders", page, lambda number, order: shown_order(number, order, known))

    def order(self, name: str) -> dict[str, Any]:
        """Return why an order was created and its outcome. Raise `NoSuchOrder` unless exactly one matches."""
        found, known = self._journal.read(
            lambda connection: (order_history(connection, name), names(connection))
        )
        return order_story(found, known)

    def flows(self, wanted: Wanted) -> dict[str, Any]:
        """Return payments without an order."""
        page, known = self._journal.read(
            lambda connection: (flow_page(connection, wanted), names(connection))
        )
        return _shown("flows", page, lambda number, flow: shown_flow(number, flow, known))

    def activity(self, wanted: Wanted) -> dict[str, Any]:
        """Return what happened, orders grouped by their cause. ``wanted.kind``: an ``ActivityKind`` or ``rejected``."""
        page, known = self._journal.read(
            lambda connection: (activity_page(connection, wanted), names(connection))
        )
        return {"activity": [shown_activity(one, known) for _, one in page.rows], "next": page.next}

    def pnl(self, wanted: ResultsWanted) -> dict[str, Any]:
        """Return results by account, symbol, source or day."""
        return self._journal.read(lambda connection: read_results(connection, wanted))

    def history(self, wanted: CurveWanted) -> dict[str, Any]:
        """Return the equity over time, by account."""
        return self._journal.read(lambda connection: read_curve(connection, wanted))


def _shown(name: str, page: Page[T], show: Callable[[int, T], dict[str, Any]]) -> dict[str, Any]:
    return {name: [show(number, entry) for number, entry in page.rows], "next": page.next}


def activity_page(connection: Connection, wanted: Wanted) -> Page[Activity]:
    """Return a page of activities, each placed by its oldest entry: the orders of an alert come with the alert."""
    entries = replace(wanted, kind=None)
    signals = signal_page(connection, entries)
    events = event_page(connection, entries)
    refused = refusal_page(connection, entries)
    orders = order_page(connection, entries)
    cut = max(page.next or 0 for page in (signals, events, refused, orders))
    found = [*_ahead(connection, wanted), *orders.rows]
    heads = {number: signal for number, signal in signals.rows if number >= cut}
    causes = {key for _, order in found if (key := caused_by(order)) is not None}
    heads |= dict(signals_received(connection, causes))
    made = grouped(
        orders=found,
        signals=heads.items(),
        refused=[] if wanted.symbol or wanted.account else refused.rows,
        events=events.rows,
    )
    beyond = wanted.before if wanted.before is not None else float("inf")
    here = [one for one in made if cut <= one.number < beyond and _asked_for(one, wanted)]
    rows = [(one.number, one) for one in here]
    if len(rows) > wanted.limit:
        return Page(rows=rows[: wanted.limit], next=rows[wanted.limit - 1][0])
    return Page(rows=rows, next=cut or None)


def _ahead(connection: Connection, wanted: Wanted) -> Iterable[tuple[int, Order]]:
    """Return orders newer than the page that may belong to its alerts."""
    if wanted.before is not None:
        return orders_after(connection, wanted.before, wanted, scanned=SCANNED_AHEAD)
    if wanted.until is not None:
        first = number_at(connection, intents, intents.c.created_at, wanted.until)
        return orders_after(connection, first, wanted, scanned=SCANNED_AHEAD)
    return ()


def _asked_for(activity: Activity, wanted: Wanted) -> bool:
    if wanted.kind is not None and not activity.is_of(wanted.kind):
        return False
    if wanted.until is not None and activity.at >= wanted.until:
        return False
    return wanted.account is None or activity.kind is not ActivityKind.ALERT or bool(activity.orders)
