"""ccxt's exceptions and malformed responses become the errors that the engine acts on."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from te_core.api import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)
from te_exchange_ccxt.adapter.generic import GenericAdapter, GenericOptions
from te_exchange_ccxt.api import CcxtOptions, ErrorKind, ExchangeAdapter
from te_exchange_ccxt.client.error_classification import classify_error, translate_error
from te_exchange_ccxt.responses import Response, last_response

ERRORS: Any = importlib.import_module("ccxt.base.errors")

CASES = [
    ("AuthenticationError", AuthError, AuthError),
    ("PermissionDenied", AuthError, AuthError),
    ("AccountSuspended", AuthError, AuthError),
    ("AccountNotEnabled", AuthError, AuthError),
    ("RestrictedLocation", AuthError, AuthError),
    ("InsufficientFunds", InsufficientMargin, NotReady),
    ("DuplicateOrderId", DuplicateClientOrderId, NotReady),
    ("InvalidOrder", OrderRejected, NotReady),
    ("BadSymbol", OrderRejected, NotReady),
    ("BadRequest", OrderRejected, NotReady),
    ("OrderNotFound", OrderRejected, NotReady),
    ("NotSupported", OrderRejected, NotReady),
    ("ExchangeError", OrderRejected, NotReady),
    ("MarginModeAlreadySet", type(None), type(None)),
    ("NoChange", type(None), type(None)),
    ("RateLimitExceeded", RateLimited, RateLimited),
    ("DDoSProtection", RateLimited, RateLimited),
    ("InvalidNonce", NotReady, NotReady),
    ("OnMaintenance", NotReady, NotReady),
    ("RequestTimeout", OutcomeUnknown, NotReady),
    ("ExchangeNotAvailable", OutcomeUnknown, NotReady),
    ("NetworkError", OutcomeUnknown, NotReady),
    ("BadResponse", OutcomeUnknown, NotReady),
    ("NullResponse", OutcomeUnknown, NotReady),
    ("OperationFailed", OutcomeUnknown, NotReady),
    ("ExchangeClosedByUser", NotReady, NotReady),
]


@pytest.fixture(autouse=True)
def no_answer() -> Iterator[None]:
    last_response.set(None)
    yield
    last_response.set(None)


@pytest.fixture
def adapter() -> ExchangeAdapter:
    return ExchangeAdapter(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


def ccxt_error(name: str, text: str = "acme said no") -> Exception:
    found: Exception = getattr(ERRORS, name)(text)
    return found


@pytest.mark.parametrize(("name", "order", "read"), CASES)
def test_each_class_of_ccxt(adapter: ExchangeAdapter, name: str, order: type, read: type) -> None:
    error = ccxt_error(name)
    assert type(translate_error(error, adapter, what="x", sending=True)) is order
    assert type(translate_error(error, adapter, what="x")) is read


def test_every_class_of_ccxt_becomes_something(adapter: ExchangeAdapter) -> None:
    names = [name for name in ERRORS.__all__ if name != "error_hierarchy"]
    assert len(names) > 30
    for name in names:
        for sending in (True, False):
            translate_error(ccxt_error(name), adapter, what="x", sending=sending)


@pytest.mark.parametrize(
    "error", [TypeError("string indices"), KeyError("result"), ValueError("x"), TimeoutError()]
)
def test_nonsense_leaves_an_order_in_doubt_and_a_read_unknown(
    adapter: ExchangeAdapter, error: Exception
) -> None:
    assert isinstance(translate_error(error, adapter, what="x", sending=True), OutcomeUnknown)
    assert isinstance(translate_error(error, adapter, what="x"), NotReady)


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


def test_only_without_a_connection_an_order_counts_as_not_sent(adapter: ExchangeAdapter) -> None:
    key: Any = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)
    refused = aiohttp.ClientConnectorError(key, OSError(111, "refused"))
    unsent = translate_error(
        caused(ccxt_error("ExchangeNotAvailable"), refused), adapter, what="x", sending=True
    )
    assert isinstance(unsent, NotReady)
    for cause in (
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientOSError(104, "reset"),
        TimeoutError(),
        TimeoutError(),
        aiohttp.ServerTimeoutError(),
        ConnectionResetError(),
        BrokenPipeError(),
    ):
        doubtful = translate_error(
            caused(ccxt_error("ExchangeNotAvailable"), cause), adapter, what="x", sending=True
        )
        assert isinstance(doubtful, OutcomeUnknown), cause


def test_errors_of_proxies_and_redirects_are_named(adapter: ExchangeAdapter) -> None:
    key: Any = ConnectionKey("127.0.0.1", 1, False, True, None, None, None)
    nobody: Any = None
    refusing = aiohttp.ClientHttpProxyError(nobody, (), status=407, message="no")
    dead = aiohttp.ClientProxyConnectionError(key, OSError(111, "refused"))
    for cause in (refusing, dead):
        unsent = translate_error(caused(ccxt_error("ExchangeError"), cause), adapter, what="x", sending=True)
        assert type(unsent) is NotReady
        assert "check proxy of this account" in str(unsent)
    moved = aiohttp.ClientResponseError(nobody, (), status=307, message="redirect to b refused")
    error = caused(ccxt_error("ExchangeError"), moved)
    assert isinstance(translate_error(error, adapter, what="x", sending=True), OutcomeUnknown)
    found = translate_error(error, adapter, what="x")
    assert type(found) is NotReady
    assert "307, redirect to b refused" in str(found)


@pytest.mark.parametrize("status", [401, 407, 500, 502])
def test_a_proxy_s_page_stops_no_account_and_resolves_no_order(adapter: ExchangeAdapter, status: int) -> None:
    last_response.set(Response(status, {}, "<html>go away</html>"))
    error = ccxt_error("AuthenticationError" if status < 500 else "ExchangeError")
    assert isinstance(translate_error(error, adapter, what="x", sending=True), OutcomeUnknown)
    assert type(translate_error(error, adapter, what="x")) is NotReady


@pytest.mark.parametrize(("status", "expected"), [(403, ErrorKind.BANNED), (451, ErrorKind.REGION)])
def test_a_forbidden_page_is_a_ban_or_a_border(
    adapter: ExchangeAdapter, status: int, expected: ErrorKind
) -> None:
    last_response.set(Response(status, {}, "<html></html>"))
    assert classify_error(ccxt_error("ExchangeNotAvailable"), adapter)[0] is expected


def test_the_exchanges_own_time_to_wait_is_passed_on(adapter: ExchangeAdapter) -> None:
    last_response.set(Response(429, {"retry-after": "7"}, "{}"))
    found = translate_error(ccxt_error("RateLimitExceeded"), adapter, what="x")
    assert isinstance(found, RateLimited)
    assert found.retry_after == 7


def test_the_text_names_request_and_remedy_but_no_signature(adapter: ExchangeAdapter) -> None:
    error = ccxt_error(
        "NetworkError", "acme GET https://acme.example/v1/x?apiKey=SECRET&signature=SECRET 502"
    )
    text = str(translate_error(error, adapter, what="positions"))
    assert text.startswith("this exchange: positions: ")
    assert "https://acme.example/v1/x" in text
    assert "SECRET" not in text


def test_a_long_answer_is_cut(adapter: ExchangeAdapter) -> None:
    assert len(str(translate_error(ccxt_error("ExchangeError", "x" * 10_000), adapter, what="x"))) < 500


def test_the_code_is_found_in_the_message_or_in_the_answer(adapter: ExchangeAdapter) -> None:
    assert classify_error(ccxt_error("ExchangeError", 'acme {"code":"42","msg":"no"}'), adapter)[1] == "42"
    last_response.set(Response(400, {}, '{"retCode": 43}'))
    assert classify_error(ccxt_error("ExchangeError", "acme failed"), adapter)[1] == "43"


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("Leverage not modified", type(None)),
        ("No need to change margin type.", type(None)),
        ("Duplicate clientOrderId", DuplicateClientOrderId),
        ("System is under maintenance", NotReady),
        ("position idx not match position mode", AuthError),
        ("Order's position side does not match user's setting.", AuthError),
        ("The order's position mode does not match your selected position mode", AuthError),
        ("Parameter posSide error", AuthError),
        ("Position mode is not modified", type(None)),
        ("Quantity less than zero", OrderRejected),
    ],
)
def test_words_that_most_exchanges_use(text: str, order: type) -> None:
    generic = GenericAdapter(
        GenericOptions.model_validate({"exchange": "acme", "api_key": "K", "secret": "S"})
    )
    assert (
        type(translate_error(ccxt_error("ExchangeError", f"acme {text}"), generic, what="x", sending=True))
        is order
    )
