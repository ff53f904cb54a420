"""Every known code of KuCoin becomes the right error for the engine, with a remedy for the operator."""

from __future__ import annotations

from typing import Any, NamedTuple

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
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.kucoin.codes import Code
from te_emulators.kucoin.server import KucoinServer
from te_emulators.wire.call import json_reply
from te_exchange_ccxt.api import ErrorKind

pytestmark = pytest.mark.real_clock


class Known(NamedTuple):
    """A code, its effect on an order, and the remedy that the operator reads."""

    code: str
    text: str
    error: type[Exception]
    kind: ErrorKind
    status: int = 200


CODES = [
    Known("400001", "Please check the header of your request", AuthError, ErrorKind.CREDENTIALS, 401),
    Known("400003", "KC-API-KEY not exists", AuthError, ErrorKind.CREDENTIALS, 401),
    Known("400004", "Invalid KC-API-PASSPHRASE", AuthError, ErrorKind.PASSPHRASE, 401),
    Known("400005", "Invalid KC-API-SIGN", AuthError, ErrorKind.SIGNATURE, 401),
    Known(
        "400006", "The requested ip address is not in the api whitelist", AuthError, ErrorKind.ADDRESS, 403
    ),
    Known("400007", "Access denied, require more permission.", AuthError, ErrorKind.PERMISSION, 403),
    Known("400002", "Invalid KC-API-TIMESTAMP", NotReady, ErrorKind.CLOCK, 400),
    Known("429000", "Too many requests in a short period of time", RateLimited, ErrorKind.RATE, 429),
    Known("200002", "Too many requests in a short period of time", RateLimited, ErrorKind.RATE),
    Known("1015", "cloudflare frequency limit according to IP", RateLimited, ErrorKind.BANNED, 429),
    Known(
        "300003", "Balance insufficient. The order would cost 501.5.", InsufficientMargin, ErrorKind.MARGIN
    ),
    Known("330008", "Your current margin and leverage have reached", InsufficientMargin, ErrorKind.MARGIN),
    Known("200005", "Insufficient balance.", InsufficientMargin, ErrorKind.MARGIN),
    Known("400100", "account.available.amount", InsufficientMargin, ErrorKind.MARGIN, 400),
    Known("300016", "The leverage cannot be greater than 125.", OrderRejected, ErrorKind.LEVERAGE),
    Known("100001", "Leverage parameter invalid.", OrderRejected, ErrorKind.LEVERAGE),
    Known("330011", "The order's position mode does not match", AuthError, ErrorKind.HEDGE_MODE),
    Known("300009", "Current position size: 0, unable to close", OrderRejected, ErrorKind.REDUCE_ONLY),
    Known("300011", "Order price cannot be higher than 88702.9", OrderRejected, ErrorKind.REJECTED),
    Known("300012", "Order price cannot be lower than 80255", OrderRejected, ErrorKind.REJECTED),
    Known("400100", "The quantity is below the minimum requirement.", OrderRejected, ErrorKind.SIZE, 400),
    Known("400100", "Order size increment invalid.", OrderRejected, ErrorKind.SIZE, 400),
    Known("400100", "Parameter Error", OrderRejected, ErrorKind.REJECTED, 400),
    Known("300018", "clientOid parameter repeated", DuplicateClientOrderId, ErrorKind.DUPLICATE),
    Known("100001", "error.getOrder.orderNotExist", OrderRejected, ErrorKind.NOT_FOUND),
    Known("100004", "The order cannot be canceled.", OrderRejected, ErrorKind.NOT_FOUND),
    Known("100003", "Contract parameter invalid", OrderRejected, ErrorKind.SYMBOL),
    Known("200003", "The symbol parameter is invalid.", OrderRejected, ErrorKind.SYMBOL),
    Known("404000", "Url Not Found", OrderRejected, ErrorKind.REJECTED, 404),
    Known("411100", "User are frozen", AuthError, ErrorKind.FROZEN, 403),
    Known("40010", "Unavailable to place orders. Your identity", AuthError, ErrorKind.REGION),
    Known("400500", "Your located country/region is currently not", AuthError, ErrorKind.REGION, 400),
    Known("500000", "Internal Server Error", OutcomeUnknown, ErrorKind.BUSY, 500),
    Known("503000", "Service Unavailable", OutcomeUnknown, ErrorKind.BUSY, 503),
    Known("100002", "systemConfigError", OutcomeUnknown, ErrorKind.BUSY),
    Known("300002", "Order placement/cancellation suspended", NotReady, ErrorKind.MAINTENANCE),
    Known("300014", "The position is being liquidated", NotReady, ErrorKind.MAINTENANCE),
    Known("300015", "The order placing/cancellation is currently not", NotReady, ErrorKind.MAINTENANCE),
    Known("999999", "something new", OrderRejected, ErrorKind.REJECTED),
]
READS = {AuthError: AuthError, RateLimited: RateLimited}
"""The error of a read; every other kind means that there is no value now."""


def answering(server: KucoinServer, known: Known, *, always_ok: bool) -> None:
    """Refuse every request except those for the time."""
    status = 200 if always_ok else known.status
    reply = json_reply({"code": known.code, "msg": known.text}, status=status)
    success = server.success
    server.success = (  # type: ignore[method-assign]  # for one test
        lambda call, data: success(call, data) if call.kind == "time" else reply
    )


PROXY = {"1015", "503000"}
"""Codes of KuCoin's front end, always with its own status."""
FORMS = [(known, ok) for known in CODES for ok in (False, True) if not (ok and known.code in PROXY)]


def name(value: Any) -> str:
    return (
        f"{value.code} {value.text[:20]}" if isinstance(value, Known) else {True: "HTTP 200"}.get(value, "")
    )


@pytest.mark.parametrize(("known", "always_ok"), FORMS, ids=name)
async def test_codes(open_harness: Any, known: Known, always_ok: bool) -> None:
    async with open_harness() as harness:
        answering(harness.kucoin, known, always_ok=always_ok)
        with pytest.raises(known.error) as refused:
            await harness.account.place_order(harness.order())
        assert type(refused.value) is known.error
        assert known.kind.remedy in str(refused.value)
        assert known.text[:20] in str(refused.value), "and in the exchange's own words"
        if isinstance(refused.value, OrderRejected):
            assert refused.value.code == known.code


@pytest.mark.parametrize("known", CODES, ids=name)
async def test_codes_of_reads(open_harness: Any, known: Known) -> None:
    async with open_harness() as harness:
        answering(harness.kucoin, known, always_ok=False)
        with pytest.raises(READS.get(known.error, NotReady)) as refused:
            await harness.account.positions()
        assert known.kind.remedy in str(refused.value)


async def test_a_stop_that_is_gone_counts_as_cancelled(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.forget()
        await harness.account.cancel_stop("BTCUSDT", "7e" + "f" * 30)
        assert harness.requests == {"cancel": 1}, "one request, and no look-up before it"


@pytest.mark.parametrize("code", ["330005", "50002"])
async def test_modes_that_cannot_change(open_harness: Any, code: str) -> None:
    async with open_harness() as harness:
        answering(harness.kucoin, Known(code, "text", OrderRejected, ErrorKind.MODE_BLOCKED), always_ok=False)
        with pytest.raises(OrderRejected, match="the mode cannot change while orders or positions are open"):
            await harness.account.place_order(harness.order())
    assert Code(code).status == 200


async def test_everyone_waits_until_the_pool_is_full_again(open_harness: Any) -> None:
    async with open_harness() as harness:
        reply = json_reply(
            {"code": "429000", "msg": "Too many"}, status=429, headers={"gw-ratelimit-reset": "8400"}
        )
        harness.kucoin.success = lambda call, data: reply
        with pytest.raises(RateLimited) as refused:
            await harness.account.positions()
        assert refused.value.retry_after == pytest.approx(8.4)
        harness.forget()
        with pytest.raises(RateLimited) as held:
            await harness.account.place_order(harness.order())
        assert held.value.retry_after == pytest.approx(8.4, abs=0.4)
        assert harness.requests == {}, "nothing is sent meanwhile"


async def test_a_wrong_clock_is_corrected(open_harness: Any) -> None:
    async with open_harness() as harness:
        harness.kucoin.exchange.clock.skew_ms = 20_000
        with pytest.raises(NotReady, match="this machine's clock is wrong"):
            await harness.account.positions()
        assert (await harness.account.positions()).value == {}


@pytest.mark.parametrize(
    "kind", [FaultKind.DROPPED, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR], ids=str
)
async def test_orders_whose_answer_is_lost_are_looked_up(open_harness: Any, kind: FaultKind) -> None:
    async with open_harness() as harness:
        harness.kucoin.faults.add(Fault(kind=kind, route="order", accepted=True))
        with pytest.raises(OutcomeUnknown):
            await harness.account.place_order(harness.order())
        found = await harness.account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert harness.held.size == 5


async def test_wrong_keys_stop_the_account_with_the_remedy(open_harness: Any) -> None:
    for wrong, remedy in (("api_key", "check api_key"), ("password", "check passphrase")):
        with pytest.raises(AuthError, match=remedy):
            async with open_harness(**{wrong: "wrong"}):
                pass
