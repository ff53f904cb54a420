"""HTTP client sessions that never follow redirects: what is signed, or carries a token, goes to one host only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import BaseConnector, ClientRequest, ClientResponse, ClientSession, RequestInfo

NOT_MODIFIED = 304
"""The response to a conditional request; not a redirect."""


def http_session(*, connector: BaseConnector | None = None, proxy: str | None = None) -> ClientSession:
    """Return a session for requests and WebSockets, bound to the running event loop; the caller must close it.

    Any redirect raises ``aiohttp.ClientResponseError`` with its status, even if a request asks for redirects to be
    followed, and in the handshake of a WebSocket. ``proxy``: an HTTP proxy for every connection,
    ``http://user:password@host:port``; a proxy that refuses raises ``aiohttp.ClientHttpProxyError``.
    """
    from aiohttp import ClientSession  # late: paper trading needs no HTTP client

    return ClientSession(connector=connector, proxy=proxy, middlewares=(_refuse_redirects,))


async def _refuse_redirects(
    request: ClientRequest, send: Callable[[ClientRequest], Awaitable[ClientResponse]]
) -> ClientResponse:
    """Raise on a redirect before aiohttp follows it. The error contains no more of a URL than its host."""
    from aiohttp import ClientHttpProxyError, ClientResponseError

    try:
        response = await send(request)
    except ClientHttpProxyError as error:  # its text includes the proxy's URL with the password
        raise ClientHttpProxyError(
            _origin(request), (), status=error.status, message="the proxy refused to connect"
        ) from None
    if not 300 <= response.status < 400 or response.status == NOT_MODIFIED:
        return response
    target = response.headers.get("Location", "")
    response.close()
    raise ClientResponseError(
        _origin(request),
        (),
        status=response.status,
        message=f"redirect{_leading_to(target)} refused: redirects are never followed",
    )


def _origin(request: ClientRequest) -> RequestInfo:
    from aiohttp import RequestInfo
    from multidict import CIMultiDict, CIMultiDictProxy

    address = request.url.origin()
    return RequestInfo(address, request.method, CIMultiDictProxy(CIMultiDict()), address)


def _leading_to(location: str) -> str:
    """Return `` to HOST`` for a redirect, if it has a host: the rest may repeat what was signed."""
    from yarl import URL

    try:
        host = URL(location).host
    except ValueError:
        return ""
    return f" to {host[:100]}" if host else ""
