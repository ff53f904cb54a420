"""Every code of BloFin, at any position, through ccxt over HTTP: the core's error, and the operator's remedy."""

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
from te_emulators.accounts import order, renewed
from te_emulators.blofin.codes import CodedError
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.limits import RateLimits
from te_emulators.wire.call import json_reply
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.codes import BROKER_REMEDIES, ERROR_CODES

pytestmark = pytest.mark.real_clock

TABLE: dict[str, tuple[type[TradeEngineError], str]] = {
    "152401": (AuthError, "check api_key"),
    "152402": (AuthError, "expired"),
    "152408": (AuthError, "check passphrase"),
    "152409": (AuthError, "check secret"),
    "401": (AuthError, "check secret"),
    "152406": (AuthError, "IP list"),
    "152404": (AuthError, "permission to trade"),
    "152011": (AuthError, 'broker_id = ""'),
    "152012": (AuthError, "set broker_id"),
    "152013": (AuthError, "set broker_id to its id"),
    "102089": (AuthError, "one-way mode"),
    "152405": (NotReady, "NTP"),
    "152410": (NotReady, "NTP"),
    "152407": (OutcomeUnknown, "busy"),
    "500": (OutcomeUnknown, "busy"),
    "103013": (OutcomeUnknown, "busy"),
    "429": (RateLimited, "limit is used up"),
    "103003": (InsufficientMargin, "free margin"),
    "150004": (InsufficientMargin, "free margin"),
    "102002": (DuplicateClientOrderId, "exists"),
    "150003": (DuplicateClientOrderId, "exists"),
    "102005": (OrderRejected, "nothing to reduce"),
    "102022": (OrderRejected, "nothing to reduce"),
    "542": (OrderRejected, "rule of the exchange"),
    "102014": (OrderRejected, "rule of the exchange"),
    "102015": (OrderRejected, "rule of the exchange"),
    "152014": (OrderRejected, "does not trade this symbol"),
    "102067": (OrderRejected, "does not know"),
    "102068": (OrderRejected, "does not know"),
    "110006": (OrderRejected, "cannot change while"),
    "110019": (OrderRejected, "cannot change while"),
}
UNLISTED = {
    "152002": (OrderRejected, "refused it"),
    "152009": (OrderRejected, "refused it"),
    "102064": (OrderRejected, "refused it"),
    "109999": (OrderRejected, "refused it"),
    "987654": (OrderRejected, "refused it"),
}
"""ccxt knows the first three, and not the others."""


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request waits: these tests cause more refusals than an account may."""
    monkeypatch.setattr(BlofinAdapter, "request_cost", lambda *_: {})
    for place in ("client.error_classification", "client.connection"):
        monkeypatch.setattr(f"te_exchange_ccxt.{place}.pause_seconds", lambda *_: 0.001)


def test_the_table_here_has_every_code_of_the_plugin() -> None:
    assert set(TABLE) == set(ERROR_CODES)
    assert {code for code, _ in BROKER_REMEDIES} <= set(TABLE)


@pytest.mark.parametrize("form", ["outer", "inner", "object", "plain"])
@pytest.mark.usefixtures("unhurried")
async def test_what_each_code_means_for_an_order(at_blofin: Any, form: Any) -> None:
    async with at_blofin(limits=RateLimits(())) as harness, harness.account() as account:
        harness.emulator.unknowns.rejections = form
        for code, (expected, remedy) in {**TABLE, **UNLISTED}.items():
            harness.emulator.refusals["order"] = CodedError(code, "in other words")
            with pytest.raises(TradeEngineError) as caught:
                await account.place_order(order("0.01"))
            assert type(caught.value) is expected, code
            assert remedy in str(caught.value)
            assert code in str(caught.value), "the exchange's own words are there too"
            if isinstance(caught.value, OrderRejected):
                assert caught.value.code == code
        assert harness.owner.orders == {}


@pytest.mark.usefixtures("unhurried")
async def test_what_refusals_mean_for_a_read(at_blofin: Any) -> None:
    """Whatever fails, a read returns no fact; only credentials and permissions stop the account."""
    async with at_blofin(limits=RateLimits(())) as harness, harness.account() as account:
        for code, (expected, _) in TABLE.items():
            harness.emulator.refusals["positions"] = CodedError(code, "in other words")
            with pytest.raises(AuthError if expected is AuthError else NotReady):
                await account.positions()


async def test_a_refused_size_is_recognised_by_its_text(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        harness.emulator.refusals["order"] = CodedError("152002", "Parameter size error.")
        with pytest.raises(OrderRejected, match="rule of the exchange"):
            await account.place_order(order("0.01"))
        await renewed(account)
        assert harness.counts.requests["instruments"] == 2, "the list is read again"


async def test_refused_leverage_is_final(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        for code in ("103003", "110006", "109999"):
            harness.emulator.refusals["leverage"] = CodedError(code, "in other words")
            with pytest.raises(OrderRejected) as caught:
                await account.set_leverage("BTCUSDT", 5, MarginMode.ISOLATED)
            assert caught.value.code == code


async def test_maintenance_is_told_apart_from_an_internal_error(at_blofin: Any) -> None:
    """After one the order's outcome is known, after the other it is not."""
    async with at_blofin() as harness, harness.account() as account:
        harness.emulator.faults.add(Fault(kind=FaultKind.MAINTENANCE, route="order"))
        with pytest.raises(NotReady, match="under maintenance: trading resumes by itself"):
            await account.place_order(order("0.01"))
        harness.emulator.faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="order", status=500))
        with pytest.raises(OutcomeUnknown):
            await account.place_order(order("0.01"))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind=FaultKind.HTML, route="order", accepted=True), OutcomeUnknown),
        (Fault(kind=FaultKind.HTML, route="order", status=200, accepted=True), OutcomeUnknown),
        (Fault(kind=FaultKind.TRUNCATED, route="order"), OutcomeUnknown),
        (Fault(kind=FaultKind.DROPPED, route="order", accepted=True), OutcomeUnknown),
        (Fault(kind=FaultKind.HTML, route="order", status=403), RateLimited),
        (Fault(kind=FaultKind.RATE_LIMITED, route="order"), RateLimited),
    ],
    ids=lambda found: str(getattr(found, "kind", "")),
)
async def test_answers_that_are_none(at_blofin: Any, fault: Fault, expected: type[Exception]) -> None:
    async with at_blofin() as harness, harness.account() as account:
        harness.emulator.faults.add(fault)
        with pytest.raises(expected):
            await account.place_order(order("0.01"))


@pytest.mark.parametrize("page", [True, False])
async def test_a_ban_holds_everyone_back(at_blofin: Any, page: bool) -> None:
    """The firewall's page says that it lasts minutes; JSON does not state how long."""
    async with at_blofin() as harness, harness.account() as account, harness.account() as other:
        kind = FaultKind.HTML if page else FaultKind.RATE_LIMITED
        harness.emulator.faults.add(Fault(kind=kind, route="balance", status=403 if page else None))
        with pytest.raises(RateLimited) as caught:
            await account.equity()
        assert caught.value.retry_after == (60 if page else 5)
        harness.counts.clear()
        with pytest.raises(RateLimited):
            await other.positions()
        assert harness.paths == []


@pytest.mark.parametrize(
    "answer", [{"code": "0", "data": None}, {"code": "0", "data": {}}, {"msg": "?"}, {}, []]
)
async def test_an_answer_without_content_is_not_an_empty_account(
    at_blofin: Any, monkeypatch: Any, answer: Any
) -> None:
    async with at_blofin() as harness, harness.account() as account:
        monkeypatch.setattr(harness.emulator, "rendered", lambda *_: json_reply(answer))
        with pytest.raises(NotReady):
            await account.positions()
        with pytest.raises(NotReady):
            await account.equity()
        with pytest.raises(OutcomeUnknown):
            await account.place_order(order("0.01"))


async def test_no_error_contains_a_secret(at_blofin: Any) -> None:
    async with at_blofin() as harness:
        for wrong, remedy in (
            ({"secret": "very-secret"}, "secret"),
            ({"passphrase": "very-secret"}, "passphrase"),
        ):
            with pytest.raises(AuthError) as caught:
                async with harness.account(**wrong):
                    pass
            assert "very-secret" not in str(caught.value)
            assert f"check {remedy}" in str(caught.value)
