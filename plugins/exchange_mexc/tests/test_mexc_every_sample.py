"""Each recorded response of MEXC is checked or has a reason why not; here are those that no other test covers."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import NotReady, OrderRejected, OutcomeUnknown
from te_emulators.mexc.client import PRIVATE, client, stream
from te_exchange_mexc.plugin import MEXC
from tests.samples.accounting import complaints
from tests.samples.serving import differences, recorded, served

pytestmark = pytest.mark.real_clock

D = Decimal
CREATE = f"{PRIVATE}/order/create"
FORMS = "shape: test_emulated_settings_and_closings_have_the_documented_form"
SILENT = "push: test_pushes_without_used_data_are_ignored"
SETTINGS = "push: test_pushed_settings_are_ignored"
ACCOUNT = {
    "contract detail BTC/ETH/SOL/XRP": "value: test_contracts_become_instruments_in_base_units",
    "contract detail, current rows (trimmed keys)": "value: test_contracts_become_instruments_in_base_units",
    "tickers": "value: test_tickers",
    "ticker BTC_USDT (2026-09)": "value: test_tickers",
    "account assets": "value: test_equity",
    "open positions": "value: test_positions",
    "leverage info": "shape: test_acknowledgements_have_the_documented_form",
    "position mode": "value: test_settings",
    "change leverage ok": "ack: test_settings",
    "change position mode ok": FORMS,
    "order ack (order/create)": "ack: test_the_acknowledgement_of_an_order",
    "order detail": "value: test_orders",
    "order by externalOid": "value: test_orders",
    "cancel orders, per-item errors": "shape: test_acknowledgements_have_the_documented_form",
    "close all ok": FORMS,
    "legacy order ack (order/submit)": "ack: test_a_bare_id_acknowledges_an_order",
    "order ack recorded by ccxt in 2022": "ack: test_a_bare_id_acknowledges_an_order",
    "error: general shape": "error: test_an_internal_error_leaves_an_order_in_doubt",
    "error: 2022 maintenance refusal": "error: test_a_contract_that_accepts_no_orders_refuses_them",
    "ws login ok": "push: test_a_login_that_is_confirmed_counts",
    "ws filter ok": SILENT,
    "ws position push (closed: state 3)": SILENT,
    "ws order push": "push: test_a_pushed_order",
    "ws asset push": SILENT,
    "ws order deal push": SILENT,
    "ws position mode push": SETTINGS,
    "ws leverage mode push": SETTINGS,
    "ws ticker push": "push: test_a_pushed_ticker_belongs_to_the_symbol_of_the_message",
    "ws tickers push": "shape: test_the_list_of_tickers_lacks_bid_and_ask",
}


def test_every_sample_is_checked_or_has_a_reason() -> None:
    assert complaints("mexc", ACCOUNT) == []


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("legacy order ack (order/submit)", "102057569836905984"),
        ("order ack recorded by ccxt in 2022", "261809230917536256"),
    ],
)
async def test_a_bare_id_acknowledges_an_order(
    make_order: Any, tmp_path: Path, name: str, number: str
) -> None:
    """As older endpoints did: as a number and as text."""
    async with served(MEXC, tmp_path) as (account, exchange):
        exchange.answer({CREATE: name})
        market = await account._market("BTCUSDT")
        assert (await account._adapter.create_order(make_order("0.01"), D(100), market))["id"] == number


async def test_an_internal_error_leaves_an_order_in_doubt(make_order: Any, tmp_path: Path) -> None:
    async with served(MEXC, tmp_path) as (account, exchange):
        exchange.answer(dict.fromkeys((CREATE, f"{PRIVATE}/account/assets"), "error: general shape"))
        with pytest.raises(OutcomeUnknown, match="500"):
            await account.place_order(make_order("0.01"))
        with pytest.raises(NotReady, match="500"):
            await account.equity()


async def test_a_contract_that_accepts_no_orders_refuses_them(make_order: Any, tmp_path: Path) -> None:
    async with served(MEXC, tmp_path) as (account, exchange):
        exchange.answer({CREATE: "error: 2022 maintenance refusal"})
        with pytest.raises(OrderRejected, match="does not trade this symbol") as refused:
            await account.place_order(make_order("0.01"))
        assert refused.value.code == "1002"


async def test_a_login_that_is_confirmed_counts(tmp_path: Path) -> None:
    async with served(MEXC, tmp_path) as (account, _):
        adapter = account._adapter
        url = adapter.exchange.urls["api"]["ws"]["swap"]
        adapter.exchange.client(url)
        assert adapter.streams_at(url) == (False,)
        adapter.confirmed(url).add(adapter.confirmation(recorded("mexc", "ws login ok")))
        assert adapter.streams_at(url) == (True, False)
        adapter.exchange.clients.clear()
        assert adapter.streams_at(url) == (False,), "of that connection only"


async def test_the_emulated_login_is_answered_as_documented() -> None:
    expected = recorded("mexc", "ws login ok")
    async with client() as mexc, stream(mexc) as socket:
        answered = await socket.login(mexc)
    assert list(differences(answered, expected)) == []
    assert answered | {"ts": ""} == expected | {"ts": ""}


@pytest.mark.parametrize("name", ["ws position mode push", "ws leverage mode push"])
async def test_pushed_settings_are_ignored(tmp_path: Path, name: str) -> None:
    async with served(MEXC, tmp_path) as (account, _):
        assert account._adapter.parse_message(recorded("mexc", name)) == ()


CHANGED: dict[str, tuple[str, Any]] = {
    "change position mode ok": ("position/change_position_mode", {"positionMode": 1}),
    "change leverage ok": (
        "position/change_leverage",
        {"symbol": "ETH_USDT", "leverage": 7, "openType": 1, "positionType": 1},
    ),
    "close all ok": ("position/close_all", {}),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_emulated_settings_and_closings_have_the_documented_form(name: str) -> None:
    path, body = CHANGED[name]
    async with client() as mexc:
        answered = (await mexc.post(f"{PRIVATE}/{path}", body)).body
    assert answered == recorded("mexc", name)
