"""What the listeners need of the engine: nothing else of it is reachable from the network."""

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
    """The engine as the listeners see it; everything it gives is a JSON value without secrets."""

    def screen(self, source: str, request: WebhookRequest) -> WebhookResponse | None:
        """Answer a request by its head alone, or return None to have its body read. Raises ``NotReady``."""
        ...

    def on_webhook(self, source: str, request: WebhookRequest) -> Awaitable[WebhookResponse]:
        """Hand a request to a source. Raises ``NotReady`` or ``JournalError`` when nothing was kept."""
        ...

    def report_event(self, kind: str, text: str) -> None:
        """Log something that happened at a listener, and pass it to the notifiers."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Return what ``te status`` shows."""
        ...

    def state_steps(self) -> Generator[None, None, Mapping[str, Any]]:
        """Return the same in steps, between which others get their turn."""
        ...

    async def plan(self, sections: Mapping[str, SymbolSettings | None] | None = None) -> Mapping[str, Any]:
        """Return what would be ordered now, and why; sends nothing.

        ``sections``: of some symbols, to see what these would order then; None for one that is to have none.
        """
        ...

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Any]:
        """Return per account which of the symbols its exchange offers, and the largest leverage of each."""
        ...

    async def doctor(self) -> Mapping[str, Any]:
        """Return what was found by looking every running account over."""
        ...

    def explain(self, symbol: str) -> Mapping[str, Any]:
        """Return the arithmetic from signals to quantity per account. Raises ``KeyError`` when unknown."""
        ...

    def report(self, source: str) -> Mapping[str, Any]:
        """Return what a running source reports at length. Raises ``KeyError``."""
        ...

    def resume(self, kind: str, name: str) -> Mapping[str, Any]:
        """Try an instance of ``accounts``, ``sources`` or ``notifiers`` at once. Raises ``KeyError`` when unknown."""
        ...

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        """Carry out what the operator commands, or only show what it would do. Raises ``CommandRefused``."""
        ...

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the form that the header ``Accept`` asks for, and the content type."""
        ...

    def readiness(self) -> Mapping[str, Any]:
        """Return ``ready`` (bool) and ``reasons`` (list of text)."""
        ...


class History(Protocol):
    """What the journal remembers, a page at a time, newest first; blocking reads, called in a thread.

    Each page has the entries under the method's name, and ``next``: what to ask for ``before`` to go on, or null.
    """

    def news(self) -> Awaitable[None]:
        """Return what is done when the next event is there; called on the event loop."""
        ...

    def version(self) -> int:
        """Return a number that grows with everything that is written."""
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
        """Return why an order was made and what came of it. Raises ``NoSuchOrder``."""
        ...

    def flows(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return payments without an order."""
        ...

    def activity(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return what happened, orders with what caused them."""
        ...

    def pnl(self, wanted: ResultsWanted) -> Mapping[str, Any]:
        """Return what accounts, symbols, sources or days came to, with totals and what they leave out."""
        ...

    def history(self, wanted: CurveQuery) -> Mapping[str, Any]:
        """Return what accounts were worth over time, by account."""
        ...


class Pages(Protocol):
    """What the private listener serves to browsers."""

    @property
    def host(self) -> str:
        """The host under which a proxy serves it; empty without one."""
        ...

    @property
    def guard(self) -> Any:
        """The middleware that lets browsers in."""
        ...

    def add_to(self, site: web.Application) -> None:
        """Add its routes."""
        ...

    def leave(self, reason: str) -> None:
        """Tell whoever looks that this ends."""
        ...
