"""Markets are read in a thread, with requests that are sent like all others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from loguru import logger

from te_core.api import NotReady, RateLimited
from te_core.clock import SystemClock
from te_core.testing.fakes import account_context
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.budget import Window
from te_exchange_ccxt.client.connection import Connection
from te_exchange_ccxt.client.exchange_state import _BY_LOOP
from te_exchange_ccxt.client.market_loader import MAX_REQUESTS
from te_exchange_ccxt.lazy_ccxt import _modules
from te_exchange_ccxt.responses import Response, last_response

pytestmark = pytest.mark.real_clock


class Adapter(GenericAdapter):
    """Records in which threads its markets are parsed."""

    windows: ClassVar = (Window("requests", 300, 60.0),)
    threads: ClassVar[list[threading.Thread]] = []

    async def fetch_markets(self) -> list[dict[str, Any]]:
        answer = await self.exchange.public_get_v5_market_instruments_info({"category": "linear"})
        self.threads.append(threading.current_thread())
        return [
            {
                **answer,
                "symbol": "BTC/USDT:USDT",
                "id": "BTCUSDT",
                "base": "BTC",
                "quote": "USDT",
                "settle": "USDT",
            }
            | {"swap": True, "spot": False, "linear": True}
        ]

    async def clock_skew(self) -> float | None:
        return None

    async def check(self) -> None:
        """Nothing to check."""


class Exchange:
    """Stands in for the network below the client's budget."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, threading.Thread]] = []
        self.failure: tuple[int, str] | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def fetch(self, url: str, *_: Any) -> Mapping[str, Any]:
        self.asked.append((url, threading.current_thread()))
        await self.gate.wait()
        if self.failure is not None:
            status, text = self.failure
            last_response.set(Response(status, {"retry-after": "7"}, text))
            raise _modules()[1].RateLimitExceeded(text)
        return {"answered": True}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Exchange:
    found = Exchange()
    pro, _ = _modules()
    monkeypatch.setattr(pro.bybit, "fetch", lambda _, *args: found.fetch(*args))
    return found


@pytest.fixture
def link(tmp_path: Path, network: Exchange) -> Connection:
    del network
    options = GenericOptions.model_validate({"exchange": "bybit", "api_key": "k", "secret": "s"})
    context = account_context(
        name="a",
        options=options,
        clock=SystemClock(),
        log=logger,
        state_dir=tmp_path,
        signal_price=lambda _: None,
        http=lambda: None,  # type: ignore[arg-type,return-value]
    )
    Adapter.threads.clear()
    _BY_LOOP.clear()
    return Connection(context, Adapter(options))


async def test_structures_are_built_off_the_loop_requests_on_it(link: Connection, network: Exchange) -> None:
    await link.open()
    assert len(link.listed) == 1
    (url, asked_in), (made_in,) = network.asked[0], Adapter.threads
    assert "category=linear" in url
    assert asked_in is threading.main_thread()
    assert made_in is not threading.main_thread()
    await link.close()


async def test_a_refusal_is_classified_there_as_everywhere(link: Connection, network: Exchange) -> None:
    network.failure = (429, "too many visits")
    with pytest.raises(RateLimited) as caught:
        await link.open()
    assert caught.value.retry_after == pytest.approx(7, abs=0.5)
    await link.close()


async def test_a_list_without_an_end_is_not_read_for_ever(
    link: Connection, network: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a proxy that returns the same page for any request."""

    async def fetch_markets(adapter: Adapter) -> list[dict[str, Any]]:
        while True:
            await adapter.exchange.public_get_v5_market_instruments_info({"cursor": "next"})

    monkeypatch.setattr(Adapter, "fetch_markets", fetch_markets)
    with pytest.raises(NotReady, match="does not end"):
        await link.open()
    assert len(network.asked) == MAX_REQUESTS
    await link.close()


async def test_a_cancelled_read_leaves_no_thread_waiting(link: Connection, network: Exchange) -> None:
    network.gate.clear()
    opening = asyncio.create_task(link.open())
    while not network.asked:
        await asyncio.sleep(0.01)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()  # as the end of the event loop does
    await asyncio.gather(opening, return_exceptions=True)
    while any(thread.name.startswith("markets") for thread in threading.enumerate()):
        await asyncio.sleep(0.01)
    await link.close()


async def test_host_names_resolve_while_all_threads_are_busy(
    link: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that wait for requests must not be the ones that the requests wait for."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    pro, _ = _modules()
    below = pro.bybit.fetch

    async def fetch(self: Any, *args: Any) -> Any:
        await asyncio.to_thread(int)
        return await below(self, *args)

    monkeypatch.setattr(pro.bybit, "fetch", fetch)
    async with asyncio.timeout(20):
        await link.open()
    await link.close()
