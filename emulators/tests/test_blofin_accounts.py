"""BloFin's balances, positions, leverage and modes, in the forms that were recorded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_emulators.blofin.client import BlofinClient
from te_emulators.core.modes import MarginMode, PositionMode
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock


async def test_the_balance_has_the_recorded_form(blofin: BlofinClient) -> None:
    async with blofin:
        recorded = response("blofin", "futures account balance")["data"]
        data = (await blofin.get("account/balance"))["data"]
        assert set(data) == set(recorded)
        assert set(data["details"][0]) == set(recorded["details"][0])


async def test_isolated_margin_is_frozen_and_part_of_the_wallet(blofin: BlofinClient) -> None:
    """As in the documented balance: frozen - orderFrozen = isolatedEquity - isolatedUnrealizedPnl."""
    async with blofin:
        await blofin.order("buy", "100")
        blofin.emulator.exchange.set_price("BTC-USDT", Decimal("73000"))
        row = (await blofin.get("account/balance"))["data"]["details"][0]
        numbers = {name: Decimal(value) for name, value in row.items() if name not in {"currency", "ts"}}
        margin = Decimal("73355.5") * Decimal("0.1") / 3
        assert numbers["frozen"] == pytest.approx(margin)
        assert numbers["isolatedUnrealizedPnl"] == Decimal("-35.55")
        assert numbers["isolatedEquity"] == numbers["frozen"] + numbers["isolatedUnrealizedPnl"]
        assert numbers["equity"] == numbers["balance"] + numbers["isolatedUnrealizedPnl"]
        assert numbers["available"] == numbers["balance"] - numbers["frozen"]


async def test_balances_of_the_other_accounts(blofin: BlofinClient) -> None:
    async with blofin:
        rows = (await blofin.get("asset/balances?accountType=futures"))["data"]
        recorded = response("blofin", "asset balances")["data"][0]
        assert [set(row) for row in rows] == [set(recorded)]
        assert (await blofin.get("asset/balances?accountType=funding"))["data"] == []
        assert (await blofin.get("asset/balances"))["code"] == "152001"


@pytest.mark.parametrize(
    ("mode", "sample"), [("cross", "position LTC cross long"), ("isolated", "positions isolated long")]
)
async def test_positions_have_the_recorded_form(blofin: BlofinClient, mode: str, sample: str) -> None:
    async with blofin:
        assert (await blofin.get("account/positions"))["data"] == []
        await blofin.order("sell", "1.5", marginMode=mode)
        rows = (await blofin.get("account/positions"))["data"]
        assert [set(row) for row in rows] == [set(response("blofin", sample)["data"][0])]
        assert (rows[0]["positions"], rows[0]["marginMode"], rows[0]["leverage"]) == ("-1.5", mode, "3")
        assert (await blofin.get("account/positions?instId=ETH-USDT"))["data"] == []


async def test_leverage_is_set_per_margin_mode(blofin: BlofinClient) -> None:
    async with blofin:
        body = {"leverage": 5, "marginMode": "isolated", "instId": "BTC-USDT"}
        assert (await blofin.post("account/set-leverage", body))["data"] == {
            "leverage": "5",
            "marginMode": "isolated",
            "instId": "BTC-USDT",
            "positionSide": "net",
        }
        rows = await blofin.get("account/batch-leverage-info?instId=BTC-USDT,ETH-USDT&marginMode=isolated")
        assert [row["leverage"] for row in rows["data"]] == ["5", "3"]
        row = await blofin.get("account/leverage-info?instId=BTC-USDT&marginMode=cross")
        assert row["data"]["leverage"] == "3"


@pytest.mark.parametrize("leverage", ["0", "151", "2.5", "many"])
async def test_leverages_that_make_no_sense(blofin: BlofinClient, leverage: str) -> None:
    async with blofin:
        body = {"leverage": leverage, "marginMode": "isolated", "instId": "BTC-USDT"}
        assert (await blofin.post("account/set-leverage", body))["code"] == "152002"


async def test_setting_a_leverage_again_may_be_refused(blofin: BlofinClient) -> None:
    async with blofin:
        body = {"leverage": "5", "marginMode": "isolated", "instId": "BTC-USDT"}
        codes = [(await blofin.post("account/set-leverage", body))["code"] for _ in range(2)]
        assert codes == ["0", "0"]
        blofin.emulator.unknowns.leverage_unchanged = "110999"
        assert (await blofin.post("account/set-leverage", body))["code"] == "110999"


async def test_leverage_with_pending_cross_orders(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.order("buy", "1", orderType="limit", price="50000", marginMode="cross")
        body = {"leverage": "5", "marginMode": "cross", "instId": "BTC-USDT"}
        assert (await blofin.post("account/set-leverage", body))["code"] == "110006"
        assert (await blofin.post("account/set-leverage", {**body, "marginMode": "isolated"}))["code"] == "0"


async def test_modes_are_the_accounts_and_change_while_it_is_empty(blofin: BlofinClient) -> None:
    async with blofin:
        assert (await blofin.get("account/margin-mode"))["data"] == {"marginMode": "cross"}
        assert (await blofin.get("account/position-mode"))["data"] == {"positionMode": "net_mode"}
        for _ in range(2):
            done = await blofin.post("account/set-margin-mode", {"marginMode": "isolated"})
            assert done["data"] == {"marginMode": "isolated"}
        await blofin.order("buy", "1")
        assert (await blofin.post("account/set-margin-mode", {"marginMode": "cross"}))["code"] == "110019"
        body = {"positionMode": "long_short_mode"}
        assert (await blofin.post("account/set-position-mode", body))["code"] == "110019"
        await blofin.order("sell", "1")
        assert (await blofin.post("account/set-position-mode", body))["data"] == body
        account = blofin.emulator.exchange.accounts["main"]
        assert account.default_position_mode is PositionMode.HEDGE
        assert account.default_margin_mode is MarginMode.ISOLATED
