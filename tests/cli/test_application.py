"""The whole engine in this process: started, fed over HTTP, reconfigured while it runs, stopped."""

from __future__ import annotations

import asyncio
import itertools
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession
from loguru import logger

from te_core.app.announcement import Announcement
from te_core.app.application import Application
from te_core.app.paths import Paths
from te_core.clock import SystemClock
from te_core.errors import ConfigError, JournalLocked
from te_core.plugins.registry import Registry

pytestmark = pytest.mark.real_clock

TOKEN = "a-token-for-tests-1234567890"
ALERT = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "50000"}


def _application(folder: Any) -> Application:
    ids = itertools.count()
    return Application(
        Paths(folder.settings, folder.state),
        env={},
        clock=SystemClock(),
        new_id=lambda: f"id-{next(ids)}",
        new_secret=lambda: TOKEN,
        registry=Registry(),
    )


@asynccontextmanager
async def _running(folder: Any) -> AsyncIterator[Application]:
    application = _application(folder)
    await application.start()
    try:
        yield application
    finally:
        await application.stop()
        logger.remove()


async def _until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


def _target(application: Application, symbol: str = "BTCUSDT", account: str = "paper") -> dict[str, Any]:
    state = application.queries.state()["accounts"].get(account, {"targets": {}})
    found: dict[str, Any] = state["targets"].get(symbol, {})
    return found


async def _send(application: Application, **fields: str) -> int:
    url = f"{application.servers.public.url}/hooks/tradingview/{TOKEN}"
    async with ClientSession() as http, http.post(url, json={**ALERT, **fields}) as response:
        return response.status


async def test_an_alert_becomes_a_position(folder: Any) -> None:
    async with _running(folder) as application:
        assert await _send(application) == 200
        await _until(lambda: _target(application).get("confirmed"))
        positions = application.queries.state()["accounts"]["paper"]["positions"]
        assert positions["BTCUSDT"]["size"] == "0.15"
        assert application.queries.readiness() == {"ready": True, "reasons": [], "halts": [], "observing": []}


async def test_edits_apply_at_run_time_and_refused_ones_change_nothing(folder: Any) -> None:
    async with _running(folder) as application:
        await _send(application)
        await _until(lambda: _target(application).get("confirmed"))
        folder.edit(
            "leverage = 3\nweights = { tradingview = 0.5 }", "leverage = 3\nweights = { tradingview = 5 }"
        )
        await _until(lambda: application.queries.state()["settings"]["refused"])
        assert "weights" in application.queries.state()["settings"]["refused"][0]
        assert _target(application)["depth"] == "0.25"
        folder.edit("weights = { tradingview = 5 }", "weights = { tradingview = 0.4 }")
        await _until(lambda: _target(application).get("depth") == "0.2")
        assert application.queries.state()["settings"]["refused"] == []
        folder.edit("[symbols.BTCUSDT]", '[accounts.second]\nplugin = "paper"\n[symbols.BTCUSDT]')
        await _until(lambda: _target(application, account="second").get("confirmed"))
        folder.edit(
            '[accounts.second]\nplugin = "paper"', '[accounts.second]\nplugin = "paper"\nenabled = false'
        )
        await _until(lambda: _target(application, account="second").get("depth") == "0")


async def test_a_second_engine_is_refused_and_leaves_the_first_alone(folder: Any) -> None:
    async with _running(folder) as application:
        with pytest.raises(JournalLocked):
            await _application(folder).start()
        assert await _send(application) == 200
        assert Announcement.read(folder.state) is not None


async def test_strict_refuses_to_start_without_a_plugin(folder: Any) -> None:
    folder.edit('plugin = "paper"', 'plugin = "papper"')
    async with _running(folder) as application:
        assert application.queries.state()["accounts"]["paper"]["status"] == "unavailable"
        assert not application.queries.readiness()["ready"]
        assert await _send(application) == 200
    folder.settings.write_text("[engine]\nstrict = true\n" + folder.settings.read_text())
    with pytest.raises(ConfigError, match=r"accounts\.paper.*\n.*engine\.strict"):
        await _application(folder).start()
    folder.edit("strict = true", "strict = false")
    async with _running(folder):
        pass


async def test_after_a_stop_it_can_be_started_again(folder: Any) -> None:
    for revision in (1, 1):
        async with _running(folder) as application:
            await _send(application)
            await _until(lambda: _target(application).get("confirmed"))
            assert _target(application)["revision"] == revision
        assert Announcement.read(folder.state) is None


async def test_a_request_before_the_engine_runs_is_told_to_wait(folder: Any) -> None:
    application = _application(folder)
    folder.edit('plugin = "paper"', 'plugin = "slow"')
    reached = asyncio.Event()
    asked: list[tuple[int, int, int]] = []

    class SlowRegistry(Registry):
        async def ensure(self, names: Any, pins: Any = None) -> None:
            await _ask()
            await super().ensure(names, pins or {})

    async def _ask() -> None:
        servers = application.servers
        async with ClientSession() as http:
            statuses = []
            for url in (
                f"{servers.public.url}/hooks/tradingview/{TOKEN}",
                f"{servers.private.url}/readyz",
                f"{servers.private.url}/healthz",
            ):
                token = tomllib.loads((folder.path / ".secrets.toml").read_text())["listen"]["private"][
                    "token"
                ]
                async with http.get(url, headers={"Authorization": f"Bearer {token}"}) as response:
                    statuses.append(response.status)
            asked.append((statuses[0], statuses[1], statuses[2]))
        reached.set()

    slow = SlowRegistry()
    application.registry = slow
    application._store._registry = slow
    await application.start()
    await application.stop()
    logger.remove()
    assert asked == [(503, 503, 200)]


async def test_a_token_in_a_plugins_error_does_not_reach_the_log(folder: Any, monkeypatch: Any) -> None:
    folder.settings.write_text('[logs]\nfile = "engine.log"\n' + folder.settings.read_text())
    async with _running(folder) as application:
        source = application._started.sources["tradingview"].instance
        assert source is not None

        async def fail(request: Any) -> Any:
            raise ValueError(f"cannot cope with {request.tail} and {TOKEN}")

        monkeypatch.setattr(source, "on_webhook", fail)
        assert await _send(application) == 503, "its sender tries again"
    log = (folder.state / "engine.log").read_text()
    assert "cannot cope with" in log
    assert "Traceback" in log
    assert TOKEN not in log
