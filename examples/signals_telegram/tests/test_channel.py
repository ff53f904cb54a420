"""The source against the Bot API on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pydantic import ValidationError

from te_core.api import AuthError, NotReady, SignalSource
from te_core.testing.fakes import SourceRecorder
from te_core.testing.http_harness import HttpFault
from te_core.testing.http_source_harness import HttpSourceHarness
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import GARBAGE, SourceAbility, SourceHarness
from te_emulators.telegram.server import TOKEN, BotApi, Refused, bot_api
from te_signals_telegram.plugin import ChannelOptions, ChannelSource, te_signal_sources

D = Decimal
SENT = datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def channel(engine: SourceRecorder, token: str = TOKEN) -> AsyncIterator[tuple[BotApi, SignalSource]]:
    async with bot_api() as api, ClientSession() as session:
        options = ChannelOptions.model_validate({"token": token, "channel": "@signals", "api": api.url})
        context = engine.context(options, symbols={"BTC": "BTCUSDT", "ETH": "ETHUSDT"})
        yield api, ChannelSource(replace(context, http=lambda: session))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):  # only ends a test that hangs
        while not condition():
            await asyncio.sleep(0.005)  # the source runs on real sockets: there is no event to wait for


@pytest.mark.real_clock
async def test_posts_of_the_channel_become_signals() -> None:
    engine = SourceRecorder()
    async with channel(engine) as (api, source):
        running = asyncio.create_task(source.run())
        api.post("@signals", "good morning")
        api.post("@others_too", "SHORT BTC")
        api.post("@signals", "long #btc 50 %", sent=SENT)
        api.post("@signals", "SHORT ETH", sent=SENT)
        api.post("@signals", "LONG BTC 500 %")
        api.post("@signals", "LONG BTC 12,5 %")
        api.post("@signals", "FLAT BTC", sent=SENT)
        await until(lambda: len(engine.published) == 3)
        running.cancel()
    said = [(signal.symbol, signal.depth, signal.time) for signal in engine.published]
    assert said == [("BTCUSDT", D("0.5"), SENT), ("ETHUSDT", D(-1), SENT), ("BTCUSDT", D(0), SENT)]
    assert [refused.body for refused in engine.quarantined] == ["LONG BTC 500 %", "LONG BTC 12,5 %"]


@pytest.mark.real_clock
async def test_a_post_whose_signal_was_not_kept_is_read_again() -> None:
    engine = SourceRecorder()
    async with channel(engine) as (api, source):
        api.post("@signals", "LONG BTC", sent=SENT)
        engine.failure = NotReady("the disk is full")
        with pytest.raises(NotReady, match="disk"):
            await source.run()
        engine.failure = None
        running = asyncio.create_task(source.run())
        await until(lambda: bool(engine.published))
        running.cancel()
    assert [signal.depth for signal in engine.published] == [D(1)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Refused(401, "Unauthorized"), AuthError),
        (Refused(409, "Conflict: terminated by other getUpdates request"), NotReady),
        (Refused(429, "Too Many Requests: retry after 7", retry_after=7), NotReady),
    ],
)
@pytest.mark.real_clock
async def test_a_refusal_decides_what_the_engine_does(answer: Refused, expected: type[Exception]) -> None:
    async with channel(SourceRecorder()) as (api, source):
        api.faults["getUpdates"] = [answer]
        with pytest.raises(expected, match=answer.description) as raised:
            await source.run()
        assert getattr(raised.value, "retry_after", None) == answer.more.get("retry_after")


@pytest.mark.real_clock
async def test_the_token_is_in_no_message() -> None:
    async with channel(SourceRecorder()) as (api, source):
        api.gone = True
        with pytest.raises(NotReady) as raised:
            await source.run()
    assert TOKEN not in f"{raised.value!r} {raised.value.__cause__!r}"


@pytest.mark.parametrize("wrong", [{"channel": "signals"}, {"pattern": "(?P<side>long)"}, {"chanel": "@x"}])
def test_wrong_settings_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ChannelOptions.model_validate({"token": TOKEN, "channel": "@signals", **wrong})


class ChannelHarness(HttpSourceHarness):
    """A channel, and the Bot API between it and the source."""

    (spec,) = te_signal_sources()
    faults = {
        **HttpSourceHarness.faults,
        SourceAbility.REFUSE_THE_KEY: HttpFault(
            times=None,
            status=401,
            body=b'{"ok": false, "error_code": 401, "description": "Unauthorized"}',
        ),
    }
    states_time = True
    garbage = (*GARBAGE, b'{"ok": true}', b'{"ok": true, "result": [{"update_id": "one"}]}')

    def __init__(self) -> None:
        self.api = BotApi()
        super().__init__()

    def application(self) -> web.Application:
        made = web.Application()
        made.router.add_post("/bot{token}/{method}", self.api.serve)
        return made

    def options(self) -> Mapping[str, Any]:
        return {"token": TOKEN, "channel": "@signals", "api": self.url}

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        side = "FLAT" if not depth else "LONG" if depth > 0 else "SHORT"
        self.api.post("@signals", f"{side} {spelling} {abs(100 * depth):f} %", sent=sent or self.clock.now())

    async def repeat(self) -> None:
        self.api.repeat()


@pytest.mark.wired_clock
class TestChannel(SourceConformance):
    def make_source(self, folder: Path) -> SourceHarness:
        return ChannelHarness()
