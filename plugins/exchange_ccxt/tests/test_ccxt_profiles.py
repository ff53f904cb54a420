"""What the generic plugin sends to single exchanges, and which ones are refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import ValidationError

from te_core.api import ClientOrderIdForm, ConfigError, MarginMode, Severity
from te_core.clock import SystemClock
from te_core.rules.client_order_ids import client_order_id
from te_core.testing.fakes import account_context
from te_emulators.accounts import order
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.adapter.profiles import PROFILES, profile_of
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.lazy_ccxt import exchange_class
from te_exchange_ccxt.plugin import CCXT
from te_exchange_ccxt.responses import last_response

pytestmark = pytest.mark.real_clock

D = Decimal
WALLET, VAULT = f"0x{'1' * 40}", f"0x{'2' * 40}"
KEYS = {
    "api_key": "K",
    "secret": "S",
    "passphrase": "P",
    "wallet_address": WALLET,
    "private_key": f"0x{'1' * 64}",
}
ANSWERS: dict[str, Any] = {
    "binance": {"orderId": 1},
    "bingx": {"code": 0, "data": {"order": {"orderId": "1"}}},
    "bitget": {"code": "00000", "data": {"orderId": "1"}},
    "gate": {"id": 1, "contract": "BTC_USDT", "size": 1},
    "htx": {"code": 200, "data": {"order_id": "1"}},
    "hyperliquid": {"status": "ok", "response": {"data": {"statuses": [{"resting": {"oid": 1}}]}}},
    "okx": {"code": "0", "data": [{"ordId": "1", "sCode": "0"}]},
    "phemex": {"code": 0, "data": {"orderID": "1"}},
}


class Exchange:
    """Returns the same response to every request, and records the requests."""

    def __init__(self, adapter: GenericAdapter, client: Any, exchange: str) -> None:
        self.adapter, self.client = adapter, client
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._answer = ANSWERS[exchange]
        client.fetch = self.fetch
        coin = adapter.options.settle
        self.market = {
            **client.safe_market_structure({"id": "BTCUSDT", "symbol": f"BTC/{coin}:{coin}", "type": "swap"}),
            "base": "BTC",
            "quote": coin,
            "settle": coin,
            "baseId": "0",
            "settleId": coin,
            "swap": True,
            "contract": True,
            "linear": True,
            "inverse": False,
            "spot": False,
            "active": True,
            "contractSize": "0.001",
            "precision": {"amount": "1", "price": "0.1"},
            "info": {"szDecimals": 5, "orderTypes": ["MARKET"]},
        }
        client.set_markets([self.market])
        client.options.update({"uta": False, "unifiedAccount": False})
        last_response.set(None)

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        parts = urlsplit(url)
        text = body or parts.query
        sent: Any = json.loads(text) if text[:1] in ("{", "[") else dict(parse_qsl(text))
        self.asked.append(
            (parts.path, sent[0] if isinstance(sent, list) else {**dict(parse_qsl(parts.query)), **sent})
        )
        return self._answer


@asynccontextmanager
async def at(exchange: str, **settings: Any) -> AsyncIterator[Exchange]:
    options = GenericOptions.model_validate({"exchange": exchange, **KEYS, **settings})
    adapter = GenericAdapter(options)
    client = create_client(adapter, await exchange_class(exchange))
    try:
        yield Exchange(adapter, client, exchange)
    finally:
        await close_client(client)


def made_id(exchange: str) -> str:
    return client_order_id("j", "a", "BTCUSDT", 1, 1, 0, form=profile_of(exchange).ids)


async def sent_order(exchange: Exchange, name: str, *, reduce_only: bool = False) -> dict[str, Any]:
    wanted = replace(order("0.001", reduce_only=reduce_only), client_order_id=made_id(name))
    await exchange.adapter.create_order(wanted, D(1), exchange.market)
    return exchange.asked.pop()[1]


@pytest.mark.parametrize(
    ("exchange", "field"),
    [
        ("binance", "newClientOrderId"),
        ("bingx", "clientOrderID"),
        ("bitget", "clientOid"),
        ("gate", "text"),
        ("htx", "client_order_id"),
        ("okx", "clOrdId"),
        ("phemex", "clOrdID"),
    ],
)
async def test_an_order_carries_its_id_in_the_exchanges_form(exchange: str, field: str) -> None:
    async with at(exchange) as it:
        sent = await sent_order(it, exchange)
        assert str(sent[field]) == profile_of(exchange).prefix + made_id(exchange)


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        ("okx", {"tdMode": "isolated"}),
        ("bitget", {"marginMode": "isolated"}),
        ("htx", {"margin_mode": "isolated"}),
    ],
)
async def test_an_order_states_its_margin_mode(exchange: str, expected: dict[str, str]) -> None:
    """Without it ccxt sends "cross", whatever the account's setting."""
    async with at(exchange) as it:
        sent = await sent_order(it, exchange)
        assert {name: sent.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("exchange", "mode", "expected", "absent"),
    [
        ("binance", MarginMode.ISOLATED, {"leverage": "3"}, "marginMode"),
        ("bitget", MarginMode.ISOLATED, {"leverage": "3"}, "marginMode"),
        ("bingx", MarginMode.ISOLATED, {"leverage": "3", "side": "BOTH"}, "marginMode"),
        ("gate", MarginMode.ISOLATED, {"leverage": "3"}, "cross_leverage_limit"),
        ("gate", MarginMode.CROSS, {"leverage": "0", "cross_leverage_limit": "3"}, "side"),
        ("htx", MarginMode.CROSS, {"lever_rate": 3, "margin_mode": "cross"}, "side"),
        ("okx", MarginMode.ISOLATED, {"lever": 3, "mgnMode": "isolated", "posSide": "net"}, "marginMode"),
        ("phemex", MarginMode.ISOLATED, {"leverageRr": "3"}, "marginMode"),
        ("phemex", MarginMode.CROSS, {"leverageRr": "-3"}, "marginMode"),
    ],
)
async def test_leverage_is_set_as_the_exchange_wants_it(
    exchange: str, mode: MarginMode, expected: dict[str, Any], absent: str
) -> None:
    async with at(exchange) as it:
        await it.adapter.set_leverage(it.market, 3, mode)
        ((_, sent),) = it.asked
        assert {name: type(value)(sent.get(name)) for name, value in expected.items()} == expected
        assert absent not in sent


@pytest.mark.parametrize("exchange", ["gate", "htx", "hyperliquid", "okx", "phemex"])
async def test_no_mode_is_set_by_itself_where_the_leverage_brings_it(exchange: str) -> None:
    coin = "USDC" if exchange == "hyperliquid" else "USDT"
    async with at(exchange, settle=coin) as it:
        await it.adapter.set_margin_mode(it.market, MarginMode.ISOLATED)
        assert it.asked == []


async def test_ids_are_read_without_their_prefix() -> None:
    async with at("gate") as it:
        assert it.adapter.client_order_id({"clientOrderId": "t-7eAbc"}) == "7eAbc"
        assert it.adapter.client_order_id({"clientOrderId": "web"}) == "web"


async def test_a_vault_is_read_and_traded_in_place_of_the_wallet() -> None:
    async with at("hyperliquid", settle="USDC", vault_address=VAULT) as it:
        assert it.client.walletAddress == VAULT
        await it.adapter.set_leverage(it.market, 3, MarginMode.ISOLATED)
        await sent_order_to_vault(it)
        assert [f"0x{sent['vaultAddress'].removeprefix('0x')}" for _, sent in it.asked] == [VAULT, VAULT]
        it._answer = []
        await it.client.fetch_open_orders(it.market["symbol"])
        assert it.asked[-1][1]["user"] == VAULT


async def sent_order_to_vault(it: Exchange) -> None:
    wanted = replace(order("0.001", "BTCUSDC"), client_order_id=made_id("hyperliquid"))
    await it.adapter.create_order(wanted, D(1), it.market)
    (placed,) = it.asked[-1][1]["action"]["orders"]
    assert placed["c"] == f"0x{made_id('hyperliquid')}"


async def test_gate_follows_prices_only_without_the_users_id() -> None:
    async with at("gate") as it:
        assert it.adapter.followed() == {"tickers"}
        (found,) = [each for each in await it.adapter.findings() if each.check == "streams"]
        assert (found.severity, "uid" in found.remedy) == (Severity.WARNING, True)
    async with at("gate", uid="12345") as it:
        assert it.adapter.followed() == {"positions", "orders", "balance", "tickers"}
        assert "streams" not in {each.check for each in await it.adapter.findings()}


class Connection:
    """A WebSocket client of ccxt."""

    def __init__(self, *waited_for: str, subscribed: tuple[str, ...] = ()) -> None:
        self.futures = dict.fromkeys(waited_for)
        self.subscriptions = dict.fromkeys(subscribed)


async def test_what_an_address_carries_is_what_ccxt_waits_for() -> None:
    """Gate, Hyperliquid and others have one address for all, Binance one per key: no name shows which is private."""
    async with at("gate") as it:
        adapter, one, other = it.adapter, "wss://fx.example/v4/ws/usdt", "wss://fx.example/ws/listen-key"
        adapter.exchange.clients = {one: Connection("swap:positions", "ticker:BTC_USDT"), other: Connection()}
        assert adapter.streams_at(one) == (True, False)
        assert adapter.streams_at(other) == (False,)
        adapter.exchange.clients[other] = Connection("linear:balance", subscribed=("linear",))
        assert adapter.streams_at(other) == (True,)
        adapter.exchange.clients = {}
        assert (adapter.streams_at(one), adapter.streams_at(other)) == ((True, False), (True,))
        adapter.exchange.clients = {}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("account", "balance"),  # OKX
        ("accounts.update#cross", "balance"),  # HTX
        ("swap.balance", "balance"),
        ("linear:positions", "positions"),
        ("order:linear", "orders"),
        ("tickers::BTC/USDT:USDT", "tickers"),
        ("authenticated", None),
    ],
)
async def test_what_ccxt_resolves_is_known_by_its_name(name: str, kind: str | None) -> None:
    adapter = GenericAdapter(GenericOptions.model_validate({"exchange": "okx", **KEYS}))
    assert adapter.kind_resolved(name) == kind


def test_a_vault_is_refused_where_there_is_none() -> None:
    with pytest.raises(ValidationError, match="only hyperliquid has"):
        GenericOptions.model_validate({"exchange": "okx", **KEYS, "vault_address": VAULT})


@pytest.mark.parametrize(
    ("exchange", "message"),
    [
        ("xt", "hedge mode only"),
        ("whitebit", "leverage belongs to the whole account"),
        ("coinex", "ccxt does not support the exchange 'coinex'"),
        ("bitmart", "ccxt does not support the exchange 'bitmart'"),
    ],
)
async def test_an_exchange_that_cannot_be_traded_is_refused(
    exchange: str, message: str, tmp_path: Path
) -> None:
    """When the account is opened, as ``te doctor`` does, and before a request: there is no server at that address."""
    options = GenericOptions.model_validate({"exchange": exchange, **KEYS, "url": "http://127.0.0.1:9"})
    account = CCXT.factory(
        account_context(name="a", options=options, clock=SystemClock(), state_dir=tmp_path)
    )
    try:
        with pytest.raises(ConfigError, match=message) as caught:
            await account.open()
        assert "did you mean" not in str(caught.value)
    finally:
        await account.close()


@pytest.mark.parametrize("exchange", PROFILES)
def test_every_form_of_ids_is_a_capability_of_the_account(exchange: str) -> None:
    options = GenericOptions.model_validate({"exchange": exchange, **KEYS})
    assert CCXT.capabilities_of(options).client_order_ids == PROFILES[exchange].ids
    acme = GenericOptions.model_validate({"exchange": "acme", **KEYS})
    assert CCXT.capabilities_of(acme).client_order_ids == ClientOrderIdForm()


@pytest.mark.parametrize(
    ("exchange", "code", "expected"),
    [
        ("gate", "REQUEST_EXPIRED", ErrorKind.CLOCK),
        ("okx", "50102", ErrorKind.CLOCK),
        ("bitget", "40774", ErrorKind.HEDGE_MODE),
        ("binance", "-4061", ErrorKind.HEDGE_MODE),
    ],
)
def test_codes_that_stop_for_the_wrong_reason_are_named(
    exchange: str, code: str, expected: ErrorKind
) -> None:
    adapter = GenericAdapter(GenericOptions.model_validate({"exchange": exchange, **KEYS}))
    last_response.set(None)
    assert adapter.classify(code, "") is expected
