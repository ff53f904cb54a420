"""Bybit's real responses to a USDC account: the contract of BTC is BTCPERP, and BTCUSDC does not exist."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import OrderStatus
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_emulators.wire.call import Call, Reply, json_reply
from te_exchange_bybit.plugin import BYBIT

pytestmark = pytest.mark.real_clock

CASES = Path(os.environ.get("TE_CASES", Path(__file__).parents[4] / "shared" / "cases"))


@asynccontextmanager
async def as_met(folder: Path, *, coin: str) -> AsyncIterator[Any]:
    """Run an account at an emulated Bybit that returns the responses of the case if it has one."""
    file = CASES / "01-bybit-usdc-rules.json"
    if not file.exists():
        pytest.skip(f"the answers are not here: {file.name} in shared/cases or in TE_CASES")
    rules = json.loads(file.read_text(encoding="utf-8"))
    async with running("bybit", coin="USDC") as server:

        def instead(usual: Any) -> Any:
            def reply(call: Call, content: Any) -> Reply:
                fits = (
                    rule
                    for rule in rules
                    if rule["path"] == call.path and rule.get("query", "") in call.query
                )
                rule = next(fits, None)
                return usual(call, content) if rule is None else json_reply(rule["body"])

            return reply

        server.success = instead(server.success)  # type: ignore[method-assign]  # for this test
        server.failure = instead(server.failure)  # type: ignore[method-assign]
        async with connected(BYBIT, server, folder, settle=coin) as account:
            yield account


async def test_an_account_in_usdc_opens_and_trades(tmp_path: Path) -> None:
    async with as_met(tmp_path, coin="USDC") as account:
        offered = await account.instruments(["BTCUSDC", "BTCUSDT", "ETHUSDC"])
        assert list(offered) == ["BTCUSDC"], "one USDC contract is listed there"
        assert offered["BTCUSDC"].largest_market_quantity == Decimal(119)
        assert (await account.equity()).value.total == Decimal(10_000)
        assert (await account.prices(["BTCUSDC"])).value == {"BTCUSDC": Decimal(60_000)}
        sent = order("0.01", "BTCUSDC")
        await account.place_order(sent)
        report = await account.find_order("BTCUSDC", sent.client_order_id)
        assert (report.status, report.filled) == (OrderStatus.FILLED, Decimal("0.01"))


async def test_a_dated_future_is_not_a_perpetual(tmp_path: Path) -> None:
    async with as_met(tmp_path, coin="USDT") as account:
        offered = await account.instruments(["BTCUSDT", "LTCUSDT", "BTCUSDC"])
        assert sorted(offered) == ["BTCUSDT", "LTCUSDT"]
