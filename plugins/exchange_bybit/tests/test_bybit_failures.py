"""An answer that is lost, broken or empty proves nothing: an order is in doubt then, and a read is not believed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from te_core.api import NotReady, OutcomeUnknown
from te_emulators.accounts import order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.wire.call import json_reply

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FaultKind.DROPPED, {}),
        (FaultKind.SERVER_ERROR, {"status": 500}),
        (FaultKind.SERVER_ERROR, {"status": 503}),
        (FaultKind.HTML, {"status": 502}),
        (FaultKind.HTML, {"status": 200}),
        (FaultKind.HTML, {"status": 401}),
        (FaultKind.TRUNCATED, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("accepted", [True, False])
async def test_an_order_without_a_clear_answer_is_in_doubt(
    bybit: Bybit, kind: FaultKind, more: dict[str, Any], accepted: bool
) -> None:
    if kind is FaultKind.TRUNCATED and not accepted:
        pytest.skip("a truncated answer is one of an accepted order")
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=kind, route="order", accepted=accepted, **more))
        with pytest.raises(OutcomeUnknown):
            await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert (found is not None) == accepted
        assert server.exchange.counts.requests["order"] == 1, "it is never sent twice"


async def test_an_order_that_timed_out_is_in_doubt(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        account._connection.exchange.timeout = 200
        server.faults.add(Fault(kind=FaultKind.TIMED_OUT, route="order", accepted=True))
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            await account.place_order(order("0.01"))


async def test_an_order_without_a_connection_was_not_sent(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await server.refuse()
        await asyncio.sleep(0.05)  # until the client sees that its connection is gone
        with pytest.raises(NotReady, match="cannot be reached"):
            await account.place_order(order("0.01"))


@pytest.mark.parametrize(
    "kind", [FaultKind.DROPPED, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR]
)
@pytest.mark.parametrize("route", ["balance", "positions", "tickers"])
async def test_a_read_without_a_clear_answer_is_not_a_fact(bybit: Bybit, kind: FaultKind, route: str) -> None:
    async with bybit() as (server, account):
        again = (
            kind is FaultKind.DROPPED
        )  # the client itself repeats a read once when a kept connection broke
        server.faults.add(Fault(kind=kind, route=route, times=1 + again))
        calls = {"balance": account.equity, "positions": account.positions}
        call = calls.get(route) or (lambda: account.prices(["BTCUSDT"]))
        with pytest.raises(NotReady):
            await call()
        assert (await call()).value is not None


async def test_maintenance_is_waited_for(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.MAINTENANCE, times=2))
        with pytest.raises(NotReady, match="maintenance") as caught:
            await account.equity()
        assert caught.value.retry_after
        with pytest.raises(NotReady, match="maintenance"):
            await account.place_order(order("0.01"))


@pytest.mark.parametrize(
    "result", [None, {}, {"list": None}, {"list": {}}], ids=["null", "empty", "null list", "no list"]
)
async def test_a_success_without_content_is_not_an_empty_account(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch, result: Any
) -> None:
    async with bybit() as (server, account):
        await account.instruments(["BTCUSDT"])
        answer = json_reply({"retCode": 0, "retMsg": "OK", "result": result})
        monkeypatch.setattr(server, "rendered", lambda *_: answer)
        for read in (account.positions, account.equity, lambda: account.prices(["BTCUSDT"])):
            with pytest.raises(NotReady, match="malformed"):
                await read()
        with pytest.raises(NotReady):
            await account.find_order("BTCUSDT", "7e01")


@pytest.mark.parametrize(
    "account_row",
    [{}, {"coin": None}, {"coin": [{"coin": "USDT"}]}, {"coin": [{"coin": "USDT", "walletBalance": ""}]}],
    ids=["no coins", "null coins", "no balance", "empty balance"],
)
async def test_a_wallet_without_its_balance_is_not_an_empty_wallet(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch, account_row: dict[str, Any]
) -> None:
    async with bybit() as (server, account):
        answer = json_reply({"retCode": 0, "retMsg": "OK", "result": {"list": [account_row]}})
        monkeypatch.setattr(server, "rendered", lambda *_: answer)
        with pytest.raises(NotReady, match="no USDT balance; equity is unknown"):
            await account.equity()


@pytest.mark.parametrize("size", [{}, {"size": ""}], ids=["no size", "empty size"])
async def test_a_position_without_its_size_is_not_flat(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch, size: dict[str, str]
) -> None:
    async with bybit() as (server, account):
        await account.instruments(["BTCUSDT"])
        row = {"symbol": "BTCUSDT", "side": "Buy", "avgPrice": "50000", "positionIdx": 0, **size}
        answer = json_reply({"retCode": 0, "retMsg": "OK", "result": {"list": [row]}})
        monkeypatch.setattr(server, "rendered", lambda *_: answer)
        with pytest.raises(NotReady, match="malformed"):
            await account.positions()
