"""Each of Bybit's codes, as raised by ccxt, becomes the right error for the engine."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from te_core.api import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)
from te_exchange_bybit.adapter import BybitAdapter
from te_exchange_bybit.codes import ERROR_CODES
from te_exchange_bybit.options import BybitOptions
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.client.error_classification import translate_error
from te_exchange_ccxt.lazy_ccxt import exchange_class

pytestmark = pytest.mark.real_clock

# code, text, the error of an order, the error of a read, a word of the remedy
CASES = [
    ("10003", "API key is invalid.", AuthError, AuthError, "api_key"),
    ("33004", "Your api key has expired.", AuthError, AuthError, "api_key"),
    ("10004", "Error sign", AuthError, AuthError, "secret"),
    ("10002", "request time exceeds the time window", NotReady, NotReady, "NTP"),
    ("10005", "Permission denied", AuthError, AuthError, "permission"),
    ("10010", "Unmatched IP", AuthError, AuthError, "IP list"),
    ("10024", "Compliance rules triggered", AuthError, AuthError, "country"),
    ("10029", "symbol is not whitelisted", AuthError, AuthError, "permission"),
    ("10006", "Too many visits", RateLimited, RateLimited, "limit"),
    ("10018", "Exceeded the IP Rate Limit", RateLimited, RateLimited, "limit"),
    ("10429", "System level frequency protection", RateLimited, RateLimited, "limit"),
    ("10000", "Server Timeout", OutcomeUnknown, NotReady, "in time"),
    ("10016", "Server error.", OutcomeUnknown, NotReady, "busy"),
    ("10016", "Service is under maintenance", NotReady, NotReady, "maintenance"),
    ("110004", "Wallet balance is insufficient", InsufficientMargin, NotReady, "margin"),
    ("110006", "estimated initial margin", InsufficientMargin, NotReady, "margin"),
    ("110007", "ab not enough for new order", InsufficientMargin, NotReady, "margin"),
    ("110012", "Insufficient available balance.", InsufficientMargin, NotReady, "margin"),
    ("110045", "Wallet balance is insufficient.", InsufficientMargin, NotReady, "margin"),
    ("110043", "leverage not modified", None, None, ""),
    ("110026", "Cross/isolated margin mode is not modified", None, None, ""),
    ("110025", "Position mode is not modified", None, None, ""),
    ("3400045", "Set margin mode failed", OrderRejected, NotReady, "for the reason stated"),
    ("3400045", "Position exists", OrderRejected, NotReady, "while orders or positions are open"),
    ("3400045", "Open orders exist", OrderRejected, NotReady, "while orders or positions are open"),
    (
        "3400045",
        "Equity needs to be at least 1000 USDC",
        OrderRejected,
        NotReady,
        "add funds, or set margin_mode",
    ),
    ("110024", "existing position", OrderRejected, NotReady, "open"),
    ("110028", "existing open orders", OrderRejected, NotReady, "open"),
    ("110013", "cannot set leverage due to risk limit", OrderRejected, NotReady, "leverage"),
    ("110017", "orderQty will be truncated to zero", OrderRejected, NotReady, "reduce"),
    ("10001", "The number of contracts exceeds minimum limit allowed", OrderRejected, NotReady, "size"),
    ("10001", "position idx not match position mode", OrderRejected, NotReady, "one-way"),
    ("10001", "params error: symbol invalid", OrderRejected, NotReady, "symbol"),
    ("10001", "Not supported symbols", OrderRejected, NotReady, "symbol"),
    ("110094", "Order does not meet minimum order value 5USDT", OrderRejected, NotReady, "minimum"),
    ("110072", "OrderLinkedID is duplicate", DuplicateClientOrderId, NotReady, "exists"),
    ("110001", "order not exists or too late to cancel", OrderRejected, NotReady, "know"),
    ("110074", "This contract is not live", OrderRejected, NotReady, "symbol"),
    ("110090", "position limit", OrderRejected, NotReady, "refused"),
    ("110003", "Order price exceeds the allowable range.", OrderRejected, NotReady, "refused"),
    ("110020", "Not allowed to have more than 500 active orders", OrderRejected, NotReady, "refused"),
    ("110009", "The number of stop orders exceeds maximum limit", OrderRejected, NotReady, "refused"),
    ("110092", "expect Rising, but trigger_price[1] <= current[2]", OrderRejected, NotReady, "refused"),
    ("110093", "expect Falling, but trigger_price[2] >= current[1]", OrderRejected, NotReady, "refused"),
    ("999999", "something new", OrderRejected, NotReady, "refused"),
]


@asynccontextmanager
async def client() -> AsyncIterator[BybitAdapter]:
    adapter = BybitAdapter(BybitOptions.model_validate({"api_key": "K", "secret": "S"}))
    base: Any = await exchange_class("bybit")
    exchange = create_client(adapter, base)
    try:
        yield adapter
    finally:
        await close_client(exchange)


@pytest.mark.parametrize(("code", "text", "order", "read", "word"), CASES)
async def test_a_code_becomes_the_engines_error(
    code: str, text: str, order: type[Exception] | None, read: type[Exception] | None, word: str
) -> None:
    body = json.dumps({"retCode": int(code), "retMsg": text, "result": {}, "time": 1})
    async with client() as adapter:
        for sending, expected in ((True, order), (False, read)):
            with pytest.raises(Exception, match=code) as caught:
                adapter.exchange.handle_errors(
                    200, "OK", "https://x/v5/order/create", "POST", {}, body, json.loads(body), {}, ""
                )
            found = translate_error(caught.value, adapter, what="a request", sending=sending)
            assert type(found) is (expected or type(None))
            assert word in str(found) or expected is None
            if isinstance(found, OrderRejected):
                assert found.code == code


def test_every_code_of_the_table_is_tested() -> None:
    assert set(ERROR_CODES) <= {code for code, *_ in CASES}
