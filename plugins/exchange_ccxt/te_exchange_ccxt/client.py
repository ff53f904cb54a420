"""The ccxt client of one account: exact numbers, our budget instead of ccxt's limiter, our session, other hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from json import dumps, loads
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from te_core.api import RateLimited, TradeEngineError, http_session
from te_exchange_ccxt.budget import Purse
from te_exchange_ccxt.library import SILENT, BadResponse, Base, BaseError
from te_exchange_ccxt.venue import Venue
from te_exchange_ccxt.wire import NONSENSE, Row, dig

T = TypeVar("T")
U = TypeVar("U")

CACHES = {"ordersLimit": 100, "tradesLimit": 100}
"""Rows that ccxt keeps of what streams bring: more than one message has. Its own 1,000 are megabytes per account."""
KEEP_ALIVE = 75.0
"""Seconds that an idle connection is kept: longer than the pause between two pings."""
PING_STREAM = 5000
"""Milliseconds between two pings of a stream: the age of a silent stream's state is at most about this."""
TIMEOUT = 10_000
LONGEST_DIAL = 300.0
"""Seconds that a new connection of streams waits at most, whatever the exchange says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the exchange answered last in this task: HTTP status, headers in lower case, text."""

    status: int
    headers: Mapping[str, str]
    text: str


class Ear(Protocol):
    """Who listens to the streams."""

    def message(self, url: str, message: Any) -> bool:
        """A message came, pongs included. Tells whether ccxt need not look at it any more."""

    def resolved(self, message_hash: str, result: Any) -> None:
        """ccxt made a result of a message, under its own name for it."""

    def lose(self, url: str) -> None:
        """The connection is gone."""


last_answer: ContextVar[Answer | None] = ContextVar("te_exchange_ccxt_last_answer", default=None)
_CHANGING: ContextVar[bool] = ContextVar("te_exchange_ccxt_changing", default=False)


@contextmanager
def changing(changes: bool) -> Iterator[None]:
    """Let the engine date every request within this block that is not a GET, if it ``changes`` something."""
    token = _CHANGING.set(changes)
    try:
        yield
    finally:
        _CHANGING.reset(token)


class Wiring(Base):  # type: ignore[misc]  # it is mixed into ccxt's classes, which are known at run time only
    """Our wiring of ccxt's class. Whoever uses a client sets ``purse``, ``date`` (the engine's) and ``ear``."""

    number = str
    purse: Purse | None = None
    spending: Callable[[str, str], Mapping[str, int]]
    ear: Ear | None = None
    dials: Mapping[str, int]
    item_code = ""
    date: Callable[[], datetime] | None = None
    _dated: int | None = None

    def milliseconds(self) -> int:
        """Return the time since 1970: while a request is signed that changes something, the date that it was given."""
        return int(super().milliseconds()) if self._dated is None else self._dated

    def seconds(self) -> int:
        """Return the same in seconds."""
        return self.milliseconds() // 1000

    def microseconds(self) -> int:
        """Return the same in microseconds."""
        return int(super().microseconds()) if self._dated is None else self._dated * 1000

    def sign(self, path: str, api: Any = "public", method: str = "GET", *rest: Any, **named: Any) -> Any:
        """Have the engine date what changes something, after all waiting; it may refuse with ``NotReady``."""
        if self.date is None or method == "GET" or not _CHANGING.get():
            return super().sign(path, api, method, *rest, **named)
        self._dated = int(self.date().timestamp() * 1000)
        try:
            return super().sign(path, api, method, *rest, **named)
        finally:
            self._dated = None

    def on_json_response(self, text: str) -> Any:
        """Keep fractions as they stand: a float would round what has more than 15 digits."""
        return loads(text, parse_float=str)

    async def fetch2(self, path: str, api: Any = "public", method: str = "GET", *args: Any, **kw: Any) -> Any:
        """Wait for the budget before the request is signed, so that its time is fresh when it leaves."""
        last_answer.set(None)
        if self.purse is None:
            return await super().fetch2(path, api, method, *args, **kw)
        async with self.purse.turn(self.spending(method, path)):
            return await super().fetch2(path, api, method, *args, **kw)

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """Refuse what is not JSON: ccxt hands HTML and broken JSON on as a text."""
        found = await super().fetch(url, method, headers, body)
        if isinstance(found, str | bytes) or found is None:
            raise BadResponse()(f"not JSON: {str(found)[:80]!r}")
        return found

    def handle_errors(self, code: int, reason: str, *said: Any) -> Any:
        """Remember the answer for whoever translates the error; raise for what one of its items says, too."""
        url, method, headers, body, found, *rest = said
        lowered = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
        last_answer.set(Answer(code, lowered, body or ""))
        if item := refused_item(found, self.item_code):
            found, body = item, dumps(item)
        return super().handle_errors(code, reason, url, method, headers, body, found, *rest)

    def client(self, url: str) -> Any:
        """Listen in on what ccxt resolves: between two awaits of ``watch_*`` it would drop pushes."""
        found = super().client(url)
        found.keepAlive = min(found.keepAlive, PING_STREAM)  # some exchanges name a longer pause
        if self.ear is not None and "resolve" not in vars(found):
            found.resolve = partial(_resolve, self.ear, found.resolve)
        if self.dials and "open" not in vars(found):
            found.open = partial(self._dial, found, found.open)
        return found

    def ws_dial_delay(self, url: str) -> float:
        """Give ccxt's pause before a connection that could not be made is tried again."""
        return min(float(super().ws_dial_delay(url)), LONGEST_DIAL)

    async def _dial(
        self, client: Any, connect: Callable[..., Awaitable[None]], session: Any, delay: float = 0.0
    ) -> None:
        """Wait for the budget before a new connection, where the exchange counts them.

        What ccxt waits for besides comes first: meanwhile it is the others' turn.
        """
        assert self.purse is not None
        await asyncio.sleep(delay)
        try:
            async with self.purse.turn(self.dials):
                await connect(session)
        except RateLimited as error:
            client.on_error(error)

    def handle_message(self, client: Any, message: Any) -> None:
        """Let errors inside message handlers reach whoever waits: ccxt loses some, and listens no more after others.

        What the message told is lost, so that it is read.
        """
        if self.ear is not None and self.ear.message(client.url, message):
            return
        try:
            super().handle_message(client, message)
        except (BaseError(), TradeEngineError, *NONSENSE) as error:
            if self.ear is not None:
                self.ear.lose(client.url)
            client.reject(error)

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Close one that was given up while it was being made: nobody would ever listen to it, or close it."""
        super().on_connected(client, message)
        if self.clients.get(client.url) is not client:
            client.asyncio_loop.create_task(client.close())

    def on_close(self, client: Any, code: Any) -> None:
        """Tell that a stream ended."""
        if self.ear is not None:
            self.ear.lose(client.url)
        super().on_close(client, code)

    def on_error(self, client: Any, error: Any) -> None:
        """Tell that a stream broke."""
        if self.ear is not None:
            self.ear.lose(client.url)
        super().on_error(client, error)


@cache  # ccxt keeps tables per class: one class per exchange, however many accounts
def wired(base: Any, mends: tuple[type[Any], ...] = ()) -> Any:
    """Give ccxt's class with our wiring, and what mends it inside of that."""
    return type(base.__name__, (Wiring, *mends, base), {})


def refused_item(answer: Any, key: str) -> Row | None:
    """Give the first item of an answer, or its only one, whose code (under ``key``) is that of a refusal."""
    data = dig(answer, "data")
    items = data if isinstance(data, list) else [data]
    return next((item for item in items if dig(item, key) not in (None, "", "0", 0)), None)


def _resolve(ear: Ear, resolve: Callable[[Any, Any], Any], result: Any, message_hash: Any = None) -> Any:
    ear.resolved(str(message_hash), result)
    return resolve(result, message_hash)


def bare(venue: Venue, base: Any) -> Any:
    """Make a client that never connects: it only holds tables."""
    return wired(base, venue.mends)({"enableRateLimit": False, "logger": SILENT, **venue.config()})


def connect(venue: Venue, base: Any) -> Any:
    """Make the client and give it to the venue; its ``purse`` is set once its addresses are known."""
    import aiohttp  # late: settings are checked and asked for without it; ccxt has imported it by now

    config = venue.config()
    exchange = wired(base, venue.mends)(
        {
            "enableRateLimit": False,
            "timeout": TIMEOUT,
            "logger": SILENT,
            **config,
            "options": {**CACHES, **config.get("options", {})},
            **{name: value for name, value in venue.credentials().items() if value},
            "session": http_session(
                connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE),
                proxy=venue.options.secret_of("proxy") or None,
            ),
        }
    )
    exchange.has["fetchCurrencies"] = False
    exchange.timeout_on_exit = 0
    exchange.streaming = {**exchange.streaming, "keepAlive": PING_STREAM}
    exchange.spending = venue.spending
    exchange.dials, exchange.item_code = venue.dials, venue.item_code
    venue.exchange = exchange
    if venue.options.test is not None:
        venue.to_test_host()
    if venue.options.url or venue.options.ws_url:
        rebase(exchange.urls["api"], venue.options.url, venue.options.ws_url)
    return exchange


async def together(first: Awaitable[T], second: Awaitable[U]) -> tuple[T, U]:
    """Await two requests at the same time. Raises as if the one that failed had been made alone."""
    answers: list[Answer | None] = []

    async def remembered(request: Awaitable[Any]) -> Any:
        try:
            return await request
        except BaseException:
            answers.append(last_answer.get())  # a task has a context of its own
            raise

    tasks = [asyncio.ensure_future(remembered(request)) for request in (first, second)]
    try:
        one, other = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        last_answer.set(answers[0] if answers else None)
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return one, other


async def disconnect_streams(exchange: Any) -> None:
    """Close the streams only; one that is still being opened is closed as soon as it is."""
    clients, exchange.clients = list(exchange.clients.values()), {}
    await asyncio.gather(*(client.close() for client in clients), return_exceptions=True)


async def disconnect(exchange: Any) -> None:
    """Close streams and connections."""
    session = exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


def rebase(tree: dict[str, Any], url: str | None, ws_url: str | None) -> None:
    """Point every address in ccxt's table at another server, keeping its path. ``ws_url`` follows from ``url``."""
    ws_url = ws_url or (url and "ws" + url.removeprefix("http"))
    for key, value in tree.items():
        if isinstance(value, dict):
            rebase(value, url, ws_url)
        elif isinstance(value, str):
            base = ws_url if value.startswith("ws") else url
            if base:
                tree[key] = base + urlsplit(value.replace("{hostname}", "host")).path


def addresses(exchange: Any) -> frozenset[str]:
    """Give the servers that the client talks to."""
    return frozenset(_leaves(exchange.urls["api"]))


def host(exchange: Any, keys: Sequence[str]) -> str:
    """Return the host, and port if any, of an address in ccxt's table."""
    return urlsplit(str(exchange.implode_hostname(dig(exchange.urls["api"], *keys)))).netloc


def _leaves(tree: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for value in tree.values():
        found += _leaves(value) if isinstance(value, Mapping) else [str(value)]
    return found
