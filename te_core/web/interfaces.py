"""What the listeners need of others besides queries: nothing else of the engine is reachable from the network."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from aiohttp import web

from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.model.control import Command


class AlertReceiver(Protocol):
    """The running engine, as the public listener needs it."""

    def screen(self, source: str, request: WebhookRequest) -> WebhookResponse | None:
        """Return the response to a request's head, or None if the body is needed. Raise `NotReady` if it is down."""
        ...

    def on_webhook(self, source: str, request: WebhookRequest) -> Awaitable[WebhookResponse]:
        """Return a source's response. Raise `NotReady` or `JournalError` if nothing was stored."""
        ...


class EngineCommands(Protocol):
    """What changes the engine. Results are JSON values without secrets.

    `command` and `resume` raise `NotReady` while the engine is starting.
    """

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        """Execute an operator's command, or only return what it would do. Raise `CommandRefused` if it is not valid."""
        ...

    def resume(self, kind: str, name: str, symbol: str = "") -> Mapping[str, Any]:
        """Retry an instance of ``accounts``, ``sources`` or ``notifiers`` now. Raise `KeyError` if it is unknown.

        ``symbol``: the only one of an account that is retried; empty for all.
        """
        ...

    def report_event(self, kind: str, text: str) -> None:
        """Log an event, and pass it to the notifiers if the engine runs."""
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
