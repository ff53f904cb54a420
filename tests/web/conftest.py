"""A fake engine behind the real listeners, on loopback ports of the system's choosing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from loguru import logger

from te_core.clock import SystemClock
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import CommandRefused
from te_core.journal.order_lookup import NoSuchOrder
from te_core.journal.pages import Wanted
from te_core.model.control import Command
from te_core.reporting.history import JournalHistory
from te_core.reporting.queries import Queries
from te_core.reporting.results import CurveWanted, ResultsWanted
from te_core.settings.listeners import ListenSettings
from te_core.settings.schema import SymbolSettings
from te_core.web.server import ServerFiles, Servers

TOKEN = "a-token-of-some-length-1234"
NONCE = "n" * 20


class FakeEngine:
    """Records what reaches it; ``reply`` is what it returns or raises."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, WebhookRequest]] = []
        self.screened: list[tuple[str, WebhookRequest]] = []
        self.verdict: WebhookResponse | None = None
        self.events: list[tuple[str, str]] = []
        self.reply: WebhookResponse | BaseException = WebhookResponse(status=200, body={"status": "accepted"})
        self.hold: asyncio.Event | None = None
        self.commands: list[tuple[Command, bool]] = []

    def screen(self, source: str, request: WebhookRequest) -> WebhookResponse | None:
        self.screened.append((source, request))
        return self.verdict

    def report_event(self, kind: str, text: str) -> None:
        self.events.append((kind, text))

    async def on_webhook(self, source: str, request: WebhookRequest) -> WebhookResponse:
        self.requests.append((source, request))
        if self.hold is not None:
            await self.hold.wait()
        if isinstance(self.reply, BaseException):
            raise self.reply
        return self.reply

    def resume(self, kind: str, name: str, symbol: str = "") -> Mapping[str, Any]:
        return {("accounts", "paper"): {"name": name, "resumed": True}}[kind, name]

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        if "nobody" in command.accounts:
            raise CommandRefused("there is no [accounts.nobody] in the settings")
        self.commands.append((command, preview))
        return {"set": [{"text": "halted by alice"}], "lifted": []}


class FakeHistory(JournalHistory):
    """``there``: whether there is any event yet; ``came``: called when there is one."""

    def __init__(self) -> None:
        self.there = True
        self.came: asyncio.Future[None] | None = None

    def news(self) -> Awaitable[None]:
        self.came = asyncio.get_running_loop().create_future()
        return self.came

    def writes(self) -> int:
        return 0

    def version(self) -> int:
        return 1

    def signals(self, wanted: Wanted) -> dict[str, Any]:
        found = [{"symbol": "BTCUSDT", "depth": Decimal("0.10")}] * min(wanted.limit, 30)
        return {"signals": found, "next": 7}

    def quarantine(self, wanted: Wanted) -> dict[str, Any]:
        return {"quarantine": [{"reason": "size: not a number"}][: wanted.limit], "next": None}

    def events(self, wanted: Wanted) -> dict[str, Any]:
        return {"events": [asdict(wanted)] if self.there else [], "next": None}

    orders = activity = flows = events

    def order(self, name: str) -> dict[str, Any]:
        if name != "o1":
            raise NoSuchOrder(f"no order {name} is known")
        return {"order": {"client_order_id": name}}

    def pnl(self, wanted: ResultsWanted) -> dict[str, Any]:
        return {"asked": asdict(wanted)}

    def history(self, wanted: CurveWanted) -> dict[str, Any]:
        return {"asked": asdict(wanted)}


class FakeQueries(Queries):
    """Answers with fixed values; records the sections that were asked about."""

    history: FakeHistory

    def __init__(self, history: FakeHistory) -> None:
        self.history = history
        self.reasons: list[str] = []
        self.sections: Mapping[str, SymbolSettings | None] | None = None

    def state(self) -> dict[str, Any]:
        equity = Decimal("12345678901234567890.123456789")
        return {
            "accounts": {"paper": {"equity": equity}},
            "sources": {"tradingview": {"status": "running"}},
            "symbols": {"BTCUSDT": {}},
            "plugins": [{"name": "x"}],
            "commands": [{"text": "all accounts: halted"}],
        }

    def state_steps(self) -> Generator[None, None, dict[str, Any]]:
        yield
        return self.state()

    async def plan(self, sections: Mapping[str, SymbolSettings | None] | None = None) -> dict[str, Any]:
        self.sections = sections
        return {"accounts": {"paper": {"BTCUSDT": {"steps": []}}}}

    async def instruments(self, symbols: Sequence[str]) -> dict[str, Any]:
        return {"accounts": {"paper": {"symbols": {name: {"largest_leverage": 25} for name in symbols}}}}

    async def doctor(self) -> dict[str, Any]:
        return {"accounts": {"paper": [{"severity": "ok", "check": "equity"}]}}

    def explain(self, symbol: str) -> dict[str, Any]:
        return {"BTCUSDT": {"symbol": symbol}}[symbol]

    def report(self, source: str) -> dict[str, Any]:
        return {"oracle": {"mood": "calm"}}[source]

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        return f"te_ready 1\n# {accept}\n".encode(), "text/plain; version=0.0.4; charset=utf-8"

    def readiness(self) -> dict[str, Any]:
        return {"ready": not self.reasons, "reasons": self.reasons}


@dataclass
class Running:
    engine: FakeEngine
    servers: Servers
    http: ClientSession
    queries: FakeQueries

    @property
    def public(self) -> str:
        return self.servers.public.url

    @property
    def private(self) -> str:
        return self.servers.private.url

    @property
    def request(self) -> WebhookRequest:
        """The only request that reached the engine."""
        ((_, request),) = self.engine.requests
        return request

    async def raw(self, *chunks: bytes, private: bool = False, timeout: float | None = None) -> bytes:
        """Send raw bytes and read until the server closes the connection.

        With ``timeout`` (seconds) the sender hangs up when nothing more arrives: for requests that never end.
        """
        port = int((self.private if private else self.public).rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
            return await _all_of(reader, timeout)
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def _all_of(reader: asyncio.StreamReader, timeout: float | None) -> bytes:
    answer = b""
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(timeout):
                if not (part := await reader.read(65536)):
                    break
            answer += part
    return answer


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start both listeners: ``async with serve(public={...}, private={...}) as site``."""

    @asynccontextmanager
    async def start(
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        is_open: bool = True,
    ) -> AsyncIterator[Running]:
        engine, queries = FakeEngine(), FakeQueries(FakeHistory())
        settings = {"public": {"port": 0, **(public or {})}, "private": {"port": 0, **(private or {})}}
        servers = Servers(
            queries,
            engine,
            SystemClock(),
            ListenSettings.model_validate(settings),
            files=ServerFiles(settings=tmp_path, state=tmp_path),
            token=TOKEN,
            nonce=NONCE,
        )
        await servers.start()
        try:
            if is_open:
                servers.open(engine)
            async with ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as http:
                yield Running(engine, servers, http, queries)
        finally:
            await servers.stop()

    return start


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """Every log line of the test, ours and aiohttp's, with tracebacks."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="TRACE", format="{level} {message}", diagnose=False)
    yield lines
    logger.remove(sink)
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
