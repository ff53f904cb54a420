from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import MarginMode, OrderRequest, Side
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_paper.testing import PaperHarness


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {extra[symbol]} {message}", level="DEBUG")
    with logger.contextualize(symbol="-"):
        yield lines
    logger.remove(sink)


@pytest.fixture
def make_exchange(tmp_path: Path, log: list[str]) -> Iterator[Callable[..., PaperHarness]]:
    """Without fee and slippage unless asked for, so that amounts are easy to follow; closed after the test."""
    made: list[PaperHarness] = []

    def make(**options: Any) -> PaperHarness:
        options = {"fee": 0, "slippage": 0, **options}
        prices = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000)}
        made.append(
            PaperHarness(tmp_path / "state", clock=VirtualClock(), log=logger, market=prices, **options)
        )
        return made[-1]

    yield make
    for exchange in made:
        asyncio.run(exchange._paper.close())


@pytest.fixture
def open_exchange(make_exchange: Callable[..., PaperHarness]) -> Callable[..., Awaitable[PaperHarness]]:
    async def opened(**options: Any) -> PaperHarness:
        exchange = make_exchange(**options)
        await exchange.account.open()
        return exchange

    return opened


@pytest.fixture
def order() -> Callable[..., OrderRequest]:
    """Signed quantity as text; ids count up unless given."""
    numbers = count(1)

    def make(
        quantity: str, symbol: str = "BTCUSDT", *, reduce_only: bool = False, client_id: str | None = None
    ) -> OrderRequest:
        signed = Decimal(quantity)
        return OrderRequest(
            client_order_id=client_id or f"order-{next(numbers)}",
            symbol=symbol,
            side=Side.of(signed),
            quantity=abs(signed),
            reduce_only=reduce_only,
            leverage=1,
            margin_mode=MarginMode.ISOLATED,
            reference_price=Decimal(1),
        )

    return make
