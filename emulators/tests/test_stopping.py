"""A stopped server leaves nothing open, whatever its clients are doing."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from te_emulators.venues import running
from te_emulators.wire.server import HOST

pytestmark = pytest.mark.real_clock


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("refusing", [False, True], ids=["stopped", "refusing"])
async def test_a_connection_that_is_just_being_accepted_is_closed(steps: int, refusing: bool) -> None:
    with warnings.catch_warnings(action="ignore"):
        gc.collect()  # garbage of earlier tests is not this server's
    async with running("bybit") as server:
        with socket.create_connection((HOST, server.port)) as client:
            client.setblocking(False)
            for _ in range(steps):
                await asyncio.sleep(0)
            if refusing:
                await server.refuse()
                async with asyncio.timeout(20):
                    assert await ended(client)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(warning.message) for warning in told if warning.category is ResourceWarning] == []


async def ended(client: socket.socket) -> bool:
    try:
        return await asyncio.get_running_loop().sock_recv(client, 1) == b""
    except ConnectionError:
        return True
