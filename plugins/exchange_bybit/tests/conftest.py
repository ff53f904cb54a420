"""A Bybit emulator to trade at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from te_emulators.accounts import connected
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_bybit.plugin import BYBIT

Pair = tuple[WireServer, Any]


@pytest.fixture
def bybit(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Pair]]:
    """Run an emulator with an account that is connected to it; options are the account's."""

    @asynccontextmanager
    async def pair(
        prepare: Callable[[WireServer], None] = lambda server: None, **options: Any
    ) -> AsyncIterator[Pair]:
        async with running("bybit") as server:
            prepare(server)
            async with connected(BYBIT, server, tmp_path, **options) as account:
                yield server, account

    return pair
