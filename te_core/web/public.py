"""The public listener: ``/hooks/<source>`` and nothing else. Every alert passes here, so it must stay lean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import parse_qsl, unquote

from aiohttp import HttpVersion11, web

from te_core.clock import Clock
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import JournalError, NotReady
from te_core.web.client_address import Senders
from te_core.web.interfaces import AlertReceiver
from te_core.web.responses import accept, answer, dismiss, refuse
from te_core.web.tls import is_tradingview

BODY_LIMIT = 64 * 1024
"""Maximum bytes of a body."""

_BODY_TIMEOUT = 5.0
"""Seconds for a whole body to arrive; TradingView itself gives up after 3 s."""

_RETRY_AFTER = 5
"""Seconds; TradingView retries 5 s after a 5xx."""

_QUERY_FIELDS = 64

_DISCONNECTING = frozenset({401, 403, 429})
"""Statuses after which the connection is closed: guessing tokens then costs a new connection each time."""


class Webhooks:
    """Turns requests into ``WebhookRequest`` values for the engine. Until it is opened, and once closed, all get a 503.

    What can be refused by the head of a request is refused before its body has arrived: path, source, address and token
    in the address. ``certified``: only requests with TradingView's client certificate are accepted.
    """

    def __init__(self, clock: Clock, senders: Senders | None = None, *, certified: bool = False) -> None:
        self._engine: AlertReceiver | None = None
        self._clock = clock
        self._sender = senders or Senders(())
        self._certified = certified
        self._closed = "the engine is starting"

    def open(self, engine: AlertReceiver) -> None:
        """Pass alerts to the engine from now on."""
        self._engine = engine

    def close(self, reason: str) -> None:
        """Refuse alerts from now on, so that their senders retry."""
        self._engine, self._closed = None, reason

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Respond to one request."""
        try:
            _, *path = request.rel_url.raw_path.split("/")
            if len(path) < 2 or path[0] != "hooks" or not path[1]:
                return refuse(404, "not found")
            engine = self._engine
            if engine is None:
                raise NotReady(self._closed)
            if self._certified and not is_tradingview(request.get_extra_info("peercert")):
                raise NotReady("the client certificate is not TradingView's")
            source = _text(path[1])
            if request.content.is_eof():
                webhook = self._webhook(request, path[2:], _body(request))
            else:
                webhook = self._webhook(request, path[2:])
                refused = engine.screen(source, webhook)
                if refused is not None:
                    return self._answer(request, webhook, refused, disconnect=True)
                body = await _arriving_body(request)
                webhook = replace(webhook, body=body, received_at=self._clock.now())
            response = await engine.on_webhook(source, webhook)
            return self._answer(request, webhook, response, disconnect=response.status in _DISCONNECTING)
        except _Refused as refused:
            return refused.response
        except NotReady as error:
            return refuse(503, error.reason, retry_after=error.retry_after or _RETRY_AFTER)
        except JournalError:
            return refuse(503, "the signal could not be stored; try again", retry_after=_RETRY_AFTER)

    @staticmethod
    def _answer(
        request: web.BaseRequest, webhook: WebhookRequest, response: WebhookResponse, *, disconnect: bool
    ) -> web.StreamResponse:
        if disconnect:
            return dismiss(request, response.status, response.body, retry_after=response.retry_after)
        if response.status == 200:
            return accept(request, response.body, webhook.received_at)
        return answer(response.status, response.body, retry_after=response.retry_after)

    def _webhook(self, request: web.BaseRequest, tail: list[str], body: bytes = b"") -> WebhookRequest:
        headers = request.headers
        return WebhookRequest(
            method=request.method,
            tail=tuple([_text(segment) for segment in (tail if tail and tail[-1] else tail[:-1])]),
            query=_query(request.rel_url.raw_query_string),
            headers=_Headers(headers),
            body=body,
            client=self._sender(request.remote, headers),
            received_at=self._clock.now(),
        )


class _Headers(Mapping[str, str]):
    """Headers that are cleaned only when they are read: most sources never read them."""

    __slots__ = ("_received",)

    def __init__(self, received: Mapping[str, str]) -> None:
        self._received = received

    def __getitem__(self, name: str) -> str:
        return self._ready[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ready)

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def _ready(self) -> dict[str, str]:
        return {_clean(name).lower(): _clean(value) for name, value in self._received.items()}


class _Refused(Exception):
    """The request is refused. A sender that may still be sending a body is disconnected."""

    def __init__(self, status: int, error: str, *, retry_after: int | None = None) -> None:
        self.response = refuse(status, error, retry_after=retry_after)
        self.response.force_close()


def _body(request: web.BaseRequest) -> bytes:
    _check_size(request.content_length or 0)
    try:
        body = request.content.read_nowait()
    except (web.RequestPayloadError, ConnectionError):
        raise _Refused(400, "malformed body") from None
    _check_size(len(body))
    return body


async def _arriving_body(request: web.BaseRequest) -> bytes:
    _check_size(request.content_length or 0)
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            return await _pieces(request)
    except TimeoutError:
        # Not 408: this may be a genuine alert on a slow line, and TradingView never retries after a 4xx.
        reason = f"the body did not arrive within {_BODY_TIMEOUT:g} s"
        raise _Refused(503, reason, retry_after=_RETRY_AFTER) from None
    except (web.RequestPayloadError, ConnectionError):
        raise _Refused(400, "malformed body") from None


async def _pieces(request: web.BaseRequest) -> bytes:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version == HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = bytearray()
    while chunk := await _chunk(request):
        body += chunk
        _check_size(len(body))
    return bytes(body)


async def _chunk(request: web.BaseRequest) -> bytes:
    try:
        return await request.content.readany()
    except RuntimeError:  # what aiohttp raises if the sender disconnected before the read started
        raise ConnectionResetError from None


def _check_size(size: int) -> None:
    if size > BODY_LIMIT:
        raise _Refused(413, f"the body may have {BODY_LIMIT} bytes at most")


def _query(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        return dict(parse_qsl(_clean(text), keep_blank_values=True, max_num_fields=_QUERY_FIELDS))
    except ValueError:
        raise _Refused(400, f"more than {_QUERY_FIELDS} query parameters") from None


def _clean(text: str) -> str:
    """Replace undecodable bytes: they arrive as lone surrogates, which cannot be encoded again."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _text(segment: str) -> str:
    return _clean(unquote(segment) if "%" in segment else segment)
