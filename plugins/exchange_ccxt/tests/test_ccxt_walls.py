"""Answers of walls are told apart by what they say: a border, bot protection, a limit, or a key."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError, NotReady, RateLimited
from te_exchange_ccxt.base import CcxtOptions, Trouble, Venue
from te_exchange_ccxt.client import Answer, last_answer
from te_exchange_ccxt.errors import diagnose, translate
from te_exchange_ccxt.walls import wall

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

PAGES: list[tuple[int, dict[str, str], str, Trouble]] = [
    (403, {}, COUNTRY, Trouble.REGION),
    (451, {}, ELIGIBILITY, Trouble.REGION),
    (451, {}, "", Trouble.REGION),
    (403, {}, ELIGIBILITY, Trouble.REGION),
    (403, {}, "<html>Access denied | the owner has banned the country or region</html>", Trouble.REGION),
    (403, {}, "error code: 1009", Trouble.REGION),
    (403, {}, CHALLENGE, Trouble.BOT_PROTECTION),
    (503, {}, CHALLENGE, Trouble.BOT_PROTECTION),
    (403, {"cf-mitigated": "challenge"}, "<html></html>", Trouble.BOT_PROTECTION),
    (429, {"cf-mitigated": "challenge"}, "<html></html>", Trouble.BOT_PROTECTION),
    (403, {}, AKAMAI, Trouble.BOT_PROTECTION),
    (403, {}, BLOCKED, Trouble.BOT_PROTECTION),
    (403, {}, "error code: 1020", Trouble.BOT_PROTECTION),
    (403, {}, "<html>Sorry, you have been blocked</html>", Trouble.BOT_PROTECTION),
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
    last_answer.set(None)
    yield
    last_answer.set(None)


@pytest.fixture
def venue() -> Venue:
    return Venue(CcxtOptions.model_validate({"api_key": "K", "secret": "S"}))


@pytest.mark.parametrize(("status", "headers", "text", "trouble"), PAGES)
def test_a_wall_is_recognised(status: int, headers: Mapping[str, str], text: str, trouble: Trouble) -> None:
    assert wall(status, headers, text) is trouble


@pytest.mark.parametrize(("status", "headers", "text"), NO_WALLS)
def test_what_an_exchange_says_itself_is_no_wall(status: int, headers: Mapping[str, str], text: str) -> None:
    assert wall(status, headers, text) is None


def test_the_recorded_page_of_a_country_block() -> None:
    file = CASES / "02-cloudfront-country.html"
    if not file.exists():
        pytest.skip(f"the page is not here: {file.name} in shared/cases or in TE_CASES")
    assert wall(403, {}, file.read_text()) is Trouble.REGION


@pytest.mark.parametrize("name", ["RateLimitExceeded", "ExchangeNotAvailable", "AuthenticationError"])
@pytest.mark.parametrize("sending", [False, True])
def test_ccxts_class_does_not_hide_a_wall(venue: Venue, name: str, sending: bool) -> None:
    """It goes by the status: 403 is "too many requests" for some exchanges, and a wrong key for others."""
    error = getattr(ERRORS, name)("acme GET https://acme.example 403 Forbidden")
    last_answer.set(Answer(403, {}, COUNTRY))
    border = translate(error, venue, what="positions", sending=sending)
    assert type(border) is AuthError
    assert "run the engine where the exchange serves" in str(border)
    last_answer.set(Answer(403, {}, CHALLENGE))
    bots = translate(error, venue, what="positions", sending=sending)
    assert type(bots) is NotReady, "nothing has reached the exchange"
    assert bots.retry_after == 60
    assert "(neither a limit nor the key)" in str(bots)
    assert "proxy" in str(bots)


def test_a_limit_stays_a_limit(venue: Venue) -> None:
    last_answer.set(Answer(403, {}, "<html>403, access too frequent</html>"))
    assert diagnose(ERRORS.RateLimitExceeded("x"), venue)[0] is Trouble.RATE
    assert type(translate(ERRORS.RateLimitExceeded("x"), venue, what="x")) is RateLimited
