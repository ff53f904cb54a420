"""Hours of failure: how often requests are sent, what is logged, and how soon everything has recovered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from te_core.api import RateLimited
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.budget import Budget, Window
from te_exchange_ccxt.client.connection import Connection
from te_exchange_ccxt.client.error_classification import MAX_PAUSE, pause_seconds
from te_exchange_ccxt.client.transport import MAX_CONNECT_DELAY, HttpTransport
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.responses import Response, last_response

HOUR = 3600.0


class Adapter(GenericAdapter):
    """Its clock and ours differ by ``skew``, milliseconds."""

    skew = 0.0

    def __init__(self) -> None:
        super().__init__(GenericOptions(exchange="bybit"))

    async def clock_skew(self) -> float | None:
        return self.skew

    def adjust_clock(self, skew: float) -> None:
        pass


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{message}")
    yield lines
    logger.remove(sink)


async def test_one_that_waits_before_it_dials_again_holds_up_no_other() -> None:
    """If connections are limited, ten accounts would recover one after the other, half a minute each."""
    clock = VirtualClock()
    wiring: Any = object.__new__(HttpTransport)
    wiring.connect_cost = {"connections": 1}
    wiring.budget_share = Budget(clock, logger.warning).share([Window("connections", 1, 1.0)], "key")
    made: list[float] = []

    async def connect(session: object) -> None:
        del session
        made.append(clock.monotonic())

    await asyncio.gather(*(wiring._connect(None, connect, None, delay) for delay in (30.0, 30.0, 0.0, 0.0)))
    assert made == [0.0, 1.0, 30.0, 31.0]


async def test_a_stream_reconnects_whatever_retry_after_says() -> None:
    class Refused:
        def ws_dial_delay(self, url: str) -> float:
            del url
            return 86_400.0

    client: Any = object.__new__(type("Client", (HttpTransport, Refused), {}))
    assert client.ws_dial_delay("wss://x") == MAX_CONNECT_DELAY


async def test_a_clock_that_is_refused_for_hours_is_logged_once(told: list[str]) -> None:
    adapter = Adapter()
    adapter.skew = 5000.0
    context: Any = SimpleNamespace(clock=VirtualClock(), log=logger)
    link = Connection(context, adapter)
    for _ in range(100):
        await link._react(ErrorKind.CLOCK, "equity")
    assert len(told) == 1
    assert "5.0 s ahead of the exchange's" in told[0]
    adapter.skew = 0.0
    await link._react(ErrorKind.CLOCK, "equity")
    assert told[1:] == ["this machine's clock is correct again\n"]


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("86400", MAX_PAUSE), ("1795658171", MAX_PAUSE)])
async def test_no_exchange_has_us_wait_for_more_than_an_hour(said: str, seconds: float) -> None:
    last_response.set(Response(429, {"retry-after": said}, ""))
    assert pause_seconds(ErrorKind.RATE, Adapter()) == seconds


async def test_after_an_hour_of_refusals_nothing_old_is_sent(told: list[str]) -> None:
    """Requests during a pause fail at once or are cancelled: none is left to be sent later."""
    clock = VirtualClock()
    budget = Budget(clock, logger.warning)
    share = budget.share([Window("requests", 5, 1.0)], "key")
    sent: list[float] = []

    async def ask() -> None:
        async with asyncio.timeout(10), share.turn({"requests": 1}):
            sent.append(clock.monotonic())
            await asyncio.sleep(0.1)
            share.back_off(1.0, "the exchange's request limit is used up")

    async def account() -> None:
        while clock.monotonic() < HOUR:
            with suppress(RateLimited, TimeoutError):
                await ask()
            await asyncio.sleep(1)

    await asyncio.gather(*(account() for _ in range(20)))
    assert len(sent) <= 5 * HOUR
    assert len(told) == 1
    assert not any(budget._schedule._waiting.values())
    assert sum(len(tally.spent) for tally in budget._schedule._tallies.values()) <= 20
