"""The page's routes. Each response is a complete page that works without JavaScript, which keeps it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from te_core.clock import Clock
from te_core.errors import JournalError
from te_core.journal.pages import Wanted
from te_core.page.action_routes import ActionRoutes
from te_core.page.actions import Actions
from te_core.page.ages import age, aged
from te_core.page.commanding import Commanding
from te_core.page.drawing import Drawing
from te_core.page.entrance import SESSION, Entrance, key_of
from te_core.page.live import Live, Parts
from te_core.page.past import Money, Past, Period
from te_core.page.planning import Planner
from te_core.page.sessions import FILE, Role, Session, SessionFile, Sessions
from te_core.page.shown import ALARM, ATTENTION, Shown, Timestamps, parts_of, slug, with_items
from te_core.page.turns import Turns
from te_core.reporting.activity import REJECTED, ActivityKind
from te_core.reporting.figures import compact, figure, percent
from te_core.reporting.queries import Queries
from te_core.reporting.view import Mark, View, view_steps
from te_core.reporting.view.values import Sign
from te_core.secrets import Redactor
from te_core.settings.page import PageSettings
from te_core.web.guards import Handler
from te_core.web.interfaces import EngineCommands
from te_core.web.responses import answer, refuse

QUOTES = ("USDT", "USDC", "USD")
PAGE = 100
"""Activities on one page."""
SINCE = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
RARE = (Mark.OBSERVING, Mark.FOREIGN, Mark.OFF)
"""Signs that the legend explains only if they are visible."""
_BUILT = "te_core.page.built"
_FOREVER = "public, max-age=31536000, immutable"


class Page:
    """The page for browsers. ``tokens``: the token of each role. ``state``: the state folder.

    ``actions``: the commands of this run, from every sender.
    """

    def __init__(
        self,
        queries: Queries,
        commands: EngineCommands,
        settings: PageSettings,
        *,
        actions: Actions,
        tokens: Mapping[Role, str],
        clock: Clock,
        new_secret: Callable[[], str],
        state: Path,
    ) -> None:
        self._queries = queries
        self._past = Past(queries.history, clock)
        self._settings = settings
        self._clock = clock
        self._new_secret = new_secret
        self._drawing = Drawing(clock, FILTERS, WORDS)
        self._sessions = Sessions(
            SessionFile(state / FILE), tokens, clock=clock, new_secret=new_secret, lasts=settings.session
        )
        self._entrance = Entrance(
            self._sessions,
            self._drawing,
            host=self.host,
            lasts=settings.session.total_seconds(),
            report=commands.report_event,
        )
        self._view: View
        self._timestamps = Timestamps()
        self._parts = Parts(self._build, self._drawing.part, clock, new_secret())
        self._live = Live(
            self._parts, clock, is_open=self._sessions.is_open, aged=self._aged, writes=queries.history.writes
        )
        planner = Planner(queries, commands)
        self._commanding = Commanding(queries, planner, actions, new_secret=new_secret, page=self._page)
        self._routes = ActionRoutes(queries, planner, actions, new_secret)

    # -- what the private listener needs

    @property
    def host(self) -> str:
        """Return the host of the proxy that serves the page; empty without one."""
        return self._settings.host

    @property
    def guard(self) -> Any:
        """Return the middleware that authenticates browsers."""
        return self._entrance.guard

    def add_to(self, site: web.Application) -> None:
        """Add the routes."""
        add = site.router
        add.add_get("/", self._now)
        add.add_get("/why/{symbol}", self._why)
        add.add_get("/account/{name}", self._account)
        add.add_get("/activity", self._activity)
        add.add_get("/money", self._money)
        add.add_get("/do/{verb}/{who}", self._commanding.show_plan)
        add.add_post("/do/{verb}/{who}", self._commanding.confirm)
        add.add_get("/action/{id}", self._commanding.show_action)
        add.add_get("/live", self._stream)
        add.add_get("/signed-in", self._signed_in)
        add.add_get("/login", self._entrance.login)
        add.add_post("/login", self._entrance.sign_in)
        add.add_post("/logout", self._entrance.sign_out)
        add.add_get("/static/{name}", self._static)
        add.add_post("/api/v1/page/link", self._link)
        self._routes.add_to(site)

    def leave(self, reason: str) -> None:
        """Send viewers the reason why the engine stops."""
        self._live.leave(reason)

    # -- parts

    async def _build(self, turns: Turns) -> Mapping[str, Any]:
        state = await turns.through(self._queries.state_steps())
        self._view = await turns.through(view_steps(state))
        await turns.next()
        equity_curve, news = await self._past.equity_curve(), await self._past.news()
        self._view = with_items(self._view, news.items)
        return await parts_of(self._view, equity_curve, news.entries, self._timestamps, turns)

    def _aged(self, html: str) -> str:
        return aged(html, self._clock.now())

    async def _current(self, request: web.Request) -> View:
        """Return the view that a request's page is drawn from: built once for it, in pieces."""
        if _BUILT not in request:
            await self._drawing.ready()
            await self._parts.refresh()
            request[_BUILT] = True
        return self._view

    async def _page(
        self,
        request: web.Request,
        template: str,
        *,
        here: str = "",
        status: int = 200,
        refresh: int | None = None,
        **values: Any,
    ) -> web.Response:
        await self._current(request)
        session: Session = request[SESSION]
        html = await self._drawing.page(
            template,
            parts={name: Markup(text) for name, text in self._parts.html.items()},  # noqa: S704 - our own templates
            head=Markup(self._parts.html["head"]),  # noqa: S704 - our own templates made it
            version=self._parts.version,
            now_ms=round(self._clock.now().timestamp() * 1000),
            key=key_of(request),
            session=session.name,
            may_control=session.role is Role.CONTROL,
            here=here,
            refresh=refresh,
            **values,
        )
        return self._html(html, status=status)

    def _html(self, html: str, *, status: int = 200) -> web.Response:
        response = web.Response(status=status, text=self._aged(html), content_type="text/html")
        response.enable_compression()
        return response

    # -- the stream, files and the link

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        await self._drawing.ready()
        return await self._live.serve(request, request[SESSION])

    async def _signed_in(self, _request: web.Request) -> web.Response:
        self._queries.state()  # raises NotReady while the engine starts
        return web.Response(status=204)

    async def _static(self, request: web.Request) -> web.Response:
        await self._drawing.ready()
        file = self._drawing.files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        response = web.Response(body=file.packed if packed else file.body, content_type=file.content_type)
        if packed:
            response.headers["Content-Encoding"] = "gzip"
        if request.query.get("v") == file.version:
            response.headers["Cache-Control"] = _FOREVER
        return response

    async def _link(self, request: web.Request) -> web.Response:
        """Create a one-time link for ``te page``, which has the token."""
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        try:
            wanted = await request.json()
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            return refuse(400, "send a JSON object")
        role = Role.VIEW if wanted.get("view") is True else Role.CONTROL
        path = f"/login?code={self._sessions.make_code(role)}"
        return answer(200, {"path": path, "url": self._settings.url or ""})

    # -- pages

    async def _now(self, request: web.Request) -> web.Response:
        found = await self._current(request)
        return await self._page(
            request,
            "now.html",
            here="Now",
            refresh=10,
            title="Now",
            accounts=[row.name for row in found.accounts],
            symbols=[row.symbol for row in found.symbols],
            sources=[row.name for row in found.sources],
            left=found.left,
            currency=found.totals[0].currency if found.totals else "Value",
            signs=_signs(found),
        )

    async def _account(self, request: web.Request) -> web.Response:
        shown, name = Shown(await self._current(request)), request.match_info["name"]
        row = shown.account(name)
        if row is None:
            return await self._missing(request, f"There is no account {name} in the settings.")
        return await self._page(
            request,
            "account.html",
            refresh=10,
            title=name,
            row=row,
            cells=[cell for cell in shown.cells(account=name) if cell.size or cell.counts],
            now=shown.view.engine.now,
        )

    async def _why(self, request: web.Request) -> web.Response:
        symbol, account = request.match_info["symbol"], request.query.get("account", "")
        shown = Shown(await self._current(request))
        try:
            explained = self._queries.explain(symbol)
        except KeyError:
            explained = {"accounts": {}, "signals": {}}
        cells = shown.cells(symbol=symbol, account=account)
        if not cells:
            return await self._missing(request, f"No account has a position or a target in {symbol}.")
        if not account and len(cells) == 1:
            account = cells[0].account
        values: dict[str, Any] = {
            "title": f"{symbol} on {account}" if account else symbol,
            "symbol": symbol,
            "account": account,
            "rows": {row.name: row for row in shown.view.accounts},
            "cells": cells,
            "explained": explained,
            "orders": await self._past.orders(account, symbol) if account else (),
        }
        if "fragment" in request.query:
            await self._drawing.ready()
            html = await self._drawing.page("why_inner.html", whole=False, **values)
            return self._html(html)
        return await self._page(request, "why.html", refresh=10, **values)

    async def _activity(self, request: web.Request) -> web.Response:
        found, chosen = await self._current(request), _chosen(request.query)
        page: Mapping[str, Any] = {"activity": (), "next": None}
        problem = ""
        try:
            page = await self._past.activity(
                _wanted(chosen, request.query.get("before", ""), self._clock.now())
            )
        except JournalError as error:
            problem = f"The journal cannot be read at the moment: {error}"
        older = urlencode({**chosen, "before": page["next"]}) if page["next"] is not None else ""
        return await self._page(
            request,
            "activity.html",
            here="Activity",
            title="Activity",
            entries=page["activity"],
            problem=problem,
            older=f"/activity?{older}" if older else "",
            newer=f"/activity?{urlencode(chosen)}" if "before" in request.query else "",
            chosen=chosen,
            kinds=[*map(str, ActivityKind), REJECTED],
            accounts=[row.name for row in found.accounts],
            symbols=[row.symbol for row in found.symbols],
            sources=[row.name for row in found.sources],
        )

    async def _money(self, request: web.Request) -> web.Response:
        asked = request.query.get("period", "")
        period = Period(asked) if asked in set(Period) else Period.WEEK
        kinds: tuple[Money, ...] = ()
        problem = ""
        try:
            kinds = await self._past.money(period)
        except JournalError as error:
            problem = f"The journal cannot be read at the moment: {error}"
        return await self._page(
            request,
            "money.html",
            here="Money",
            title="Money",
            period=period,
            periods=list(Period),
            kinds=kinds,
            problem=problem,
        )

    async def _missing(self, request: web.Request, text: str) -> web.Response:
        return await self._page(request, "error.html", status=404, title="Not found", text=text)


class NoPage:
    """Serves only the commands for programs if the settings disable the page."""

    host = ""

    def __init__(
        self, queries: Queries, commands: EngineCommands, actions: Actions, new_secret: Callable[[], str]
    ) -> None:
        planner = Planner(queries, commands)
        self._routes = ActionRoutes(queries, planner, actions, new_secret)

    @property
    def guard(self) -> Any:
        """Return a middleware that passes requests through without browser sessions."""
        return _pass_on

    def add_to(self, site: web.Application) -> None:
        """Add the routes."""
        self._routes.add_to(site)

    def leave(self, reason: str) -> None:
        """Do nothing: there are no viewers."""


@web.middleware
async def _pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await handler(request)


def page_of(
    queries: Queries,
    commands: EngineCommands,
    settings: PageSettings,
    *,
    actions: Actions,
    token: str,
    redactor: Redactor,
    clock: Clock,
    new_secret: Callable[[], str],
    state: Path,
) -> Page | NoPage:
    """Build the page from the settings. ``token`` signs in with the control role."""
    if not settings.enabled:
        return NoPage(queries, commands, actions, new_secret)
    tokens = {Role.CONTROL: token}
    if settings.view_token is not None:
        tokens[Role.VIEW] = settings.view_token.get_secret_value()
        redactor.add((tokens[Role.VIEW],))
    return Page(
        queries,
        commands,
        settings,
        actions=actions,
        tokens=tokens,
        clock=clock,
        new_secret=new_secret,
        state=state,
    )


def _chosen(query: Mapping[str, str]) -> dict[str, str]:
    """Return the filters of a query; empty if not chosen."""
    return {name: query.get(name, "")[:100] for name in ("kind", "account", "symbol", "source", "since")}


def _wanted(chosen: Mapping[str, str], before: str, now: datetime) -> Wanted:
    """Return the requested part of the history; invalid filters are ignored."""
    numbered = before.isascii() and before.isdigit() and len(before) < 19
    span = SINCE.get(chosen["since"])
    return Wanted(
        limit=PAGE,
        before=int(before) if numbered else None,
        since=None if span is None else now - span,
        account=chosen["account"] or None,
        symbol=chosen["symbol"] or None,
        source=chosen["source"] or None,
        kind=chosen["kind"] or None,
    )


def _signs(found: View) -> list[Sign]:
    seen = {cell.mark for row in found.symbols for cell in row.cells}
    return [mark.sign for mark in Mark if mark.sign.glyph.strip() and (mark in seen or mark not in RARE)]


def _base(symbol: str) -> str:
    """Return a symbol without its quote currency."""
    quote = _quote(symbol)
    return symbol.removesuffix(quote)


def _quote(symbol: str) -> str:
    return next((one for one in QUOTES if symbol.endswith(one) and symbol != one), "")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _percent(value: Any) -> str:
    return percent(value).replace("%", " %")


WORDS: Mapping[str, Any] = {"alarm": ALARM, "look": ATTENTION}
"""Global variables of the templates."""
FILTERS: Mapping[str, Callable[..., Any]] = {
    "age": age,
    "base": _base,
    "decimal": lambda text: None if text is None else Decimal(text),
    "compact": lambda value, signed=False: compact(value, signed=signed),
    "figure": lambda value, places=None, signed=False: figure(value, places=places, signed=signed),
    "number": lambda value: figure(value, places=0),
    "percent": _percent,
    "quote": _quote,
    "slug": slug,
    "words": _words,
}
