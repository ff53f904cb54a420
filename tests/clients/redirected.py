"""Every HTTP client of the project, and how to make it request from a server that redirects.

``CLIENTS`` has each module that uses an HTTP library at run time: ``tests/architecture`` finds them and compares.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from aiohttp import web
from loguru import logger

from te_core.api import Event, NotifierContext, NotReady, Outages, http_session
from te_core.app.sign_of_life import SignOfLife
from te_core.app.traces import Traces
from te_core.cli.client import request
from te_core.clock import SystemClock
from te_core.settings.notices import NoticesSettings
from te_core.settings.schema import TracingSettings
from te_core.testing.fakes import SourceRecorder
from te_core.testing.stream_recorder import StreamRecorder
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_emulators.wire.call import Call, Outcome, Reply
from te_notify_apprise.notifier import AppriseNotifier
from te_notify_apprise.options import AppriseOptions
from te_notify_telegram.notifier import TelegramNotifier
from te_notify_telegram.options import TelegramOptions
from te_notify_webhook.notifier import WebhookNotifier
from te_notify_webhook.options import WebhookNotifierOptions
from te_signals_bittensor.feed import Feed
from te_signals_bittensor.fetching import Fetcher, authenticated_request
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.routes import Routes
from tests.exchanges.trading import PLUGINS, spec_of

REDIRECTS = (301, 302, 303, 307, 308)
"""What aiohttp follows by default."""
SECRET = "planted-secret-4711"


class Elsewhere:
    """The server that redirects lead to, on another port; and a server that answers everything with a redirect."""

    def __init__(self) -> None:
        self.status = 302
        self.asked: list[str] = []
        self.came: list[str] = []
        self.target = self.url = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a redirect that leads here, and repeats a secret."""
        return {"Location": f"{self.target}/stolen?signature={SECRET}"}

    async def redirect(self, request: web.Request) -> web.Response:
        """Redirect, and record the request."""
        self.asked.append(f"{request.method} {request.path}")
        return web.json_response({"code": 0, "data": []}, status=self.status, headers=self.headers)

    async def record(self, request: web.Request) -> web.Response:
        """Record a request that must never come."""
        self.came.append(f"{request.method} {request.path_qs}")
        return web.json_response({})


@asynccontextmanager
async def elsewhere() -> AsyncIterator[Elsewhere]:
    """Run both servers."""
    found, runners = Elsewhere(), []
    for handler in (found.record, found.redirect):
        site = web.Application()
        site.router.add_route("*", "/{rest:.*}", handler)
        runner = web.AppRunner(site, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        runners.append(runner)
    found.target, found.url = (f"http://127.0.0.1:{runner.addresses[0][1]}" for runner in runners)
    try:
        yield found
    finally:
        for runner in runners:
            await runner.cleanup()


Ask = Callable[[Elsewhere, Path], Awaitable[None]]
"""Make a client request ``Elsewhere.url`` at least once; raises what the engine would receive."""


async def any_session(server: Elsewhere, _folder: Path) -> None:
    """A request of the session that every plugin can get, with aiohttp's defaults."""
    async with http_session() as session, session.post(server.url, data=SECRET):
        pass


async def any_socket(server: Elsewhere, _folder: Path) -> None:
    """A WebSocket handshake of such a session."""
    async with http_session() as session, session.ws_connect(server.url):
        pass


async def own_client(server: Elsewhere, _folder: Path) -> None:
    """The client of ``te status`` and similar commands."""
    await asyncio.to_thread(request, server.url, "/api/v1/state")


async def miners(server: Elsewhere, _folder: Path) -> None:
    """The miners' positions."""
    options = BittensorOptions.model_validate({"url": server.url, "api_key": SECRET})
    async with http_session() as session:
        await Fetcher(options, lambda: session).fetch()


async def miners_facts(server: Elsewhere, _folder: Path) -> None:
    """Upstream's data other than positions, requested with the key."""
    options = BittensorOptions.model_validate({"url": server.url, "api_key": SECRET})
    async with http_session() as session:
        routes = Routes(options, lambda: session, SystemClock(), asyncio.to_thread)
        await routes._get("collateral/", authenticated_request(options))


async def miners_feed(server: Elsewhere, _folder: Path) -> None:
    """The stream of miners' positions."""
    options = BittensorOptions.model_validate(
        {"url": server.url, "feed_url": server.url.replace("http", "ws"), "api_key": SECRET}
    )
    recorder = SourceRecorder(clock=SystemClock())
    context: Any = recorder.context(options)
    async with http_session() as session:
        given = SimpleNamespace(
            options=options, outages=context.outages, http=lambda: session, clock=recorder.clock
        )
        await Feed(given, asyncio.Event())._connection()  # type: ignore[arg-type]  # all that it uses


async def webhook(server: Elsewhere, folder: Path) -> None:
    """A notice."""
    options = WebhookNotifierOptions.model_validate({"url": f"{server.url}/{SECRET}"})
    async with http_session() as session:
        notifier = WebhookNotifier(
            NotifierContext(
                name="phone",
                options=options,
                clock=SystemClock(),
                log=logger,
                state_dir=folder,
                http=lambda: session,
            )
        )
        await notifier.notify(Event(at=datetime(2026, 1, 1, tzinfo=UTC), kind="test", text="x"))


async def apprise(server: Elsewhere, folder: Path) -> None:
    """A notice by Apprise."""
    options = AppriseOptions.model_validate({"urls": f"{server.url.replace('http', 'json')}/{SECRET}"})
    context = NotifierContext(
        name="phone",
        options=options,
        clock=SystemClock(),
        log=logger,
        state_dir=folder,
        http=http_session,
    )
    notifier = AppriseNotifier(context)
    await notifier.notify(Event(at=datetime(2026, 1, 1, tzinfo=UTC), kind="test", text="x"))


async def telegram(server: Elsewhere, folder: Path) -> None:
    """A notice to a chat; the bot's token is part of the address."""
    token = f"123456789:{SECRET}-{'0' * 20}"
    options = TelegramOptions.model_validate({"token": token, "chats": [1], "api": server.url})
    async with http_session() as session:
        notifier = TelegramNotifier(
            NotifierContext(
                name="phone",
                options=options,
                clock=SystemClock(),
                log=logger,
                state_dir=folder,
                http=lambda: session,
            )
        )
        await notifier.notify(Event(at=datetime(2026, 1, 1, tzinfo=UTC), kind="test", text="x"))


async def heartbeat(server: Elsewhere, folder: Path) -> None:
    """A heartbeat."""
    del folder
    async with http_session() as session:
        made = SignOfLife(
            settings=NoticesSettings,
            readiness=lambda: {"ready": True},
            http=lambda: session,
            log=logger,
            outages=Outages(SystemClock(), logger, lambda _: None),
        )
        if reason := await made._ask(f"{server.url}/{SECRET}"):
            raise NotReady(reason)


async def collector(server: Elsewhere, _folder: Path) -> None:
    """A trace."""
    problems: list[str] = []
    settings = TracingSettings(enabled=True, endpoint=server.url)
    traces = Traces(settings, clock=SystemClock(), on_problem=problems.append)
    traces.tracer.begin("receive", root=True, source=SECRET).end()
    await asyncio.to_thread(traces.provider.force_flush)
    await traces.close()
    raise NotReady("; ".join(problems))


def exchange(kind: str, name: str = "bybit") -> Ask:
    """An account whose exchange redirects one kind of request."""

    async def ask(server: Elsewhere, folder: Path) -> None:
        async with running(name) as emulator, connected(spec_of(name), emulator, folder) as account:
            await account.instruments(["BTCUSDT"])
            rendered = emulator.rendered

            def redirecting(call: Call, outcome: Outcome) -> Reply:
                if call.kind != kind:
                    return rendered(call, outcome)
                server.asked.append(f"{call.method} {call.path}")
                return Reply(
                    body=rendered(call, outcome).body, status=server.status, headers=dict(server.headers)
                )

            emulator.rendered = redirecting  # type: ignore[method-assign]
            asked = {"order": lambda: account.place_order(order("0.01")), "positions": account.positions}
            await asked[kind]()

    return ask


@asynccontextmanager
async def streaming(server: Elsewhere, name: str, folder: Path) -> AsyncIterator[StreamRecorder]:
    """Run an account with its streams, all served by ``server``."""
    recorder = StreamRecorder()
    async with (
        running(name) as emulator,
        connected(
            spec_of(name), emulator, folder, streams=True, ws_url=server.url.replace("http", "ws")
        ) as account,
    ):
        watching = asyncio.create_task(account.watch(recorder))
        try:
            yield recorder
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


CLIENTS: dict[str, tuple[Ask, ...] | str] = {
    "te_core.http_session": (any_session, any_socket),
    "te_core.cli.client": (own_client,),
    "te_core.app.traces": (collector,),
    "te_core.runtime.engine": "passes a session of te_core.http_session on",
    "te_core.app.selftest": "passes a session of te_core.http_session on",
    "te_core.runtime.lone_account": "passes a session of te_core.http_session on",
    "te_core.cli.notify": "passes a session of te_core.http_session on",
    "te_signals_bittensor.fetching": (miners,),
    "te_signals_bittensor.feed": (miners_feed,),
    "te_signals_bittensor.routes": (miners_facts,),
    "te_notify_webhook.notifier": (webhook,),
    "te_notify_apprise.sending": (apprise,),
    "te_notify_telegram.bot": (telegram,),
    "te_core.app.sign_of_life": (heartbeat,),
    "te_exchange_ccxt.client.client_factory": tuple(
        exchange(kind, name) for name in PLUGINS for kind in ("positions", "order")
    ),
    "te_exchange_ccxt.client.error_classification": "tells apart what aiohttp raised",
}
"""Each client's requests, or why a module that imports an HTTP library sends none."""
