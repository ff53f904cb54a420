"""The private listener: health for process managers, and the API that ``te status`` and other commands call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import web

from te_core.clock import Clock
from te_core.errors import CommandRefused
from te_core.journal.order_lookup import NoSuchOrder
from te_core.reporting.queries import Queries
from te_core.settings.listeners import PrivateListenerSettings
from te_core.web.commands import BadCommand, parse_command, parse_sections, parse_symbols
from te_core.web.guards import Tokens, errors_as_json, no_other_site, only_this_host
from te_core.web.identity import proof
from te_core.web.interfaces import EngineCommands, Pages
from te_core.web.query_parameters import (
    BadQuery,
    parse_curve_query,
    parse_next,
    parse_result_query,
    parse_wanted,
)
from te_core.web.responses import answer, refuse
from te_core.web.shared_result import SharedResult


def private_site(
    queries: Queries,
    commands: EngineCommands,
    settings: PrivateListenerSettings,
    *,
    clock: Clock,
    tokens: Tokens,
    nonce: str = "",
    pages: Pages | None = None,
) -> web.Application:
    """Build the site. Everything except ``/healthz`` needs a token; that route proves the identity by ``nonce``.

    ``pages``: what browsers are served, and how they are authenticated.
    """
    api = _Api(queries, commands, clock, nonce)
    hosts = only_this_host(settings, also=pages.host if pages is not None else "")
    page_guards = [pages.guard] if pages is not None else []
    site = web.Application(middlewares=[errors_as_json, *hosts, *page_guards, no_other_site, tokens.guard])
    if pages is not None:
        pages.add_to(site)
    site.router.add_get("/healthz", api.health)
    site.router.add_get("/readyz", api.ready)
    site.router.add_get("/metrics", api.metrics)
    site.router.add_get("/api/v1/state", api.state)
    site.router.add_get("/api/v1/plan", api.plan)
    site.router.add_post("/api/v1/plan", api.plan_as_if)
    site.router.add_get("/api/v1/instruments", api.instruments)
    site.router.add_get("/api/v1/doctor", api.doctor)
    site.router.add_get("/api/v1/explain/{symbol}", api.explain)
    site.router.add_get("/api/v1/sources/{name}", api.source)
    site.router.add_get("/api/v1/{what:signals|quarantine|events|orders|flows|activity}", api.listed)
    site.router.add_get("/api/v1/orders/{order}", api.order)
    site.router.add_get("/api/v1/events/next", api.next_events)
    site.router.add_get("/api/v1/pnl", api.pnl)
    site.router.add_get("/api/v1/history", api.history)
    site.router.add_get("/api/v1/plugins", api.plugins)
    site.router.add_post(
        "/api/v1/{kind:accounts|sources|notifiers|risk_checks|observers}/{name}/resume", api.resume
    )
    site.router.add_get("/api/v1/commands", api.commands)
    site.router.add_post("/api/v1/commands/{action:halt|flatten|resume|pause|target|go|accept}", api.command)
    return site


class _Api:
    def __init__(self, queries: Queries, commands: EngineCommands, clock: Clock, nonce: str) -> None:
        self._queries = queries
        self._history = queries.history
        self._commands = commands
        self._nonce = nonce
        self._plan = SharedResult(queries.plan, clock)
        self._doctor = SharedResult(queries.doctor, clock)

    async def health(self, request: web.Request) -> web.Response:
        challenge = request.query.get("challenge", "")
        proven = {"proof": proof(self._nonce, challenge)} if challenge and self._nonce else {}
        return answer(200, {"status": "alive", **proven})

    async def ready(self, _request: web.Request) -> web.Response:
        readiness = self._queries.readiness()
        return answer(200 if readiness["ready"] else 503, readiness)

    async def metrics(self, request: web.Request) -> web.Response:
        body, content_type = await self._queries.metrics(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    async def state(self, _request: web.Request) -> web.Response:
        return answer(200, self._queries.state())

    async def plan(self, _request: web.Request) -> web.Response:
        return answer(200, await self._plan.get())

    async def plan_as_if(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        try:
            return answer(200, await self._queries.plan(parse_sections(await request.read())))
        except BadCommand as error:
            return refuse(400, str(error))

    async def instruments(self, request: web.Request) -> web.Response:
        try:
            symbols = parse_symbols(request.query.get("symbols", ""))
        except BadCommand as error:
            return refuse(400, str(error))
        return answer(200, await self._queries.instruments(symbols))

    async def doctor(self, _request: web.Request) -> web.Response:
        return answer(200, await self._doctor.get())

    async def explain(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        try:
            return answer(200, self._queries.explain(symbol))
        except KeyError:
            known = ", ".join(self._queries.state()["symbols"]) or "none"
            return refuse(404, f"no account has a target for {symbol} (symbols in the settings: {known})")

    async def source(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            return answer(200, self._queries.report(name))
        except KeyError:
            running = [
                name for name, one in self._queries.state()["sources"].items() if one["status"] == "running"
            ]
            return refuse(
                404, f"no source {name} is running (those that are: {', '.join(running) or 'none'})"
            )

    async def listed(self, request: web.Request) -> web.Response:
        try:
            wanted = parse_wanted(request.query)
        except BadQuery as error:
            return refuse(400, str(error))
        read = getattr(self._history, request.match_info["what"])
        return answer(200, await asyncio.to_thread(read, wanted))

    async def next_events(self, request: web.Request) -> web.Response:
        """Respond with the events after a number; if there are none, wait for the next one."""
        try:
            wanted, wait = parse_next(request.query)
        except BadQuery as error:
            return refuse(400, str(error))
        found: Mapping[str, Any] = {"events": [], "next": None}
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                while not found["events"]:
                    news = self._history.news()  # before the read, so that no event is missed in between
                    found = await asyncio.to_thread(self._history.events, wanted)
                    if not found["events"]:
                        await asyncio.shield(news)
        return answer(200, found)

    async def order(self, request: web.Request) -> web.Response:
        try:
            return answer(200, await asyncio.to_thread(self._history.order, request.match_info["order"]))
        except NoSuchOrder as error:
            return refuse(404, str(error))

    async def pnl(self, request: web.Request) -> web.Response:
        try:
            wanted = parse_result_query(request.query)
        except BadQuery as error:
            return refuse(400, str(error))
        return answer(200, await asyncio.to_thread(self._history.pnl, wanted))

    async def history(self, request: web.Request) -> web.Response:
        try:
            wanted = parse_curve_query(request.query)
        except BadQuery as error:
            return refuse(400, str(error))
        return answer(200, await asyncio.to_thread(self._history.history, wanted))

    async def resume(self, request: web.Request) -> web.Response:
        # Any web page can make a browser send a form here, but not JSON: that needs a preflight request.
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        kind, name = request.match_info["kind"], request.match_info["name"]
        try:
            return answer(200, self._commands.resume(kind, name))
        except KeyError:
            return refuse(404, f"there is no [{kind}.{name}] in the settings")

    async def commands(self, _request: web.Request) -> web.Response:
        return answer(200, {"commands": self._queries.state()["commands"]})

    async def command(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        try:
            command, preview = parse_command(request.match_info["action"], await request.read())
            return answer(200, await self._commands.command(command, preview=preview))
        except BadCommand as error:
            return refuse(400, str(error))
        except CommandRefused as error:
            return refuse(404, str(error))

    async def plugins(self, _request: web.Request) -> web.Response:
        return answer(200, {"plugins": self._queries.state()["plugins"]})
