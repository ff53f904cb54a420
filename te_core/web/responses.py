"""Responses of both listeners: always a JSON object, without a version, never cached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

from te_core.web.encoding import encode_body

_HEADERS = CIMultiDict(
    {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Server": "trade-engine",
    }
)


def answer(status: int, body: Mapping[str, Any], *, retry_after: float | None = None) -> web.Response:
    """Build a JSON response. ``retry_after`` in seconds."""
    response = web.Response(status=status, body=encode_body(body), headers=_HEADERS)
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


def refuse(status: int, reason: str, *, retry_after: float | None = None) -> web.Response:
    """Build an error response."""
    return answer(status, {"error": {"reason": reason}}, retry_after=retry_after)


def accept(request: web.BaseRequest, body: Mapping[str, Any], now: datetime) -> web.StreamResponse:
    """Build a response with status 200; on a usual connection it is written in one piece."""
    if request.version == HttpVersion11 and request.keep_alive and request.method != "HEAD":
        return _Whole(_head(now.replace(microsecond=0)), encode_body(body))
    return answer(200, body)


def dismiss(
    request: web.BaseRequest, status: int, body: Mapping[str, Any], *, retry_after: float | None = None
) -> web.StreamResponse:
    """Build an error response that closes the connection; cheap, as there may be thousands per second."""
    if request.version == HttpVersion11 and request.method != "HEAD":
        whole = _Whole(_last_head(status, retry_after), encode_body(body))
        whole.keep_alive = False
        return whole
    response = answer(status, body, retry_after=retry_after)
    response.force_close()
    return response


class _Whole(web.StreamResponse):
    """Head and body in one write: every alert gets one, and separate parts took an eighth of its whole time."""

    def __init__(
        self, head: bytes, body: bytes
    ) -> None:  # the base class would create headers that are never read
        self._text = b"%b%d\r\n\r\n%b" % (head, len(body), body)

    keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write the response. Raise `ConnectionResetError` if the sender has disconnected."""
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the sender has disconnected")
        request.transport.write(self._text)

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: everything is already written."""


@lru_cache(maxsize=2)
def _head(now: datetime) -> bytes:
    fields = {"Date": format_datetime(now, usegmt=True), **_HEADERS}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: ".encode()


@lru_cache(maxsize=1024)
def _last_head(status: int, retry_after: float | None) -> bytes:
    fields = {**_HEADERS, "Connection": "close"}
    if retry_after is not None:
        fields["Retry-After"] = str(max(1, math.ceil(retry_after)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}Content-Length: ".encode()


_TOO_MANY = encode_body({"error": {"reason": "too many requests at once; try again"}})
BUSY = b"%b%d\r\n\r\n%b" % (_last_head(503, 5), len(_TOO_MANY), _TOO_MANY)
"""The whole response to a sender for which no connection is available."""
