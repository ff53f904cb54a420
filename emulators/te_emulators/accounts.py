"""A plugin's account, connected to an emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.api import AccountContext, ExchangeSpec, MarginMode, OrderRequest, Side
from te_core.testing.fakes import account_context
from te_core.testing.real_clock import SystemClock
from te_emulators.wire.server import WireServer


def context(spec: ExchangeSpec[Any], server: WireServer, folder: Path, **options: Any) -> AccountContext[Any]:
    """Return the context for an account's factory; ``options`` override the default credentials."""
    keys = {"api_key": "K", "secret": "S", "passphrase": "P"}
    given = {"url": server.url, "ws_url": server.ws_url, "streams": False, **keys, **options}
    return account_context(
        name="test",
        options=spec.settings.model_validate(given),
        clock=SystemClock(),
        log=logger.bind(account="test"),
        state_dir=folder,
        signal_price=lambda symbol: None,
        http=_no_http,
    )


@asynccontextmanager
async def connected(
    spec: ExchangeSpec[Any], server: WireServer, folder: Path, **options: Any
) -> AsyncIterator[Any]:
    """Yield an opened account, and close it afterwards."""
    account = spec.factory(context(spec, server, folder, **options))
    try:
        await account.open()
        yield account
    finally:
        await account.close()


async def renewed(account: Any) -> None:
    """Wait until the list of instruments has been reloaded in the background."""
    async with asyncio.timeout(20):
        while account._connection.renewing:
            await account.instruments([])
            await asyncio.sleep(0.02)


def order(
    quantity: str, symbol: str = "BTCUSDT", *, number: int = 1, reduce_only: bool = False, leverage: int = 1
) -> OrderRequest:
    """Return a market order of a signed quantity; its client order id holds the number."""
    signed = Decimal(quantity)
    return OrderRequest(
        client_order_id=f"7e{number:030x}",
        symbol=symbol,
        side=Side.of(signed),
        quantity=abs(signed),
        reduce_only=reduce_only,
        leverage=leverage,
        margin_mode=MarginMode.ISOLATED,
        reference_price=Decimal(100),
    )


def _no_http() -> Any:
    raise RuntimeError("the plugin has its own session")
