"""The private listener: health for process managers, and the API that ``te status`` and friends read."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from te_core.errors import JournalError, NotReady
from te_core.settings.schema import PrivateListenerSettings, is_loopback
from te_core.web.answer import answer, refuse
from te_core.web.facade import EngineFacade, History

_SIGNALS = 1000
"""Most signals in one answer."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def private_site(
    engine: EngineFacade, history: History, settings: PrivateListenerSettings
) -> web.Application:
    """Build the site. Everything but ``/healthz`` needs the token, where one is set."""
    api = _Api(engine, history)
    site = web.Application(middlewares=[_errors_as_json, _only_this_host(settings), _bearer(settings)])
    site.router.add_get("/healthz", api.health)
    site.router.add_get("/readyz", api.ready)
    site.router.add_get("/api/v1/state", api.state)
    site.router.add_get("/api/v1/plan", api.plan)
    site.router.add_get("/api/v1/doctor", api.doctor)
    site.router.add_get("/api/v1/explain/{symbol}", api.explain)
    site.router.add_get("/api/v1/sources/{name}", api.source)
    site.router.add_get("/api/v1/signals", api.signals)
    site.router.add_get("/api/v1/quarantine", api.quarantine)
    site.router.add_get("/api/v1/plugins", api.plugins)
    site.router.add_post("/api/v1/{kind:accounts|sources|notifiers}/{name}/resume", api.resume)
    return site


class _Api:
    def __init__(self, engine: EngineFacade, history: History) -> None:
        self._engine = engine
        self._history = history

    async def health(self, _request: web.Request) -> web.Response:
        return answer(200, {"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        readiness = self._engine.readiness()
        return answer(200 if readiness["ready"] else 503, readiness)

    async def state(self, _request: web.Request) -> web.Response:
        return answer(200, self._engine.state())

    async def plan(self, _request: web.Request) -> web.Response:
        return answer(200, await self._engine.plan())

    async def doctor(self, _request: web.Request) -> web.Response:
        return answer(200, await self._engine.doctor())

    async def explain(self, request: web.Request) -> web.Response:
        symbol = request.match_info["symbol"]
        try:
            return answer(200, self._engine.explain(symbol))
        except KeyError:
            known = ", ".join(self._engine.state()["symbols"]) or "none"
            return refuse(404, f"no account has a target for {symbol} (symbols in the settings: {known})")

    async def source(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            return answer(200, self._engine.report(name))
        except KeyError:
            running = [
                name for name, one in self._engine.state()["sources"].items() if one["status"] == "running"
            ]
            return refuse(
                404, f"no source {name} is running (those that are: {', '.join(running) or 'none'})"
            )

    async def signals(self, request: web.Request) -> web.Response:
        return await self._listed("signals", self._history.signals, request)

    async def quarantine(self, request: web.Request) -> web.Response:
        return await self._listed("quarantine", self._history.quarantine, request)

    async def _listed(self, name: str, read: Callable[[int], Any], request: web.Request) -> web.Response:
        text = request.query.get("limit", "20")
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _SIGNALS):
            return refuse(400, f"limit: a number from 1 to {_SIGNALS}, not {text[:40]!r}")
        return answer(200, {name: await asyncio.to_thread(read, int(text))})

    async def resume(self, request: web.Request) -> web.Response:
        # A web page of anybody's can make a browser send a form here, but not JSON: that asks first.
        if request.content_type != "application/json":
            return refuse(415, "send 'Content-Type: application/json'")
        kind, name = request.match_info["kind"], request.match_info["name"]
        try:
            return answer(200, self._engine.resume(kind, name))
        except KeyError:
            return refuse(404, f"there is no [{kind}.{name}] in the settings")

    async def plugins(self, _request: web.Request) -> web.Response:
        return answer(200, {"plugins": self._engine.state()["plugins"]})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (NotReady, JournalError) as error:
        return refuse(503, str(error))
    except web.HTTPException as error:
        response = refuse(error.status, error.reason.lower())
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response


def _only_this_host(settings: PrivateListenerSettings) -> Any:
    """Refuse foreign ``Host`` names on loopback: a web page may point its name here (DNS rebinding)."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        if is_loopback(settings.host) and host is not None and not is_loopback(_without_port(host)):
            return refuse(421, "this address answers to localhost and 127.0.0.1 only")
        return await handler(request)

    return guard


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _bearer(settings: PrivateListenerSettings) -> Any:
    expected = f"Bearer {settings.token.get_secret_value()}".encode() if settings.token else None

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if expected is None or request.path == "/healthz" or hmac.compare_digest(given, expected):
            return await handler(request)
        response = refuse(401, "send 'Authorization: Bearer <listen.private.token>'")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    return guard
