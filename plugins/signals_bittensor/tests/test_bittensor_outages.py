"""Hours of failure: how often upstream is requested, what is logged, and how soon the source recovers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import aiohttp
import pytest
from loguru import logger

from te_core.api import JournalError
from te_signals_bittensor.fetching import FetchFailed
from te_signals_bittensor.source import BittensorSource
from tests.bittensor.records import worked_example

HOUR = 3600.0
STEADY = 60.0
"""Seconds after which a connection of the feed counts as recovered."""


class Socket:
    """A connection that delivers a message every ``every`` seconds for ``lasts`` seconds."""

    close_code = 1008

    def __init__(self, lasts: float, every: float, say: Callable[[], Any]) -> None:
        self._until = asyncio.get_running_loop().time() + lasts
        self._every = every
        self._say = say

    async def send_json(self, message: Any) -> None:
        pass

    async def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        while asyncio.get_running_loop().time() < self._until:
            await asyncio.sleep(self._every)
            yield aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, json.dumps(self._say()), None)


class Line:
    """Replaces the HTTP session."""

    def __init__(self) -> None:
        self.dialled = 0
        self.reachable = True
        self.lasts, self.every = 0.0, 1.0
        self.say: Callable[[], Any] = lambda: {"type": "subscription_status"}

    @asynccontextmanager
    async def ws_connect(self, *_: Any, **__: Any) -> AsyncIterator[Socket]:
        self.dialled += 1
        if not self.reachable:
            raise aiohttp.ClientConnectionError("refused")
        yield Socket(self.lasts, self.every, self.say)


@pytest.fixture
def line() -> Line:
    return Line()


KEY = "key-of-the-validator"


@pytest.fixture
def fed(make_harness: Callable[..., Any], line: Line) -> Any:
    """A harness whose source has a feed."""
    made = make_harness(feed_url="ws://127.0.0.1:1/feed", strategy="parity", api_key=KEY)
    made.upstream.serve(worked_example())
    context = replace(made.source._context, http=lambda: line)
    made.source = BittensorSource(context, fetcher=made.upstream, offload=made.source._offload)
    return made


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """The lines that are logged."""
    logged: list[str] = []
    sink = logger.add(lambda line: logged.append(str(line)), level="INFO", format="{message}")
    yield logged
    logger.remove(sink)


@pytest.mark.parametrize("lasts", [0.0, 3.0])
async def test_a_feed_that_keeps_closing_is_retried_less_and_less(
    fed: Any, line: Line, lines: list[str], lasts: float
) -> None:
    """A key of a lower tier is admitted and then disconnected, for ever; each connection requests a snapshot."""
    line.lasts = lasts
    await fed.run(HOUR)
    assert line.dialled <= 20
    assert len(fed.upstream.asked_at) <= HOUR / 15 + line.dialled
    assert len(lines) == 1
    assert lines[0].startswith("stream: silent: FeedBroken: the server closed the connection")


async def test_an_unreachable_feed_is_logged_once_and_recovers(
    fed: Any, line: Line, lines: list[str]
) -> None:
    line.reachable, line.lasts = False, 10 * HOUR
    task = asyncio.create_task(fed.source.run())
    await asyncio.sleep(HOUR)
    assert line.dialled <= 20
    assert len(lines) == 1
    line.reachable = True
    await asyncio.sleep(300 + STEADY + 1)
    assert fed.source.status()["feed_connects"] == 1
    assert "feed_trouble" not in fed.source.status()
    assert len(lines) == 2
    assert lines[1].startswith("stream recovered after")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_feed_that_skips_numbers_costs_few_fetches(fed: Any, line: Line) -> None:
    numbers = count(0, 2)
    line.lasts = 10 * HOUR
    line.say = lambda: {"sequence": next(numbers), "data": {}}
    await fed.run(HOUR)
    assert fed.source.status()["feed_gaps"] > 3500
    assert len(fed.upstream.asked_at) <= HOUR / 15 + 10


async def test_an_occasional_gap_is_fetched_at_once(fed: Any, line: Line) -> None:
    numbers = iter([0, 1, 5, 6, 7])
    line.lasts, line.every = 10 * HOUR, 100.0
    line.say = lambda: {"sequence": next(numbers), "data": {}}
    await fed.run(450)
    assert 300.0 in fed.upstream.asked_at


async def test_a_fetch_that_the_feed_requests_waits_for_the_back_off(fed: Any, line: Line) -> None:
    """``Retry-After: 3600`` is honoured, however often the feed connects."""
    fed.upstream.failure = FetchFailed("HTTP 429", retry_after=HOUR)
    await fed.run(HOUR - 1)
    assert line.dialled > 10
    assert len(fed.upstream.asked_at) == 1


async def test_a_message_nested_too_deeply_is_counted_and_left_out(fed: Any, line: Line) -> None:
    line.lasts = 10 * HOUR
    fed.source._feed.handle("[" * 100_000)
    assert fed.source.status()["feed_malformed"] == 1


async def test_the_key_stays_secret_when_the_feed_repeats_it(fed: Any, line: Line, lines: list[str]) -> None:
    line.lasts = 10 * HOUR
    line.say = lambda: {"status": "error", "message": f"{KEY} has no access"}
    await fed.run(60)
    assert "has no access" in lines[0]
    assert KEY not in "".join(lines)


async def test_a_feed_that_fails_ends_the_run_at_once(
    fed: Any, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nobody learns of it before the next fetch, which may be an hour away."""

    async def follow() -> None:
        await asyncio.sleep(3)
        raise RuntimeError("a defect")

    monkeypatch.setattr(fed.source._feed, "follow", follow)
    with pytest.raises(RuntimeError, match="a defect"):
        await fed.source.run()
    assert asyncio.get_running_loop().time() == 3


async def test_an_endpoint_that_is_down_for_hours_is_logged_once(make_harness: Any, lines: list[str]) -> None:
    """``backoff`` is the longest pause: some fifteen requests an hour, one log line, then signals within it."""
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    d.upstream.failure = FetchFailed("HTTP 503")
    task = asyncio.create_task(d.source.run())
    await asyncio.sleep(6 * HOUR)
    assert len(d.upstream.asked_at) <= 6 * 12 + 6
    assert lines == ["upstream: silent: HTTP 503\n"]
    d.upstream.failure = None
    await asyncio.sleep(300)
    assert len(d.recorder.published) == 2
    assert len(lines) == 2
    assert lines[1].startswith("upstream recovered after")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_journal_that_fails_for_an_hour_is_logged_once(make_harness: Any, lines: list[str]) -> None:
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    d.recorder.failure = JournalError("disk full")
    task = asyncio.create_task(d.source.run())
    await asyncio.sleep(HOUR)
    assert lines == ["journal: failing: disk full\n"]
    d.recorder.failure = None
    await asyncio.sleep(15)
    assert len(d.recorder.published) == 2
    assert len(lines) == 2
    assert lines[1].startswith("journal recovered after")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
