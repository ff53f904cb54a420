"""Markets are read once for all accounts, cached on disk, and read again if they are old or wrong."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import NotReady
from te_exchange_ccxt.client.market_cache import RETRY_AFTER, MarketCache

pytestmark = pytest.mark.real_clock

LINEAR = {
    "symbol": "BTC/USDT:USDT",
    "base": "BTC",
    "quote": "USDT",
    "settle": "USDT",
    "swap": True,
    "linear": True,
}
HEAD = b'{"format": 2, "identity": "%b", "read_at": "2026-01-01T00:00:00+00:00", "count": %d}'
SPOT = {"symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True, "swap": False}


class Hand:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def suspended(self) -> float:
        return 0.0


class Exchange:
    """Counts reads; ``gate`` blocks them."""

    def __init__(self) -> None:
        self.reads = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def fetch(self) -> list[dict[str, Any]]:
        self.reads += 1
        await self.gate.wait()
        if self.failure:
            raise self.failure
        return [dict(LINEAR), dict(SPOT)]


async def refreshed(markets: MarketCache) -> None:
    """Wait until no background read is running."""
    await asyncio.gather(*markets._background)


async def test_accounts_that_come_at_the_same_time_share_one_read(tmp_path: Path) -> None:
    exchange, markets = Exchange(), MarketCache("x", Hand(), logger)
    exchange.gate.clear()
    asked = [asyncio.create_task(markets.get(exchange.fetch, tmp_path / f"{name}.json")) for name in "abc"]
    await asyncio.sleep(0.05)
    exchange.gate.set()
    found = await asyncio.gather(*asked)
    assert exchange.reads == 1
    assert all(one == [LINEAR] for one in found), "only linear perpetuals are kept"
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "b.json", "c.json"}


async def test_a_new_start_reads_the_file(tmp_path: Path) -> None:
    clock, first = Hand(), Exchange()
    await MarketCache("x", clock, logger).get(first.fetch, tmp_path / "m.json")
    clock.time += timedelta(minutes=30)
    second = Exchange()
    assert await MarketCache("x", clock, logger).get(second.fetch, tmp_path / "m.json") == [LINEAR]
    assert second.reads == 0


async def test_after_an_hour_they_are_read_again_and_nobody_waits(tmp_path: Path) -> None:
    clock, exchange = Hand(), Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(exchange.fetch, tmp_path / "m.json")
    clock.time += timedelta(hours=1)
    exchange.gate.clear()
    assert await markets.get(exchange.fetch, tmp_path / "m.json") == [LINEAR]
    while exchange.reads < 2:
        await asyncio.sleep(0)
    exchange.gate.set()
    await refreshed(markets)
    assert markets.age == timedelta(0)


async def test_a_failing_refresh_keeps_the_old_ones_and_is_retried(tmp_path: Path) -> None:
    clock, exchange = Hand(), Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(exchange.fetch, tmp_path / "m.json")
    clock.time += timedelta(hours=1)
    exchange.failure = NotReady("down")
    for _ in range(2):
        assert await markets.get(exchange.fetch, tmp_path / "m.json") == [LINEAR]
        await refreshed(markets)
        clock.time += RETRY_AFTER
    assert exchange.reads == 3


async def test_an_unreadable_list_is_retried_rarely_and_reported_once(
    tmp_path: Path,
) -> None:
    """Every read of positions or prices needs the list.

    That is one every 3 s or more, if accounts also poll next to streams.
    """
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{message}")
    clock, exchange = Hand(), Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(exchange.fetch, tmp_path / "m.json")
    clock.time += timedelta(hours=1)
    exchange.failure = NotReady("down")

    async def half_an_hour() -> None:
        for _ in range(600):
            assert await markets.get(exchange.fetch, tmp_path / "m.json") == [LINEAR]
            clock.time += timedelta(seconds=3)
            for _ in range(5):
                await asyncio.sleep(0)

    for _ in range(6):
        await half_an_hour()
    assert exchange.reads <= 1 + 3 * 12 + 1
    told = "cannot refresh the list of instruments; using the one of 2026-01-01 00:00 UTC (down)\n"
    assert lines == [told]
    exchange.failure, before = None, exchange.reads
    await half_an_hour()
    assert exchange.reads == before + 1
    assert lines == [told, "list of instruments refreshed\n"]
    logger.remove(sink)


async def test_outdated_ones_are_reread_at_most_every_five_minutes(
    tmp_path: Path,
) -> None:
    clock, exchange = Hand(), Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(exchange.fetch, tmp_path / "m.json")
    exchange.gate.clear()
    for _ in range(10):
        markets.renew(exchange.fetch)
        assert await markets.get(exchange.fetch, tmp_path / "m.json") == [LINEAR], "nobody waits"
        await asyncio.sleep(0)
    assert markets.loading
    exchange.gate.set()
    await refreshed(markets)
    assert exchange.reads == 2
    markets.renew(exchange.fetch)
    for _ in range(10):  # the request is remembered
        clock.time += RETRY_AFTER / 6
        await markets.get(exchange.fetch, tmp_path / "m.json")
        await refreshed(markets)
    assert exchange.reads == 3


async def test_ones_that_cannot_be_read_for_days_stay_in_use(tmp_path: Path) -> None:
    clock, exchange = Hand(), Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(exchange.fetch, tmp_path / "m.json")
    exchange.failure = NotReady("down")
    clock.time += timedelta(days=2)
    assert await markets.get(exchange.fetch, tmp_path / "m.json") == [LINEAR]
    await refreshed(markets)


async def test_very_old_ones_from_a_file_are_reread_first_if_possible(tmp_path: Path) -> None:
    clock = Hand()
    await MarketCache("x", clock, logger).get(Exchange().fetch, tmp_path / "m.json")
    clock.time += timedelta(days=2)
    down = Exchange()
    down.failure = NotReady("down")
    assert await MarketCache("x", clock, logger).get(down.fetch, tmp_path / "m.json") == [LINEAR]
    assert down.reads == 1
    up = Exchange()
    markets = MarketCache("x", clock, logger)
    await markets.get(up.fetch, tmp_path / "m.json")
    assert markets.age == timedelta(0)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"format": 2}', HEAD % (b"y", 0), HEAD % (b"x", 2) + b"\n{}"],
)
async def test_a_damaged_or_foreign_file_counts_as_absent(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "m.json"
    file.write_bytes(content)
    exchange = Exchange()
    assert await MarketCache("x", Hand(), logger).get(exchange.fetch, file) == [LINEAR]
    assert exchange.reads == 1
    assert json.loads(file.read_bytes().splitlines()[0])["identity"] == "x"


async def test_the_file_of_another_host_is_not_used(tmp_path: Path) -> None:
    await MarketCache("real", Hand(), logger).get(Exchange().fetch, tmp_path / "m.json")
    testnet = Exchange()
    await MarketCache("testnet", Hand(), logger).get(testnet.fetch, tmp_path / "m.json")
    assert testnet.reads == 1


async def test_one_caller_giving_up_does_not_end_the_read_for_others(tmp_path: Path) -> None:
    exchange, markets = Exchange(), MarketCache("x", Hand(), logger)
    exchange.gate.clear()
    first, second = (asyncio.create_task(markets.get(exchange.fetch, tmp_path / name)) for name in "ab")
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.sleep(0)
    exchange.gate.set()
    assert await second == [LINEAR]
    assert exchange.reads == 1


async def test_the_file_is_written_and_read_market_by_market(tmp_path: Path) -> None:
    """Building one text for all of them would block the interpreter for 50 ms."""
    file = tmp_path / "m.json"
    await MarketCache("x", Hand(), logger).get(Exchange().fetch, file)
    head, *lines = file.read_bytes().splitlines()
    assert json.loads(head)["count"] == len(lines) == 1
    assert json.loads(lines[0]) == LINEAR
