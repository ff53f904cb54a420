"""A lead trader's copy-trading account: separate routes, and orders without our ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import (
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OrderStatus,
    OutcomeUnknown,
    Severity,
)
from te_emulators.accounts import order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import PositionMode

pytestmark = pytest.mark.real_clock

D = Decimal
OTHERS = ("account/", "trade/")
"""Routes of the futures account."""


@pytest.fixture
def copying(at_blofin: Callable[..., Any]) -> Callable[..., Any]:
    """Run an emulated BloFin with a connected copy-trading account."""

    @asynccontextmanager
    async def run(prepare: Callable[[Any], None] = lambda harness: None) -> AsyncIterator[tuple[Any, Any]]:
        async with at_blofin() as harness:
            harness.emulator.copy_traders.add("main")
            prepare(harness)
            async with harness.account(account_type="copy_trading", streams=True) as account:
                yield harness, account

    return run


async def test_everything_goes_through_copy_trading(copying: Callable[..., Any]) -> None:
    async with copying() as (harness, account):
        assert (await account.equity()).value.total == 10_000
        await account.set_leverage("BTCUSDT", 5, order("1").margin_mode)
        await account.place_order(order("0.02"))
        await account.place_order(order("-0.005", number=2, reduce_only=True))
        held = (await account.positions()).value["BTCUSDT"]
        assert (held.quantity, held.leverage) == (D("0.015"), 5)
        for number, filled in ((1, "0.02"), (2, "0.005")):
            report = await account.find_order("BTCUSDT", order("1", number=number).client_order_id)
            assert (report.status, report.filled) == (OrderStatus.FILLED, D(filled))
            assert report.average_price == D("73355.5" if number == 1 else "73355.3")
            assert report.fee > 0
        assert [path for path in harness.paths if path.startswith(OTHERS)] == []
        assert {"copytrading/trade/place-order", "copytrading/trade/close-position-by-contract"} < set(
            harness.paths
        )


async def test_a_futures_account_of_the_same_user_is_empty(at_blofin: Callable[..., Any]) -> None:
    async with at_blofin() as harness:
        harness.emulator.copy_traders.add("main")
        async with harness.account() as futures:
            with pytest.raises(NotReady, match="no USDT balance"):
                await futures.equity()
            with pytest.raises(InsufficientMargin):
                await futures.place_order(order("0.02"))


async def test_it_is_another_account_than_the_futures_one(copying: Callable[..., Any]) -> None:
    async with copying() as (harness, account):
        uid = f"{harness.owner.uid}/copy_trading"
        identity = await account.identity()
        assert identity is not None
        assert (identity.host, identity.uid) == (harness.emulator.url.partition("://")[2], uid)


@pytest.mark.parametrize("form", ["any", "present", "absent"])
async def test_the_broker_field_takes_either_form(copying: Callable[..., Any], form: str) -> None:
    def prepare(harness: Any) -> None:
        harness.emulator.unknowns.copy_broker = form

    async with copying(prepare) as (harness, account):
        for number in (1, 2):
            await account.place_order(order("0.01", number=number))
        await account.place_order(order("-0.02", number=3, reduce_only=True))
        assert harness.at("BTC-USDT") == 0
        sent = [
            path for path in harness.paths if path.startswith("copytrading/trade/") and "orders" not in path
        ]
        assert len(sent) == (4 if form == "absent" else 3), "what a key takes is found out once"


async def test_a_close_in_several_orders_is_one_outcome(copying: Callable[..., Any]) -> None:
    def prepare(harness: Any) -> None:
        harness.emulator.unknowns.closes_in_parts = True

    async with copying(prepare) as (harness, account):
        await account.place_order(order("0.02"))
        closing = order("-0.015", number=2, reduce_only=True)
        await account.place_order(closing)
        assert harness.counts.orders == 3
        report = await account.find_order("BTCUSDT", closing.client_order_id)
        assert (report.status, report.filled) == (OrderStatus.FILLED, D("0.015"))


@pytest.mark.parametrize("reduces", [False, True], ids=["opens", "closes"])
async def test_a_lost_answer_is_found_by_what_its_side_shows(
    copying: Callable[..., Any], reduces: bool
) -> None:
    async with copying() as (harness, account):
        await account.place_order(order("0.02"))
        await account.place_order(order("-0.01", number=2, reduce_only=True))
        harness.emulator.faults.add(Fault(kind=FaultKind.DROPPED, route="order", accepted=True))
        lost = order("-0.01" if reduces else "0.03", number=3, reduce_only=reduces)
        with pytest.raises(OutcomeUnknown):
            await account.place_order(lost)
        report = await account.find_order("BTCUSDT", lost.client_order_id)
        assert (report.status, report.filled) == (OrderStatus.FILLED, lost.quantity)


async def test_an_order_that_never_arrived_is_not_found(copying: Callable[..., Any]) -> None:
    async with copying() as (harness, account):
        await account.place_order(order("0.02"))
        harness.emulator.faults.add(Fault(kind=FaultKind.DROPPED, route="order"))
        lost = order("0.02", number=2)
        with pytest.raises(OutcomeUnknown):
            await account.place_order(lost)
        assert await account.find_order("BTCUSDT", lost.client_order_id) is None


@pytest.mark.parametrize("shown", [False, True], ids=["documented", "with ids"])
async def test_after_a_restart_only_ids_that_are_shown_are_found(
    copying: Callable[..., Any], shown: bool
) -> None:
    def prepare(harness: Any) -> None:
        harness.emulator.unknowns.copy_client_ids = shown

    async with copying(prepare) as (harness, account):
        sent = order("0.02")
        await account.place_order(sent)
        async with harness.account(account_type="copy_trading") as again:
            found = await again.find_order("BTCUSDT", sent.client_order_id)
            assert (found is not None and found.filled == D("0.02")) == shown
            assert (await again.positions()).value["BTCUSDT"].quantity == D("0.02"), "the position decides"


async def test_a_contract_that_is_not_offered_is_left_out(copying: Callable[..., Any]) -> None:
    def prepare(harness: Any) -> None:
        harness.emulator.uncopied.add("ETH-USDT")

    async with copying(prepare) as (_, account):
        assert list(await account.instruments(["BTCUSDT", "ETHUSDT"])) == ["BTCUSDT"]


async def test_a_close_of_nothing_opens_nothing(copying: Callable[..., Any]) -> None:
    async with copying() as (harness, account):
        with pytest.raises(OrderRejected):
            await account.place_order(order("-0.01", reduce_only=True))
        assert harness.at("BTC-USDT") == 0


async def test_hedge_mode_and_read_only_keys_are_refused(copying: Callable[..., Any]) -> None:
    def hedge(harness: Any) -> None:
        harness.owner.default_position_mode = PositionMode.HEDGE

    def read_only(harness: Any) -> None:
        harness.owner.keys[0].permissions = frozenset({"read"})

    for prepare, words in ((hedge, "hedge mode"), (read_only, "read-only")):
        with pytest.raises(Exception, match=words):
            async with copying(prepare):
                pass


async def test_the_doctor_names_role_and_offer(copying: Callable[..., Any]) -> None:
    async with copying() as (_, account):
        (found,) = [one for one in await account.diagnose() if one.check == "account"]
        assert (found.severity, found.text) == (Severity.OK, "copy trading, one-way, 25 contracts")
