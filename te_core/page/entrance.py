"""Authenticates browsers: sign-in by token or one-time link, and checks of every request of a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, quote

from aiohttp import web
from loguru import logger

from te_core.errors import JournalError, NotReady
from te_core.page.drawing import Drawing
from te_core.page.guards import HEADERS, came_from_own_page, cookie_name, has_form_key, local_path
from te_core.page.sessions import Role, Session, Sessions, form_key
from te_core.reporting.view.attention import sentence
from te_core.web.guards import LET_IN, PAGES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION = "te_core.page.session"
COOKIE_VALUE = "te_core.page.cookie"
FORM = "te_core.page.form"
"""Keys of an authenticated request: its session, the cookie, and the submitted form."""

OWN = frozenset(
    {
        "",
        "account",
        "action",
        "activity",
        "do",
        "live",
        "login",
        "logout",
        "money",
        "signed-in",
        "static",
        "why",
    }
)
"""First path segments that belong to the page."""
OPEN = frozenset({"login", "static"})
API = "/api/v1/"
EXPIRED = (
    "This form belongs to another session, or its page is too old. Nothing was done; go back and try again."
)


class Entrance:
    """Decides which browsers may enter. ``host``: of the TLS proxy that serves the page; empty without one.

    ``report`` receives an event's kind and text when tokens are being guessed.
    """

    def __init__(
        self,
        sessions: Sessions,
        drawing: Drawing,
        *,
        host: str,
        lasts: float,
        report: Callable[[str, str], None],
    ) -> None:
        self._report = report
        self._out: set[str] = set()
        self._sessions = sessions
        self._drawing = drawing
        self._host = host
        self._lasts = lasts

    @property
    def guard(self) -> Any:
        """Return the middleware. Requests outside of the page pass through; a session also allows reading the API."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.split("/", 2)[1] not in OWN:
                await self._let_read(request)
                return await handler(request)
            request[LET_IN] = PAGES
            try:
                response = await self._admit(request, handler)
            except web.HTTPException as error:
                response = await self.error_page(error.status, _WORDS.get(error.status, error.reason))
            except NotReady as error:
                response = await self.error_page(503, sentence(str(error)), refresh=2)
            except JournalError as error:
                response = await self.error_page(
                    503, f"The journal cannot be read at the moment: {error}.", refresh=10
                )
            if not response.prepared:
                for name, value in HEADERS.items():
                    response.headers.setdefault(name, value)
            return response

        return guard

    async def _let_read(self, request: web.Request) -> None:
        """Allow a signed-in browser to read the API; commands there require the token."""
        reads = request.method == "GET" and request.path.startswith(API)
        if reads and "Authorization" not in request.headers and await self._session(request) is not None:
            request[LET_IN] = "api"

    async def _session(self, request: web.Request) -> Session | None:
        cookie = request.cookies.get(cookie_name(secure=self._is_secure(request)), "")
        session = await self._sessions.find(cookie) if cookie else None
        if session is not None:
            request[SESSION], request[COOKIE_VALUE] = session, cookie
        return session

    def _is_secure(self, request: web.Request) -> bool:
        return bool(self._host) and request.headers.get("Host") == self._host

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        first = request.path.split("/", 2)[1]
        if request.method == "POST":
            if not came_from_own_page(request):
                return await self.error_page(403, "This request must come from the engine's own pages.")
            if request.content_type != "application/x-www-form-urlencoded":
                return await self.error_page(415, "This request is not a form.")
            request[FORM] = _fields(await request.read())
        session = None if first == "static" else await self._session(request)
        if first in OPEN:
            return await handler(request)
        if session is None:
            return await self._send_to_login(request, first)
        if request.method == "POST":
            if not has_form_key(request[FORM], request[COOKIE_VALUE]):
                return await self.error_page(403, EXPIRED)
            if session.role is not Role.CONTROL and first != "logout":
                return await self.error_page(403, "This session is read-only.")
        return await handler(request)

    async def _send_to_login(self, request: web.Request, first: str) -> web.StreamResponse:
        if first == "live":
            return web.Response(status=204)
        if first == "signed-in":
            return web.Response(status=401)
        here = request.path_qs
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            # Browsers send a strict cookie only with requests from our own pages, such as the next one.
            return await self._plain(
                200, "One moment", "Continuing …", href=here, link="Continue", refresh=f"0;url={here}"
            )
        return web.Response(status=303, headers={"Location": f"/login?next={quote(here, safe='')}"})

    # -- signing in and out

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Show the form, or redeem a one-time link."""
        next_path = local_path(request.query.get("next", "/"))
        code = request.query.get("code", "")
        if not code:
            return await self._form(next_path) if SESSION not in request else _go_to(next_path)
        role = self._sessions.redeem(code, _address(request))
        if role is None:
            text = "This link was already used, or is older than a minute. te page prints a new one."
            return await self._form(next_path, text, status=403)
        return await self._open(request, role, next_path)

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """Check a token. The right one always works, no matter how many wrong ones came from the same address."""
        form, address = request[FORM], _address(request)
        next_path = local_path(str(form.get("next", "/")))
        role = self._sessions.role_of(str(form.get("token", "")).strip(), address)
        if role is not None:
            return await self._open(request, role, next_path)
        was_out, out = address in self._out, self._sessions.locked_out(address)
        self._out = {one for one in self._out if self._sessions.locked_out(one)} | (
            {address} if out else set()
        )
        if out and not was_out:
            self._report("listener", f"page: too many wrong tokens from {address}; locked out for a minute")
        if out:
            text = "Too many wrong tokens from this address. Wait a minute."
            response = await self._form(next_path, text, status=429)
            response.headers["Retry-After"] = "60"
            return response
        logger.warning("page: wrong token from {}", address)
        return await self._form(next_path, "This token is not valid.", status=403)

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session."""
        await self._sessions.close(request[SESSION])
        response = _go_to("/login")
        response.del_cookie(cookie_name(secure=self._is_secure(request)), path="/")
        return response

    async def _open(self, request: web.Request, role: Role, next_path: str) -> web.StreamResponse:
        cookie, session = await self._sessions.open(role)
        logger.info("page: session {} ({}) opened from {}", session.name, role, _address(request))
        response = _go_to(next_path)
        secure = self._is_secure(request)
        response.set_cookie(
            cookie_name(secure=secure),
            cookie,
            max_age=int(self._lasts),
            path="/",
            httponly=True,
            samesite="Strict",
            secure=secure,
        )
        return response

    async def _form(self, next_path: str, problem: str = "", *, status: int = 200) -> web.Response:
        html = await self._drawing.page(
            "login.html", title="Sign in", next=next_path, problem=problem, refresh=None
        )
        return web.Response(status=status, text=html, content_type="text/html")

    async def error_page(self, status: int, text: str, *, refresh: int | None = None) -> web.Response:
        """Return a page that shows an error."""
        title = {403: "Not allowed", 404: "Not found", 503: "Not available"}.get(status, "Invalid request")
        return await self._plain(status, title, text, href="/", link="Back to Now", refresh=refresh)

    async def _plain(
        self, status: int, title: str, text: str, *, href: str, link: str, refresh: object
    ) -> web.Response:
        html = await self._drawing.page(
            "plain.html", title=title, text=text, href=href, link=link, refresh=refresh
        )
        return web.Response(status=status, text=html, content_type="text/html")


def _fields(body: bytes) -> dict[str, str]:
    """Return the fields of a form; empty if it has more fields than any of ours."""
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        return {}


_WORDS = {
    404: "This page does not exist.",
    405: "This page does not accept that method.",
    413: "The request is too large.",
}


def key_of(request: web.Request) -> str:
    """Return the form key for pages of this request's session."""
    return form_key(request[COOKIE_VALUE])


def _go_to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _address(request: web.Request) -> str:
    return request.remote or "a local socket"
