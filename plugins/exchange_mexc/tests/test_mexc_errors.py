"""Every code of MEXC, through ccxt over HTTP: the core's error, and the operator's remedy."""

from __future__ import annotations

from typing import Any

import pytest

from te_core.api import (
    AuthError,
    DuplicateClientOrderId,
    InsufficientMargin,
    MarginMode,
    NotReady,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    TradeEngineError,
)
from te_exchange_mexc.adapter import MexcAdapter
from te_exchange_mexc.codes import ERROR_CODES

pytestmark = pytest.mark.real_clock

TABLE: list[tuple[int, type[TradeEngineError], str]] = [
    (401, AuthError, "check api_key"),
    (402, AuthError, "expired"),
    (602, AuthError, "check secret"),
    (406, AuthError, "IP list"),
    (511, AuthError, "permission to trade"),
    (701, AuthError, "permission to trade"),
    (702, AuthError, "permission to trade"),
    (703, AuthError, "permission to trade"),
    (704, AuthError, "permission to trade"),
    (1000, AuthError, "README"),
    (6001, AuthError, "restricted"),
    (513, NotReady, "NTP"),
    (429, RateLimited, "limit is used up"),
    (510, RateLimited, "limit is used up"),
    (2037, RateLimited, "limit is used up"),
    (604, NotReady, "maintenance"),
    (801, NotReady, "maintenance"),
    (500, OutcomeUnknown, "busy"),
    (501, OutcomeUnknown, "busy"),
    (9999, OutcomeUnknown, "busy"),
    (600, OrderRejected, "refused it"),
    (601, OrderRejected, "refused it"),
    (603, DuplicateClientOrderId, "exists"),
    (1001, OrderRejected, "does not trade this symbol"),
    (1002, OrderRejected, "does not trade this symbol"),
    (2005, InsufficientMargin, "free margin"),
    (2018, InsufficientMargin, "free margin"),
    (2006, OrderRejected, "refuses this leverage"),
    (2021, OrderRejected, "refuses this leverage"),
    (2023, OrderRejected, "refuses this leverage"),
    (2024, OrderRejected, "refuses this leverage"),
    (2026, OrderRejected, "refuses this leverage"),
    (2008, OrderRejected, "nothing to reduce"),
    (2009, OrderRejected, "nothing to reduce"),
    (2011, OrderRejected, "rule of the exchange"),
    (2015, OrderRejected, "rule of the exchange"),
    (2028, OrderRejected, "rule of the exchange"),
    (2019, OrderRejected, "cannot change while"),
    (2027, OrderRejected, "cannot change while"),
    (2022, AuthError, "one-way mode"),
    (2030, OrderRejected, "refused it"),
    (2040, OrderRejected, "does not know"),
    (2041, OrderRejected, "refused it"),
]


def hurry(monkeypatch: Any) -> None:
    """Wait neither after refusals for too many requests, nor for the next list of contracts."""
    monkeypatch.setattr("te_exchange_ccxt.client.connection.pause_seconds", lambda *_: 0.001)
    monkeypatch.setattr(MexcAdapter, "request_cost", lambda *_: {})


def test_the_table_here_has_every_code_of_the_plugin() -> None:
    assert {str(code) for code, _, _ in TABLE} == set(ERROR_CODES)


async def test_what_each_code_means_for_an_order(at_mexc: Any, make_order: Any, monkeypatch: Any) -> None:
    hurry(monkeypatch)
    async with at_mexc() as harness, harness.account() as account:
        await account.instruments(["BTCUSDT"])
        for code, expected, remedy in TABLE:
            harness.emulator.refusals["order"] = (code, "in other words")
            with pytest.raises(TradeEngineError, match=remedy) as caught:
                await account.place_order(make_order("0.01"))
            assert type(caught.value) is expected, code
            assert str(code) in str(caught.value), "the exchange's own words are there too"
            if isinstance(caught.value, OrderRejected):
                assert caught.value.code == str(code)
        assert harness.owner.orders == {}


async def test_what_refusals_mean_for_a_read(at_mexc: Any, monkeypatch: Any) -> None:
    """Whatever fails, a read returns no fact; only credentials and permissions stop the account."""
    hurry(monkeypatch)
    async with at_mexc() as harness, harness.account() as account:
        for code, expected, _ in TABLE:
            harness.emulator.refusals["positions"] = (code, "in other words")
            with pytest.raises(AuthError if expected is AuthError else NotReady):
                await account.positions()


@pytest.mark.parametrize("code", [2006, 2018, 2021, 2026])
async def test_refused_leverage_is_final(at_mexc: Any, make_order: Any, code: int) -> None:
    async with at_mexc() as harness, harness.account() as account:
        await account.place_order(make_order("0.01"))
        await account.positions()
        harness.emulator.refusals["leverage"] = (code, "in other words")
        with pytest.raises(OrderRejected) as caught:
            await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
        assert caught.value.code == str(code)


@pytest.mark.parametrize("follows", [False, True])
async def test_http_statuses_make_no_difference(at_mexc: Any, follows: bool) -> None:
    async with at_mexc() as harness, harness.account() as account:
        harness.unknowns.http_status_follows_code = follows
        for code, expected in {401: AuthError, 406: AuthError, 602: AuthError, 510: RateLimited}.items():
            harness.emulator.refusals["balance"] = (code, "in other words")
            with pytest.raises(expected):
                await account.equity()


async def test_maintenance_is_told_apart_from_an_internal_error(at_mexc: Any, make_order: Any) -> None:
    """Both have code 500; after one the order's outcome is known, after the other it is not."""
    async with at_mexc() as harness, harness.account() as account:
        harness.emulator.refusals["order"] = (500, "Under maintenance, please try again later")
        with pytest.raises(NotReady, match="under maintenance: trading resumes by itself"):
            await account.place_order(make_order("0.01"))
        harness.emulator.refusals["order"] = (500, "System internal error!")
        with pytest.raises(OutcomeUnknown):
            await account.place_order(make_order("0.01"))


async def test_no_error_contains_a_secret(at_mexc: Any) -> None:
    async with at_mexc() as harness:
        with pytest.raises(AuthError) as caught:
            async with harness.account(secret="very-secret-indeed"):
                pass
        assert "very-secret-indeed" not in str(caught.value)
        assert "check secret" in str(caught.value)
