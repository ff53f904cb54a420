"""What a Bybit account sends and understands, through ccxt over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    AuthError,
    DuplicateClientOrderId,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderStatus,
    OutcomeUnknown,
    RateLimited,
    Severity,
)
from te_emulators.accounts import connected, order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode as TheirMode
from te_emulators.wire.call import json_reply
from te_emulators.wire.server import WireServer
from te_exchange_bybit.adapter import BybitAdapter
from te_exchange_bybit.options import BybitOptions
from te_exchange_bybit.plugin import BYBIT
from te_exchange_ccxt.adapter.response_parsing import MAX_PAGES
from te_exchange_ccxt.client.client_factory import addresses, close_client, create_client
from te_exchange_ccxt.client.exchange_state import _BY_LOOP
from te_exchange_ccxt.lazy_ccxt import exchange_class

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]
D = Decimal


def kinds(server: WireServer) -> list[str]:
    return [request.kind for request in server.exchange.counts.log]


def break_orders(server: WireServer, kind: FaultKind, **more: Any) -> None:
    server.faults.add(Fault(kind=kind, route="order", **more))


async def test_opening_asks_for_time_instruments_and_account(bybit: Bybit) -> None:
    async with bybit() as (server, _):
        assert kinds(server) == ["time", "instruments", "instruments", "account"]


async def test_a_second_account_or_start_does_not_reread_the_instruments(
    bybit: Bybit, tmp_path: Path
) -> None:
    async with bybit() as (server, _):
        async with connected(BYBIT, server, tmp_path / "other"):
            pass
        assert kinds(server).count("instruments") == 2
        _BY_LOOP.clear()  # as a new process
        async with connected(BYBIT, server, tmp_path) as again:
            assert await again.instruments(["BTCUSDT"])
        assert kinds(server).count("instruments") == 2


async def test_a_pass_over_a_flat_account_is_four_reads_leverage_and_order(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        await asyncio.gather(
            account.equity(), account.positions(), account.prices(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        )
        await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
        await account.place_order(order("0.01"))
        assert sorted(kinds(server)[:4]) == ["account", "balance", "positions", "tickers"]
        assert kinds(server)[4:] == ["leverage", "order"]


async def test_an_order_is_acknowledged_found_and_held(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        sent = order("-0.012")
        report = await account.place_order(sent)
        assert report.status is OrderStatus.OPEN, "Bybit accepts first and rejects later"
        found = await account.find_order("BTCUSDT", sent.client_order_id)
        assert (found.status, found.filled) == (OrderStatus.FILLED, D("0.012"))
        assert found.average_price == D("51444.4")
        held = (await account.positions()).value["BTCUSDT"]
        assert held.quantity == D("-0.012")
        assert held.entry_price == D("51444.4")
        assert held.margin_mode is MarginMode.CROSS


async def test_an_unknown_order_is_none(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        assert await account.find_order("BTCUSDT", "7e") is None
        assert len(kinds(server)) == 2, "just finished ones, then the history"


async def test_an_order_that_ended_unfilled_says_why(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        break_orders(server, FaultKind.REJECTED_LATER, error="InsufficientMargin")
        await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert found.status is OrderStatus.REJECTED
        assert found.reason


async def test_a_part_that_was_filled_is_told(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        break_orders(server, FaultKind.PARTIAL_FILL, fraction=D("0.5"))
        await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert (found.status, found.filled) == (OrderStatus.CANCELLED, D("0.005"))


async def test_a_duplicate_is_told_as_such_and_not_executed(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.place_order(order("0.01"))
        with pytest.raises(DuplicateClientOrderId):
            await account.place_order(order("0.01"))
        assert server.exchange.counts.orders == 1


async def test_wallet_and_total_differ_by_what_is_not_realised(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.place_order(order("0.1"))
        server.exchange.set_price("BTCUSDT", D("52444.4"))
        equity = (await account.equity()).value
        assert equity.total - equity.wallet == D(100)
        assert 0 < equity.free < equity.wallet


async def test_leverage_that_is_set_already_is_a_success(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        for _ in range(2):
            await account.set_leverage("BTCUSDT", 7, MarginMode.ISOLATED)
        assert server.exchange.accounts["main"].leverage("BTCUSDT") == 7
        assert kinds(server).count("leverage") == 2


async def test_leverage_above_the_limit_is_refused(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        with pytest.raises(OrderRejected, match="refuses this leverage"):
            await account.set_leverage("BTCUSDT", 500, MarginMode.ISOLATED)


async def test_the_margin_mode_is_the_accounts(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        assert server.exchange.accounts["main"].default_margin_mode is TheirMode.ISOLATED
        await account.set_margin_mode("ETHUSDT", MarginMode.ISOLATED)  # unchanged is a success
        await account.place_order(order("0.01"))
        with pytest.raises(OrderRejected, match="while orders or positions are open"):
            await account.set_margin_mode("ETHUSDT", MarginMode.CROSS)


async def test_the_margin_mode_is_switched_once_for_concurrent_requests(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        await asyncio.gather(*(account.set_margin_mode(name, MarginMode.ISOLATED) for name in symbols))
        assert kinds(server) == ["settings"]


async def test_a_margin_mode_the_operator_switched_shows_in_the_next_read(bybit: Bybit) -> None:
    """Of flat symbols, too: what is opened there would be in the other mode."""
    async with bybit() as (server, account):
        await account.prices(["BTCUSDT", "ETHUSDT"])
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        await account.place_order(order("0.01"))
        for theirs, shown in (
            (TheirMode.ISOLATED, MarginMode.ISOLATED),
            (TheirMode.CROSS, MarginMode.CROSS),
        ):
            server.exchange.accounts["main"].default_margin_mode = theirs
            found = (await account.positions()).value
            assert {name: held.margin_mode for name, held in found.items()} == {
                "BTCUSDT": shown,
                "ETHUSDT": shown,
            }
        server.exchange.counts.clear()
        with pytest.raises(OrderRejected, match="while orders or positions are open"):
            await account.set_margin_mode("ETHUSDT", MarginMode.ISOLATED)
        assert kinds(server) == ["settings"], "what was set before is no reason not to ask"


async def test_a_margin_mode_that_cannot_be_read_is_unknown(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.prices(["ETHUSDT"])
        await account.place_order(order("0.01"))
        assert (await account.positions()).value["BTCUSDT"].margin_mode is MarginMode.CROSS
        server.faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="account"))
        found = (await account.positions()).value
        assert found["BTCUSDT"].quantity == D("0.01")
        assert found["BTCUSDT"].margin_mode is None
        assert "ETHUSDT" not in found


async def test_a_key_that_is_refused_for_the_margin_mode_is_refused(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.REJECTED, route="account", error="BadKey"))
        with pytest.raises(AuthError):
            await account.positions()


async def test_instruments_state_bybits_own_limits(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        found = await account.instruments(["BTCUSDT", "NOSUCHUSDT"])
        assert list(found) == ["BTCUSDT"]
        btc = found["BTCUSDT"]
        assert (btc.quantity_step, btc.minimum_quantity, btc.minimum_notional) == (D("0.001"), D("0.001"), 5)
        assert btc.largest_market_quantity == 119, "of market orders, not of limit orders"
        assert btc.largest_leverage == 100


async def test_more_positions_than_a_page_are_all_read(bybit: Bybit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_exchange_bybit.adapter.PAGE", 3)
    async with bybit() as (server, account):
        coins = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB"]
        for coin in coins:
            contract = server.exchange.market.by_base(coin)
            smallest = (10 / contract.price) // contract.size_step * contract.size_step + contract.size_step
            server.exchange.trade_by_hand(server.exchange.accounts["main"], contract.symbol, smallest)
        found = (await account.positions()).value
        assert set(found) == {f"{coin}USDT" for coin in coins}


async def test_pages_without_an_end_are_not_read_for_ever(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an exchange forgets what a cursor stands for and gives the first page again."""
    monkeypatch.setattr("te_exchange_bybit.adapter.PAGE", 1)
    asked: list[object] = []

    async def same_page(which: object) -> dict[str, object]:
        asked.append(which)
        return {"retCode": 0, "result": {"list": [{"symbol": "BTCUSDT"}], "nextPageCursor": "first"}}

    async with bybit(streams=False) as (_, account):
        monkeypatch.setattr(account._connection.exchange, "private_get_v5_position_list", same_page)
        with pytest.raises(NotReady, match="do not end"):
            await account.positions()
    assert len(asked) == MAX_PAGES


async def test_one_price_or_many_are_one_request(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        for symbols in (["BTCUSDT"], ["BTCUSDT", "ETHUSDT", "NOSUCHUSDT"]):
            server.exchange.counts.clear()
            prices = (await account.prices(symbols)).value
            assert list(prices) == symbols[:2][: len(prices)]
            assert prices["BTCUSDT"] == D("51444.4")
            assert kinds(server) == ["tickers"]


# -- what is wrong with the account


async def refusal(
    bybit: Bybit, kind: type[Exception], prepare: Callable[[WireServer], None], **options: Any
) -> str:
    with pytest.raises(kind) as caught:
        async with bybit(prepare, **options):
            pass
    text = str(caught.value)
    assert "SECRET" not in text
    return text


def change_key(**parts: Any) -> Callable[[WireServer], None]:
    def change(server: WireServer) -> None:
        (key,) = server.exchange.accounts["main"].keys
        for name, value in parts.items():
            setattr(key, name, value)

    return change


@pytest.mark.parametrize(
    ("prepare", "options", "remedy"),
    [
        (change_key(), {"api_key": "SECRET-WRONG"}, "demo trading or the testnet"),
        (change_key(), {"secret": "SECRET-WRONG"}, "check secret"),
        (change_key(expired=True), {}, "check api_key"),
        (change_key(allowed_ips=frozenset({"203.0.113.7"})), {}, "IP list"),
        (change_key(permissions=frozenset({"trade"})), {}, "permission"),
    ],
    ids=["key", "secret", "expired", "address", "permission"],
)
async def test_what_is_wrong_with_a_key_is_told_apart(
    bybit: Bybit, prepare: Callable[[WireServer], None], options: dict[str, str], remedy: str
) -> None:
    assert remedy in await refusal(bybit, AuthError, prepare, **options)


async def test_a_key_that_may_only_read_stops_at_the_first_order(bybit: Bybit) -> None:
    async with bybit(change_key(permissions=frozenset({"read"}))) as (_, account):
        with pytest.raises(AuthError, match="permission to trade"):
            await account.place_order(order("0.01"))


async def test_doctor_tells_permissions_and_addresses(bybit: Bybit) -> None:
    everything = frozenset({"read", "trade", "withdraw"})
    async with bybit(change_key(permissions=everything)) as (_, account):
        found = {(finding.check, finding.severity): finding for finding in await account.diagnose()}
        assert found["clock", Severity.OK]
        assert found["account", Severity.OK].text == "unified, regular margin, one-way"
        assert found["key", Severity.OK].text == "may trade contracts"
        texts = [finding.text for finding in await account.diagnose() if finding.severity is Severity.WARNING]
        assert any("withdraw" in text for text in texts)
        identity = await account.identity()
        assert identity is not None
        assert identity.may_withdraw
        assert any("any address" in text for text in texts)


async def test_a_wrong_clock_is_adjusted_to(bybit: Bybit) -> None:
    def skew(server: WireServer) -> None:
        server.exchange.clock.skew_ms = -60_000

    async with bybit(skew) as (server, account):
        await account.place_order(order("0.01"))
        clock = next(finding for finding in await account.diagnose() if finding.check == "clock")
        assert "60.0 s ahead of" in clock.text
        assert "NTP" in clock.remedy
        server.exchange.clock.skew_ms = 60_000
        with pytest.raises(NotReady, match="clock"):
            await account.equity()
        await account.equity()


# -- what goes wrong on the way


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
    bybit: Bybit, kind: FaultKind, more: dict[str, int], accepted: bool
) -> None:
    if kind is FaultKind.TRUNCATED and not accepted:
        pytest.skip("a truncated answer is one of an accepted order")
    async with bybit() as (server, account):
        break_orders(server, kind, accepted=accepted, **more)
        with pytest.raises(OutcomeUnknown):
            await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert (found is not None) == accepted
        assert server.exchange.counts.requests["order"] == 1, "it is never sent twice"


async def test_an_order_that_timed_out_is_in_doubt(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        account._connection.exchange.timeout = 200
        break_orders(server, FaultKind.TIMED_OUT, accepted=True)
        with pytest.raises(OutcomeUnknown, match="did not answer in time"):
            await account.place_order(order("0.01"))


async def test_an_order_that_finds_nobody_was_not_sent(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await server.refuse()
        await asyncio.sleep(0.05)  # until the client sees that its connection is gone
        with pytest.raises(NotReady, match="cannot be reached"):
            await account.place_order(order("0.01"))


@pytest.mark.parametrize(
    "kind", [FaultKind.DROPPED, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR]
)
@pytest.mark.parametrize("route", ["balance", "positions", "tickers"])
async def test_a_read_without_a_clear_answer_is_no_fact(bybit: Bybit, kind: FaultKind, route: str) -> None:
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


async def test_a_refusal_for_too_many_requests_holds_everyone_back_once(bybit: Bybit, tmp_path: Path) -> None:
    async with bybit() as (server, account), connected(BYBIT, server, tmp_path / "other") as other:
        break_orders(server, FaultKind.RATE_LIMITED)
        with pytest.raises(RateLimited) as caught:
            await account.place_order(order("0.01"))
        assert caught.value.retry_after
        await asyncio.gather(*(one.equity() for one in (account, other)))
        refused, *later = list(server.exchange.counts.log)[-3:]
        assert (refused.kind, {one.kind for one in later}) == ("order", {"balance"})
        assert min(one.at for one in later) - refused.at >= 0.9 * caught.value.retry_after


async def test_requests_that_are_refused_together_are_told_of_once(bybit: Bybit, tmp_path: Path) -> None:
    told: list[str] = []
    sink = logger.add(lambda line: told.append(str(line)), level="WARNING", format="{message}")
    async with bybit() as (server, account), connected(BYBIT, server, tmp_path / "other") as other:
        server.faults.add(Fault(kind=FaultKind.RATE_LIMITED, route="balance", times=6))
        reads = [one.equity() for one in (account, other) for _ in range(3)]
        found = await asyncio.gather(*reads, return_exceptions=True)
    logger.remove(sink)
    assert all(isinstance(one, RateLimited) for one in found)
    assert len([line for line in told if "all requests paused" in line]) == 1


async def test_a_raised_limit_is_what_is_sent_by(bybit: Bybit) -> None:
    """The emulator does not grant it, so it refuses: without the setting nothing would be."""
    async with bybit(rate_limits={"orders": 100}) as (server, account):
        orders = (account.place_order(order("0.001", number=number)) for number in range(1, 26))
        found = await asyncio.gather(*orders, return_exceptions=True)
    assert any(isinstance(one, RateLimited) for one in found)
    assert server.exchange.counts.refusals["order"]


async def test_as_many_connections_are_kept_warm_as_were_needed_at_once(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("te_exchange_ccxt.client.connection.IDLE_AFTER", 0.2)
    async with bybit() as (server, account):
        await asyncio.gather(*(account.place_order(order("0.001", number=number)) for number in range(1, 6)))
        server.exchange.counts.clear()
        while kinds(server).count("time") < 5:
            await account.equity()  # one request after the other keeps only one connection in use
            await asyncio.sleep(0.05)


async def test_a_ban_of_the_address_is_told_and_nothing_is_sent_meanwhile(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.HTML, status=403))
        with pytest.raises(RateLimited):
            await account.equity()
        server.exchange.counts.clear()
        account._connection._state.budget.back_off(60, "test")
        with pytest.raises(RateLimited) as caught:
            await account.place_order(order("0.01"))
        assert caught.value.retry_after == pytest.approx(60, abs=2)
        assert kinds(server) == []


@pytest.mark.parametrize(
    "result", [None, {}, {"list": None}, {"list": {}}], ids=["null", "empty", "null list", "no list"]
)
async def test_a_success_without_content_is_no_empty_account(
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
async def test_a_wallet_without_its_balance_is_no_empty_wallet(
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


async def test_a_burst_of_orders_stays_within_the_limits(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await asyncio.gather(*(account.place_order(order("0.001", number=number)) for number in range(1, 26)))
        assert server.exchange.counts.orders == 25
        assert not server.exchange.counts.refusals


async def test_a_refused_size_has_the_instruments_read_in_the_background(
    bybit: Bybit,
) -> None:
    async with bybit() as (server, account):
        btc = server.exchange.market.by_base("BTC")
        row = {**btc.row, "lotSizeFilter": {**btc.row["lotSizeFilter"], "minOrderQty": "0.5"}}
        server.exchange.market.add(replace(btc, min_size=D("0.5"), row=row))
        server.faults.add(Fault(kind=FaultKind.LATENCY, route="instruments", seconds=1))
        with pytest.raises(OrderRejected, match="10001"):
            await account.place_order(order("0.01"))
        began = asyncio.get_running_loop().time()
        assert (await account.instruments(["BTCUSDT"]))["BTCUSDT"].minimum_quantity == D("0.001")
        await account.place_order(order("0.6", number=2))
        assert asyncio.get_running_loop().time() - began < 0.9
        async with asyncio.timeout(20):
            while (await account.instruments(["BTCUSDT"]))["BTCUSDT"].minimum_quantity != D("0.5"):
                await asyncio.sleep(0.05)


async def test_the_old_list_of_instruments_serves_while_reads_fail(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.MAINTENANCE, route="instruments", times=None))
        server.exchange.counts.clear()
        for number in range(3):
            with pytest.raises(OrderRejected):
                await account.place_order(order("1000", number=number))  # above the largest
            await asyncio.sleep(0.1)
        await account.place_order(order("0.01", number=9))
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.01")
        assert server.exchange.counts.requests["instruments"] <= 2, "one try in five minutes"


@pytest.mark.parametrize("quantity", ["0.0105", "0.0001"])
async def test_a_size_off_the_step_is_refused_before_it_is_cut(bybit: Bybit, quantity: str) -> None:
    async with bybit() as (server, account):
        with pytest.raises(OrderRejected, match="multiple of the step"):
            await account.place_order(order(quantity))
        assert server.exchange.counts.requests["order"] == 0


async def test_a_position_in_a_new_contract_makes_the_list_new(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        shared = account._connection._state.markets
        shared.markets = shared.markets[:1]
        await account.instruments(["BTCUSDT"])
        async with asyncio.timeout(20):
            while account._connection.renewing:
                await asyncio.sleep(0.05)
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "SOLUSDT", D(1))
        with pytest.raises(NotReady, match="not in the list of instruments"):
            await account.positions()
        found = None
        async with asyncio.timeout(20):
            while found is None:
                with suppress(NotReady):
                    found = (await account.positions()).value
                await asyncio.sleep(0.05)
        assert found["SOLUSDT"].quantity == 1, "no read was answered without it"


async def test_an_idle_connection_is_kept_warm(bybit: Bybit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_exchange_ccxt.client.connection.IDLE_AFTER", 0.1)
    async with bybit() as (server, _):
        server.exchange.counts.clear()
        while len(kinds(server)) < 3:
            await asyncio.sleep(0.05)
        assert set(kinds(server)) == {"time"}


@pytest.mark.parametrize(
    ("test", "host"), [("testnet", "api-testnet."), ("demo", "api-demo."), (None, "//api.")]
)
async def test_each_host_is_bybits_own(test: str | None, host: str) -> None:
    options = BybitOptions.model_validate({"api_key": "K", "secret": "S", "test": test})
    base: Any = await exchange_class("bybit")
    exchange = create_client(BybitAdapter(options), base)
    try:
        rest = [address for address in addresses(exchange) if address.startswith("https")]
        assert rest
        assert all(host in address for address in rest)
    finally:
        await close_client(exchange)
