"""The transport mixed into ccxt's classes.

It adds exact numbers, our request budget instead of ccxt's limiter, request dates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache, partial
from json import dumps, loads
from typing import Any, Protocol

from te_core.api import RateLimited, TradeEngineError
from te_exchange_ccxt.budget import BudgetShare
from te_exchange_ccxt.lazy_ccxt import BadResponse, BaseError, MixinBase
from te_exchange_ccxt.parsing import MALFORMED, Row, dig
from te_exchange_ccxt.responses import Response, last_response

PING_STREAM = 5000
"""Milliseconds between two pings of a stream: about the maximum age of a silent stream's state."""
MAX_CONNECT_DELAY = 300.0
"""Longest wait in seconds before a new stream connection, whatever the exchange asks for."""


class MessageListener(Protocol):
    """Receives the messages of streams."""

    def message(self, url: str, message: Any) -> bool:
        """Receive a message, pongs included; return whether ccxt need not parse it."""

    def resolved(self, message_hash: str, result: Any) -> None:
        """Receive a result that ccxt made of a message, with its message hash."""

    def lose(self, url: str) -> None:
        """Receive the loss of a connection."""


_DATED: ContextVar[bool] = ContextVar("te_exchange_ccxt_dated", default=False)


@contextmanager
def dated_changes(changes: bool) -> Iterator[None]:
    """Let the engine date every request within this block that is not a GET, if it ``changes`` something."""
    token = _DATED.set(changes)
    try:
        yield
    finally:
        _DATED.reset(token)


class HttpTransport(MixinBase):  # type: ignore[misc]  # it is mixed into ccxt's classes, which are known at run time only
    """Overrides of ccxt's class.

    Users of a client set ``budget_share``, ``date`` (the engine's) and ``listener``.
    """

    number = str
    budget_share: BudgetShare | None = None
    request_cost: Callable[[str, str], Mapping[str, int]]
    listener: MessageListener | None = None
    connect_cost: Mapping[str, int]
    item_code = ""
    date: Callable[[], datetime] | None = None
    _dated: int | None = None

    def milliseconds(self) -> int:
        """Return milliseconds since 1970; while a dated request is signed, its date."""
        return int(super().milliseconds()) if self._dated is None else self._dated

    def seconds(self) -> int:
        """Return the same in seconds."""
        return self.milliseconds() // 1000

    def microseconds(self) -> int:
        """Return the same in microseconds."""
        return int(super().microseconds()) if self._dated is None else self._dated * 1000

    def sign(self, path: str, api: Any = "public", method: str = "GET", *rest: Any, **named: Any) -> Any:
        """Let the engine date changes, as the last step before they are sent; it may refuse with ``NotReady``."""
        if self.date is None or method == "GET" or not _DATED.get():
            return super().sign(path, api, method, *rest, **named)
        self._dated = int(self.date().timestamp() * 1000)
        try:
            return super().sign(path, api, method, *rest, **named)
        finally:
            self._dated = None

    def on_json_response(self, text: str) -> Any:
        """Parse fractions as text: a float would round more than 15 digits."""
        return loads(text, parse_float=str)

    async def fetch2(self, path: str, api: Any = "public", method: str = "GET", *args: Any, **kw: Any) -> Any:
        """Wait for the budget before the request is signed, so that its timestamp is current when it is sent."""
        last_response.set(None)
        if self.budget_share is None:
            return await super().fetch2(path, api, method, *args, **kw)
        async with self.budget_share.turn(self.request_cost(method, path)):
            return await super().fetch2(path, api, method, *args, **kw)

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Refuse what is not JSON: ccxt returns HTML and broken JSON as text."""
        found = await super().fetch(url, method, headers, body)
        if isinstance(found, str | bytes) or found is None:
            raise BadResponse()(f"not JSON: {str(found)[:80]!r}")
        return found

    def handle_errors(self, code: int, reason: str, *details: Any) -> Any:
        """Store the response for error classification; raise also for an error code in one of its items."""
        url, method, headers, body, found, *rest = details
        lowered = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        last_response.set(Response(code, lowered, body or ""))
        if item := find_refused_item(found, self.item_code):
            found, body = item, dumps(item)
        return super().handle_errors(code, reason, url, method, headers, body, found, *rest)

    def client(self, url: str) -> Any:
        """Intercept what ccxt resolves: between two awaits of ``watch_*`` it drops pushes."""
        found = super().client(url)
        found.keepAlive = min(found.keepAlive, PING_STREAM)  # some exchanges set a longer interval
        if self.listener is not None and "resolve" not in vars(found):
            found.resolve = partial(_resolve, self.listener, found.resolve)
        if self.connect_cost and "open" not in vars(found):
            found.open = partial(self._connect, found, found.open)
        return found

    def ws_dial_delay(self, url: str) -> float:
        """Return ccxt's pause before a failed connection is retried, limited to ``MAX_CONNECT_DELAY``."""
        return min(float(super().ws_dial_delay(url)), MAX_CONNECT_DELAY)

    async def _connect(
        self, client: Any, connect: Callable[..., Awaitable[None]], session: Any, delay: float = 0.0
    ) -> None:
        """Wait for the budget before a new connection, where the exchange counts them.

        ccxt's own delay comes first, so that other requests can go meanwhile.
        """
        assert self.budget_share is not None
        await asyncio.sleep(delay)
        try:
            async with self.budget_share.turn(self.connect_cost):
                await connect(session)
        except RateLimited as error:
            client.on_error(error)

    def handle_message(self, client: Any, message: Any) -> None:
        """Report errors of message handlers to those who wait: ccxt loses some, and stops listening after others.

        The message's content is lost, so the connection counts as lost and the account is read.
        """
        if self.listener is not None and self.listener.message(client.url, message):
            return
        try:
            super().handle_message(client, message)
        except (BaseError(), TradeEngineError, *MALFORMED) as error:
            if self.listener is not None:
                self.listener.lose(client.url)
            client.reject(error)

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Close a connection that was dropped while it was being opened: nobody would listen to it or close it."""
        super().on_connected(client, message)
        if self.clients.get(client.url) is not client:
            client.asyncio_loop.create_task(client.close())

    def on_close(self, client: Any, code: Any) -> None:
        """Report that a stream ended."""
        if self.listener is not None:
            self.listener.lose(client.url)
        super().on_close(client, code)

    def on_error(self, client: Any, error: Any) -> None:
        """Report that a stream broke."""
        if self.listener is not None:
            self.listener.lose(client.url)
        super().on_error(client, error)


@cache  # ccxt keeps tables per class: one class per exchange, however many accounts
def transport_class(base: Any, client_mixins: tuple[type[Any], ...] = ()) -> Any:
    """Return ccxt's class with this transport on top, and the mixins between the two."""
    return type(base.__name__, (HttpTransport, *client_mixins, base), {})


def find_refused_item(answer: Any, key: str) -> Row | None:
    """Return the first item of a response, or its only one, whose code (under ``key``) is an error."""
    data = dig(answer, "data")
    items = data if isinstance(data, list) else [data]
    return next((item for item in items if dig(item, key) not in (None, "", "0", 0)), None)


def _resolve(
    listener: MessageListener, resolve: Callable[[Any, Any], Any], result: Any, message_hash: Any = None
) -> Any:
    listener.resolved(str(message_hash), result)
    return resolve(result, message_hash)
