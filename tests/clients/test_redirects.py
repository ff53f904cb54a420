"""No HTTP client of the project follows a redirect: whatever it signs or sends stays with the requested host."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import ClientError
from loguru import logger

from te_core.api import NotReady, OutcomeUnknown
from te_core.cli.failure import Failure
from te_signals_bittensor.fetching import FetchFailed
from te_signals_bittensor.routes import RouteFailed
from tests.clients.redirected import CLIENTS, REDIRECTS, SECRET, Ask, any_session, elsewhere, streaming
from tests.exchanges.trading import PLUGINS

pytestmark = pytest.mark.real_clock

ASKING = [
    pytest.param(ask, module, id=f"{module}-{number}")
    for module, asks in CLIENTS.items()
    if not isinstance(asks, str)
    for number, ask in enumerate(asks)
]


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize(("ask", "module"), ASKING)
async def test_no_client_follows_a_redirect(ask: Ask, module: str, status: int, tmp_path: Path) -> None:
    """One repeats an order as a GET, the other unchanged, with everything that was signed."""
    async with elsewhere() as server:
        server.status = status
        with pytest.raises(
            (NotReady, OutcomeUnknown, ClientError, FetchFailed, RouteFailed, Failure)
        ) as raised:
            await ask(server, tmp_path)
        assert len(server.asked) == 1, "asked once, not again"
        assert server.came == []
    assert SECRET not in f"{raised.value}{raised.value!r}"
    if module.startswith(("te_exchange", "te_notify")):
        ordered = module.startswith("te_exchange") and server.asked[0].startswith("POST")
        assert type(raised.value) is (OutcomeUnknown if ordered else NotReady)
        assert "redirect" in str(raised.value)


@pytest.mark.parametrize("status", [300, *REDIRECTS, 399])
async def test_every_kind_of_redirect_is_refused(status: int, tmp_path: Path) -> None:
    async with elsewhere() as server:
        server.status = status
        with pytest.raises(ClientError, match=rf"{status}, .*redirect to 127.0.0.1 refused"):
            await any_session(server, tmp_path)
        assert server.came == []


@pytest.mark.parametrize("name", sorted(set(PLUGINS) - {"kucoin"}))  # there the exchange names the address
async def test_no_handshake_of_a_stream_follows_a_redirect(name: str, tmp_path: Path) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")
    try:
        async with elsewhere() as server, streaming(server, name, tmp_path) as recorder, asyncio.timeout(20):
            while not any("never followed" in line for line in lines):
                await asyncio.sleep(0.02)
            assert server.asked
            assert server.came == []
            assert not recorder.live
    finally:
        logger.remove(sink)
    assert SECRET not in "".join(lines)
