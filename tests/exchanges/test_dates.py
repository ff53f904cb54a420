"""Every request that changes something is dated by the engine right before it is signed, and not sent if that
refuses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import MarginMode, NotReady
from te_core.clock import SystemClock
from te_core.testing.fakes import account_context
from te_emulators.accounts import order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode as TheirMode
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

STOPPED = timedelta(seconds=20)
"""Longer than any exchange accepts an order after its date."""
CLOCK = SystemClock()


class Dates:
    """Plays the engine: counts the dates that it issues, and refuses or delays them as configured."""

    def __init__(self) -> None:
        self.given: list[datetime] = []
        self.refused: NotReady | None = None
        self.behind = timedelta(0)

    def __call__(self) -> datetime:
        if self.refused is not None:
            raise self.refused
        self.given.append(CLOCK.now() - self.behind)
        return self.given[-1]


Opened = tuple[WireServer, Any, Dates]


@asynccontextmanager
async def opened(exchange: str, folder: Path) -> AsyncIterator[Opened]:
    """An account at an emulator, with a date for every change."""
    dates, spec = Dates(), spec_of(exchange)
    async with running(exchange) as server:
        keys = {"api_key": "K", "secret": "S", "passphrase": "P", "streams": False}
        options = spec.settings.model_validate({"url": server.url, "ws_url": server.ws_url, **keys})
        account = spec.factory(
            account_context(options=options, clock=CLOCK, state_dir=folder, log=logger, date=dates)
        )
        try:
            await account.open()
            await account.prices(["BTCUSDT"])
            server.exchange.counts.clear()
            dates.given.clear()
            yield server, account, dates
        finally:
            await account.close()


def changes(server: WireServer) -> int:
    """Requests that were not reads."""
    return sum(request.method != "GET" for request in server.exchange.counts.log)


MODES = (MarginMode.ISOLATED, MarginMode.CROSS)
CHANGES: dict[str, Callable[[Any, int], Any]] = {
    "order": lambda account, number: account.place_order(order("0.01", number=number)),
    "leverage": lambda account, number: account.set_leverage("BTCUSDT", 4 + number, MarginMode.CROSS),
    "margin mode": lambda account, number: account.set_margin_mode("BTCUSDT", MODES[number]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("exchange", PLUGINS)
async def test_each_request_that_changes_something_takes_one_date(
    exchange: str, change: str, tmp_path: Path
) -> None:
    async with opened(exchange, tmp_path) as (server, account, dates):
        await CHANGES[change](account, 0)
        assert len(dates.given) == changes(server)
        dates.given.clear()
        await asyncio.gather(account.positions(), account.equity(), account.prices(["BTCUSDT"]))
        await account.find_order("BTCUSDT", "7e01")
        assert dates.given == [], "reads are the plugin's own"


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("exchange", PLUGINS)
async def test_nothing_is_sent_that_the_engine_does_not_date(
    exchange: str, change: str, tmp_path: Path
) -> None:
    async with opened(exchange, tmp_path) as (server, account, dates):
        await CHANGES[change](account, 0)
        needed = len(dates.given)
        server.exchange.counts.clear()
        dates.refused = NotReady("decided too long ago")
        try:
            await CHANGES[change](account, 1)
        except NotReady as error:
            assert error is dates.refused  # noqa: PT017 - whether it is raised depends on the exchange
        else:
            assert not needed, "what needs a request is refused"
        assert changes(server) == 0


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_the_date_is_taken_after_all_waiting(exchange: str, tmp_path: Path) -> None:
    async with opened(exchange, tmp_path) as (_, account, dates):
        account._connection._budget_share.back_off(1.0, "a test")
        sending = asyncio.create_task(account.place_order(order("0.01")))
        await asyncio.sleep(0.5)
        assert dates.given == []
        dates.refused = NotReady("decided too long ago")
        with pytest.raises(NotReady, match="too long ago"):
            await sending


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_requests_dated_long_before_arrival_are_refused(exchange: str, tmp_path: Path) -> None:
    """A process that is stopped between the date and the wire sends the request when it continues."""
    async with opened(exchange, tmp_path) as (server, account, dates):
        dates.behind = STOPPED
        with pytest.raises(NotReady, match="clock"):
            await account.place_order(order("0.01"))
        assert server.exchange.counts.orders == 0
        dates.behind = timedelta(0)
        await account.place_order(order("0.01", number=2))
        assert server.exchange.counts.orders == 1


@pytest.mark.parametrize("skew", [90.0, -90.0])
@pytest.mark.parametrize("exchange", PLUGINS)
async def test_a_clock_that_is_off_is_adjusted_for_on_top_of_the_date(
    exchange: str, skew: float, tmp_path: Path
) -> None:
    async with opened(exchange, tmp_path) as (server, account, _):
        server.faults.add(Fault(kind=FaultKind.CLOCK_SKEW, route="positions", seconds=skew))
        for _ in range(2):
            try:
                await account.positions()
            except NotReady:
                continue
        await account.place_order(order("0.01"))
        assert server.exchange.counts.orders == 1


async def test_an_order_that_is_sent_a_second_time_takes_a_second_date(tmp_path: Path) -> None:
    """KuCoin refuses an order in the other margin mode without executing it; the mode is switched and it is sent
    again."""
    async with opened("kucoin", tmp_path) as (server, account, dates):
        server.exchange.accounts["main"].margin_modes["XBTUSDTM"] = TheirMode.CROSS
        await account.place_order(order("0.01"))
        assert (changes(server), len(dates.given)) == (3, 3)


async def test_a_second_sending_that_is_not_dated_any_more_is_not_made(tmp_path: Path) -> None:
    async with opened("kucoin", tmp_path) as (server, account, dates):
        server.exchange.accounts["main"].margin_modes["XBTUSDTM"] = TheirMode.CROSS
        given = Dates()

        def at_first() -> datetime:
            if len(given.given) == 2:
                raise NotReady("decided too long ago")
            return given()

        account._connection.exchange.date = at_first
        with pytest.raises(NotReady, match="too long ago"):
            await account.place_order(order("0.01"))
        assert server.exchange.counts.orders == 0
        assert not dates.given
