"""Access to the private listener: callers with the token, and no web page of another site on a user's behalf."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from te_core.errors import JournalError, NotReady
from te_core.settings.listeners import PrivateListenerSettings, is_loopback
from te_core.web.responses import refuse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_OPEN = "/healthz"
LET_IN = "te_core.web.let_in"
"""Key of a request that needs no token: a browser was authenticated, for one of our ``PAGES`` or to read the API."""
PAGES = "pages"
_SUSPICIOUS = 10
"""Number of wrong tokens after which that is reported; then again each time their number is ten times as large."""


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Respond to errors in the same JSON format as everything else."""
    try:
        return await handler(request)
    except (NotReady, JournalError) as error:
        return refuse(503, str(error))
    except web.HTTPException as error:
        response = refuse(error.status, error.reason.lower())
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def only_this_host(settings: PrivateListenerSettings, also: str = "") -> Iterator[Any]:
    """Refuse foreign ``Host`` names on loopback: a web page may point its name here (DNS rebinding).

    ``also``: the name under which the user's own proxy serves this.
    """

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if host is not None and host != (also or None) and not is_loopback(_name_of(host)):
            return refuse(421, "this address answers to localhost and 127.0.0.1 only")
        return await handler(request)

    if settings.socket is None and is_loopback(settings.host):
        yield guard


@web.middleware
async def no_other_site(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that a browser sends for a page of another site, except a followed link to our page."""
    origin, fetched = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
    own = origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")
    if not own or (fetched not in {"none", "same-origin"} and not _follows_link(request)):
        return refuse(403, "requests from a web page of another site are not allowed")
    return await handler(request)


def _follows_link(request: web.Request) -> bool:
    modes = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")
    return request.get(LET_IN) == PAGES and request.method == "GET" and modes == ("navigate", "document")


class Tokens:
    """Compares tokens, and counts wrong ones. ``report`` is called with a text when there are many."""

    def __init__(self, token: str, report: Callable[[str], None]) -> None:
        self.wrong = 0
        self._expected = f"Bearer {token}".encode()
        self._report = report
        self._report_at = _SUSPICIOUS

    @property
    def guard(self) -> Any:
        """The middleware; it refuses every request without the token."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if request.path == _OPEN or request.get(LET_IN) or hmac.compare_digest(given, self._expected):
                return await handler(request)
            if given:
                self._count_wrong(request.remote or "a local socket")
            response = refuse(401, "send 'Authorization: Bearer <listen.private.token of .secrets.toml>'")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response

        return guard

    def _count_wrong(self, peer: str) -> None:
        self.wrong += 1
        if self.wrong >= self._report_at:
            self._report_at *= 10
            self._report(f"private listener: {self.wrong} wrong tokens so far, the last from {peer}")


def _name_of(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
