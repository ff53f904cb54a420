"""An engine reports its start, its end, its settings and each day, and sends heartbeats while it is ready."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from loguru import logger

from te_core.app.announcement import ANNOUNCEMENT
from te_core.app.daily_summary import DailySummary
from te_core.app.sign_of_life import SignOfLife
from te_core.outage import Outages
from te_core.settings.notices import NoticesSettings
from te_core.testing.virtual_clock import VirtualClock
from tests.cli.test_application import _running, _until

SECRET = "a-check-nobody-knows"


class Site:
    """A server on loopback that records requests. ``status``: of its responses."""

    def __init__(self) -> None:
        self.beats = 0
        self.status = 200
        self.told: list[Any] = []

    async def serve(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            self.beats += request.path == f"/{SECRET}"
        else:
            self.told.append(json.loads(await request.read()))
        return web.Response(status=self.status)

    def of(self, kind: str) -> list[str]:
        return [one["text"] for one in self.told if one["kind"] == kind]


@asynccontextmanager
async def serving(site: Site) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", site.serve)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.real_clock
async def test_start_settings_day_and_end_are_notified(folder: Any) -> None:
    site = Site()
    async with serving(site) as url:
        notifier = f'[notifiers.mine]\nplugin = "webhook"\ngather = 0\nurl = "{url}/"\n'
        folder.settings.write_text(folder.settings.read_text() + notifier)
        folder.state.mkdir(exist_ok=True)
        (folder.state / ANNOUNCEMENT).write_text("{}")
        async with _running(folder) as application:
            await _until(lambda: application.queries.readiness()["ready"] and site.of("started"))
            (started,) = site.of("started")
            assert "sources: tradingview, accounts: paper" in started
            assert "the last run was not stopped cleanly" in started
            folder.edit("leverage = 3", "leverage = 0")
            await _until(lambda: site.of("settings"))
            changed = f'[notices]\nheartbeat_url = "{url}/{SECRET}"\n[symbols.BTCUSDT]\nleverage = 2'
            folder.edit("[symbols.BTCUSDT]\nleverage = 0", changed)
            await _until(lambda: site.beats)
            await _until(lambda: len(site.of("settings")) == 2)
            refused, applied = site.of("settings")
            assert refused.startswith("refused; the last valid ones stay active: ")
            assert "symbols.BTCUSDT.leverage" in refused
            assert applied == "applied: update symbols.BTCUSDT; update notices"
            await application._send_daily_summary(datetime.now().astimezone() - timedelta(days=1))
            await _until(lambda: site.of("daily_summary"))
            (summary,) = site.of("daily_summary")
            assert summary.startswith("paper (paper): 10,000.00, profit 0.00 since ")
            assert summary.endswith("0 positions\nnothing needs attention")
        assert site.of("stopped")
        assert not [one for one in site.told if SECRET in json.dumps(one)]
        async with _running(folder) as application:
            await _until(lambda: len(site.of("started")) == 2)
            assert "not stopped" not in site.of("started")[1]
            assert application.engine is not None
            journal = application.engine._journal
            await journal.append()
            kinds = [event.kind for event in reversed(journal.events(99))]
            lives = [kind for kind in kinds if kind in {"started", "stopped"}]
            assert lives == ["started", "stopped", "started"]


@asynccontextmanager
async def beating(
    site: Site, url: str, readiness: Callable[[], Any], **section: Any
) -> AsyncIterator[SignOfLife]:
    """Run a heartbeat on the virtual clock against a site that answers at once."""

    class Session:
        @asynccontextmanager
        async def get(self, asked: str, **_: Any) -> AsyncIterator[Any]:
            site.beats += asked == url
            yield type("Response", (), {"status": site.status})

    clock = VirtualClock()
    heartbeat = SignOfLife(
        settings=lambda: NoticesSettings.model_validate({"heartbeat_url": url, **section}),
        readiness=readiness,
        http=Session,  # type: ignore[arg-type]
        log=logger,
        outages=Outages(
            clock, logger, lambda event: site.told.append({"kind": event.kind, "text": event.text})
        ),
    )
    task = asyncio.create_task(heartbeat.run())
    yield heartbeat
    task.cancel()


async def test_a_heart_beats_while_the_engine_is_ready_and_only_then() -> None:
    site, ready = Site(), {"ready": True, "reasons": ["account one: unreadable"]}
    async with beating(site, f"https://alive.example.org/{SECRET}", lambda: ready, heartbeat_every="30s"):
        await asyncio.sleep(299)
        assert site.beats == 10
        ready["ready"] = False
        await asyncio.sleep(3600)
        assert site.beats == 10
        ready["ready"] = True
        await asyncio.sleep(60)
        assert site.beats == 12
        site.status = 500
        await asyncio.sleep(300)
        site.status = 200
        await asyncio.sleep(60)
        assert site.of("outage") == ["heartbeat: alive.example.org: answered 500; trading continues"]
        assert len(site.of("recovery")) == 1
        assert SECRET not in str(site.told)


async def test_each_day_is_summed_up_once_at_its_time() -> None:
    clock, told = VirtualClock(), list[tuple[datetime, datetime]]()
    section = {"summary_at": "07:30", "zone": "Europe/Berlin"}

    async def send(since: datetime) -> None:
        told.append((clock.now(), since))

    daily = DailySummary(clock, lambda: NoticesSettings.model_validate(section), send)
    task = asyncio.create_task(daily.run())
    await asyncio.sleep(3.5 * 86_400)
    assert [f"{at:%d %H:%M}" for at, _ in told] == ["01 06:30", "02 06:30", "03 06:30", "04 06:30"]
    assert all(at - since == timedelta(days=1) for at, since in told)
    section["summary_at"] = "12:00"
    daily.settings_changed()
    await asyncio.sleep(86_400)
    assert [f"{at:%H:%M}" for at, _ in told[4:]] == ["11:00"]
    task.cancel()


async def test_a_day_is_summed_up_when_the_machine_wakes() -> None:
    clock, told = VirtualClock(), list[datetime]()

    async def send(since: datetime) -> None:
        told.append(since)

    section = NoticesSettings.model_validate({"summary_at": "07:30", "zone": "UTC"})
    task = asyncio.create_task(DailySummary(clock, lambda: section, send).run())
    await asyncio.sleep(60)
    clock.suspend(10 * 3600)
    await asyncio.sleep(120)
    assert len(told) == 1
    task.cancel()
