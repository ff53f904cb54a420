"""The interface that the listeners need: nothing else of the engine is reachable from the network."""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Mapping, Sequence
from typing import Any, Protocol

from aiohttp import web

from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.journal.pages import Wanted
from te_core.model.control import Command
from te_core.reporting.results import ResultsWanted
from te_core.settings.schema import SymbolSettings
from te_core.web.queries import CurveQuery


class EngineFacade(Protocol):
    """The engine as the listeners see it; everything it returns is a JSON value without secrets."""

    def screen(self, source: str, request: WebhookRequest) -> WebhookResponse | None:
        """Return the response to a request's head, or None if the body is needed. Raise `NotReady` if it is down."""
        ...

    def on_webhook(self, source: str, request: WebhookRequest) -> Awaitable[WebhookResponse]:
        """Return a source's response. Raise `NotReady` or `JournalError` if nothing was stored."""
        ...

    def report_event(self, kind: str, text: str) -> None:
        """Log an event of a listener, and pass it to the notifiers."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Return what ``te status`` shows."""
        ...

    def state_steps(self) -> Generator[None, None, Mapping[str, Any]]:
        """Return the same in steps, between which other tasks can run."""
        ...

    async def plan(self, sections: Mapping[str, SymbolSettings | None] | None = None) -> Mapping[str, Any]:
        """Return what would be ordered now, and why; sends nothing.

        ``sections``: hypothetical sections of some symbols, whose orders are returned; None for a symbol without one.
        """
        ...

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Any]:
        """Return, per account, which of the symbols its exchange lists, and the largest leverage of each."""
        ...

    async def doctor(self) -> Mapping[str, Any]:
        """Return the findings of a check of every running account and the machine."""
        ...

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """Return the arithmetic from signals to quantity per account. Raise `KeyError` for an unknown symbol."""
        ...

    def report(self, source: str) -> Mapping[str, Any]:
        """Return a source's detailed report. Raise `KeyError` if no such source is running."""
        ...

    def resume(self, kind: str, name: str, symbol: str = "") -> Mapping[str, Any]:
        """Retry an instance of ``accounts``, ``sources`` or ``notifiers`` now. Raise `KeyError` if it is unknown.

        ``symbol``: the only one of an account that is retried; empty for all.
        """
        ...

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        """Execute an operator's command, or only return what it would do. Raise `CommandRefused` if it is not valid."""
        ...

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the header ``Accept`` requests, and the content type."""
        ...

    def readiness(self) -> Mapping[str, Any]:
        """Return ``ready`` (bool) and ``reasons`` (list of text)."""
        ...


class History(Protocol):
    """The history in the journal, a page at a time, newest first; blocking reads, called in a thread.

    Each page has the entries under the method's name, and ``next``: the value of ``before`` for the next page, or null.
    """

    def news(self) -> Awaitable[None]:
        """Return a future that resolves with the next event; called on the event loop."""
        ...

    def version(self) -> int:
        """Return a number that grows with every write."""
        ...

    def signals(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return accepted signals."""
        ...

    def quarantine(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return refused inputs."""
        ...

    def events(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return events."""
        ...

    def orders(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return orders, sent or not."""
        ...

    def order(self, name: str) -> Mapping[str, Any]:
        """Return why an order was created and its outcome. Raise `NoSuchOrder` unless exactly one matches."""
        ...

    def flows(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return payments without an order."""
        ...

    def activity(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return what happened, with orders grouped by their cause."""
        ...

    def pnl(self, wanted: ResultsWanted) -> Mapping[str, Any]:
        """Return results by account, symbol, source or day, with totals and what they leave out."""
        ...

    def history(self, wanted: CurveQuery) -> Mapping[str, Any]:
        """Return the equity over time, by account."""
        ...


class Pages(Protocol):
    """What the private listener serves to browsers."""

    @property
    def host(self) -> str:
        """The host under which a proxy serves the page; empty if there is no proxy."""
        ...

    @property
    def guard(self) -> Any:
        """The middleware that authenticates browsers."""
        ...

    def add_to(self, site: web.Application) -> None:
        """Add the routes of the page."""
        ...

    def leave(self, reason: str) -> None:
        """Notify open viewers that the listener is stopping."""
        ...
