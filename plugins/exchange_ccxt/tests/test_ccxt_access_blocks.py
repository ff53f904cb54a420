"""Access blocks are told apart by their text: a country block, bot protection, a rate limit, or a key."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError, NotReady, RateLimited
from te_exchange_ccxt.access_blocks import classify_block
from te_exchange_ccxt.api import CcxtOptions, ErrorKind, ExchangeAdapter
from te_exchange_ccxt.client.error_classification import classify_error, translate_error
from te_exchange_ccxt.responses import Response, last_response

ERRORS: Any = importlib.import_module("ccxt.base.errors")
CASES = Path(os.environ.get("TE_CASES", Path(__file__).parents[4] / "shared" / "cases"))

CLOUDFRONT = (
    "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY><H1>403 ERROR</H1>{}"
)
COUNTRY = CLOUDFRONT.format(
    "The Amazon CloudFront distribution is configured to block access\n from your country."
)
BLOCKED = CLOUDFRONT.format("Request blocked.\nWe can't connect to the server for this app.")
CHALLENGE = '<!DOCTYPE html><html lang="en-US"><head><title>Just a moment...</title></head></html>'
AKAMAI = (
    "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>You don't have permission to access /x</BODY>"
)
ELIGIBILITY = '{"code":0,"msg":"Service unavailable from a restricted location according to b. Eligibility"}'

PAGES: list[tuple[int, dict[str, str], str, ErrorKind]] = [
    (403, {}, COUNTRY, ErrorKind.REGION),
    (451, {}, ELIGIBILITY, ErrorKind.REGION),
    (451, {}, "", ErrorKind.REGION),
    (403, {}, ELIGIBILITY, ErrorKind.REGION),
    (403, {}, "<html>Access denied | the owner has banned the country or region</html>", ErrorKind.REGION),
    (403, {}, "error code: 1009", ErrorKind.REGION),
    (403, {}, CHALLENGE, ErrorKind.BOT_PROTECTION),
    (503, {}, CHALLENGE, ErrorKind.BOT_PROTECTION),
    (403, {"cf-mitigated": "challenge"}, "<html></html>", ErrorKind.BOT_PROTECTION),
    (429, {"cf-mitigated": "challenge"}, "<html></html>", ErrorKind.BOT_PROTECTION),
    (403, {}, AKAMAI, ErrorKind.BOT_PROTECTION),
    (403, {}, BLOCKED, ErrorKind.BOT_PROTECTION),
    (403, {}, "error code: 1020", ErrorKind.BOT_PROTECTION),
    (403, {}, "<html>Sorry, you have been blocked</html>", ErrorKind.BOT_PROTECTION),
]
NO_WALLS: list[tuple[int, dict[str, str], str]] = [
    (200, {}, CHALLENGE),
    (403, {}, "<html></html>"),
    (403, {}, '{"error":{"message":"Access Denied"}}'),
    (403, {}, '{"code":403,"msg":"just a moment"}'),
    (403, {}, "403, access too frequent. Please try it again later."),
    (500, {}, COUNTRY),
    (429, {}, '{"code":"429000"}'),
]


@pytest.fixture(autouse=True)
def no_answer() -> Iterator[None]:
    last_response.set(None)
    yield
    last_response.set(None)


@pytest.fixture
def adapter() -> ExchangeAdapter:
    return ExchangeAdapter(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


@pytest.mark.parametrize(("status", "headers", "text", "kind"), PAGES)
def test_a_wall_is_recognised(status: int, headers: Mapping[str, str], text: str, kind: ErrorKind) -> None:
    assert classify_block(status, headers, text) is kind


@pytest.mark.parametrize(("status", "headers", "text"), NO_WALLS)
def test_an_exchanges_own_response_is_not_an_access_block(
    status: int, headers: Mapping[str, str], text: str
) -> None:
    assert classify_block(status, headers, text) is None


def test_the_recorded_page_of_a_country_block() -> None:
    file = CASES / "02-cloudfront-country.html"
    if not file.exists():
        pytest.skip(f"the page is not here: {file.name} in shared/cases or in TE_CASES")
    assert classify_block(403, {}, file.read_text()) is ErrorKind.REGION


@pytest.mark.parametrize("name", ["RateLimitExceeded", "ExchangeNotAvailable", "AuthenticationError"])
@pytest.mark.parametrize("sending", [False, True])
def test_ccxts_class_does_not_hide_a_wall(adapter: ExchangeAdapter, name: str, sending: bool) -> None:
    """ccxt classifies by status: 403 is "too many requests" for some exchanges, and a wrong key for others."""
    error = getattr(ERRORS, name)("acme GET https://acme.example 403 Forbidden")
    last_response.set(Response(403, {}, COUNTRY))
    border = translate_error(error, adapter, what="positions", sending=sending)
    assert type(border) is AuthError
    assert "run the engine where the exchange serves" in str(border)
    last_response.set(Response(403, {}, CHALLENGE))
    bots = translate_error(error, adapter, what="positions", sending=sending)
    assert type(bots) is NotReady, "nothing has reached the exchange"
    assert bots.retry_after == 60
    assert "(neither a limit nor the key)" in str(bots)
    assert "proxy" in str(bots)


def test_a_limit_stays_a_limit(adapter: ExchangeAdapter) -> None:
    last_response.set(Response(403, {}, "<html>403, access too frequent</html>"))
    assert classify_error(ERRORS.RateLimitExceeded("x"), adapter)[0] is ErrorKind.RATE
    assert type(translate_error(ERRORS.RateLimitExceeded("x"), adapter, what="x")) is RateLimited
