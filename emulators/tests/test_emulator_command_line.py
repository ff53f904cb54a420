"""``python -m te_emulators`` starts exchanges that respond, and prints their addresses."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from te_emulators.bybit.signature import sign
from te_emulators.venues import VENUES

pytestmark = pytest.mark.real_clock
ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "te_emulators", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 0


async def address(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """Return the name and URL of the next started exchange."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        name, url, ws = (await process.stdout.readline()).decode().split()
    assert ws == url.replace("http", "ws")
    return name, url


async def test_an_account_with_the_credentials_and_balance_given() -> None:
    arguments = ["--port", "0", "--key", "mine", "--secret", "hush", "--balance", "77.5", "--latency-ms", "1"]
    async with started("bybit", *arguments) as process, aiohttp.ClientSession() as session:
        name, url = await address(process)
        assert name == "bybit"
        async with session.get(f"{url}/v5/market/time") as answer:
            timestamp = str((await answer.json())["time"])
        query = "accountType=UNIFIED"
        signature = sign("hush", key="mine", timestamp=timestamp, window="5000", payload=query.encode())
        headers = {
            "X-BAPI-API-KEY": "mine",
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": "5000",
            "X-BAPI-SIGN": signature,
        }
        async with session.get(f"{url}/v5/account/wallet-balance?{query}", headers=headers) as answer:
            assert (await answer.json())["result"]["list"][0]["totalEquity"] == "77.5"


async def test_all_exchanges_at_once() -> None:
    async with started("all", "--port", "0") as process:
        found = [await address(process) for _ in VENUES]
        assert [name for name, _ in found] == list(VENUES)
        assert len({url for _, url in found}) == len(VENUES)


async def test_faults_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"kind": "server error", "route": "time", "status": 503, "times": null}]')
    async with started("bybit", "--port", "0", "--faults", str(file)) as process:
        _, url = await address(process)
        async with aiohttp.ClientSession() as session, session.get(f"{url}/v5/market/time") as answer:
            assert answer.status == 503
