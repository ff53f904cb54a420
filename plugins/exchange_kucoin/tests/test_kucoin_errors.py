"""Every code that KuCoin is known to answer becomes the error that tells the engine, and the operator, what to do."""

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
from te_exchange_ccxt.base import Trouble

pytestmark = pytest.mark.real_clock


class Known(NamedTuple):
    """A code, what it makes of an order and what the operator is told."""

    code: str
    text: str
    error: type[Exception]
    trouble: Trouble
    status: int = 200


CODES = [
    Known("400001", "Please check the header of your request", AuthError, Trouble.CREDENTIALS, 401),
    Known("400003", "KC-API-KEY not exists", AuthError, Trouble.CREDENTIALS, 401),
    Known("400004", "Invalid KC-API-PASSPHRASE", AuthError, Trouble.PASSPHRASE, 401),
    Known("400005", "Invalid KC-API-SIGN", AuthError, Trouble.SIGNATURE, 401),
    Known("400006", "The requested ip address is not in the api whitelist", AuthError, Trouble.ADDRESS, 403),
    Known("400007", "Access denied, require more permission.", AuthError, Trouble.PERMISSION, 403),
    Known("400002", "Invalid KC-API-TIMESTAMP", NotReady, Trouble.CLOCK, 400),
    Known("429000", "Too many requests in a short period of time", RateLimited, Trouble.RATE, 429),
    Known("200002", "Too many requests in a short period of time", RateLimited, Trouble.RATE),
    Known("1015", "cloudflare frequency limit according to IP", RateLimited, Trouble.BANNED, 429),
    Known("300003", "Balance insufficient. The order would cost 501.5.", InsufficientMargin, Trouble.MARGIN),
    Known("330008", "Your current margin and leverage have reached", InsufficientMargin, Trouble.MARGIN),
    Known("200005", "Insufficient balance.", InsufficientMargin, Trouble.MARGIN),
    Known("400100", "account.available.amount", InsufficientMargin, Trouble.MARGIN, 400),
    Known("300016", "The leverage cannot be greater than 125.", OrderRejected, Trouble.LEVERAGE),
    Known("100001", "Leverage parameter invalid.", OrderRejected, Trouble.LEVERAGE),
    Known("330011", "The order's position mode does not match", AuthError, Trouble.HEDGE_MODE),
    Known("300009", "Current position size: 0, unable to close", OrderRejected, Trouble.REDUCE_ONLY),
    Known("300011", "Order price cannot be higher than 88702.9", OrderRejected, Trouble.REJECTED),
    Known("300012", "Order price cannot be lower than 80255", OrderRejected, Trouble.REJECTED),
    Known("400100", "The quantity is below the minimum requirement.", OrderRejected, Trouble.SIZE, 400),
    Known("400100", "Order size increment invalid.", OrderRejected, Trouble.SIZE, 400),
    Known("400100", "Parameter Error", OrderRejected, Trouble.REJECTED, 400),
    Known("300018", "clientOid parameter repeated", DuplicateClientOrderId, Trouble.DUPLICATE),
    Known("100001", "error.getOrder.orderNotExist", OrderRejected, Trouble.NOT_FOUND),
    Known("100004", "The order cannot be canceled.", OrderRejected, Trouble.NOT_FOUND),
    Known("100003", "Contract parameter invalid", OrderRejected, Trouble.SYMBOL),
    Known("200003", "The symbol parameter is invalid.", OrderRejected, Trouble.SYMBOL),
    Known("404000", "Url Not Found", OrderRejected, Trouble.REJECTED, 404),
    Known("411100", "User are frozen", AuthError, Trouble.FROZEN, 403),
    Known("40010", "Unavailable to place orders. Your identity", AuthError, Trouble.REGION),
    Known("400500", "Your located country/region is currently not", AuthError, Trouble.REGION, 400),
    Known("500000", "Internal Server Error", OutcomeUnknown, Trouble.BUSY, 500),
    Known("503000", "Service Unavailable", OutcomeUnknown, Trouble.BUSY, 503),
    Known("100002", "systemConfigError", OutcomeUnknown, Trouble.BUSY),
    Known("300002", "Order placement/cancellation suspended", NotReady, Trouble.MAINTENANCE),
    Known("300014", "The position is being liquidated", NotReady, Trouble.MAINTENANCE),
    Known("300015", "The order placing/cancellation is currently not", NotReady, Trouble.MAINTENANCE),
    Known("999999", "something new", OrderRejected, Trouble.REJECTED),
]
READS = {AuthError: AuthError, RateLimited: RateLimited}
"""What a read makes of them; everything else means that there is no value now."""


def answering(server: KucoinServer, known: Known, *, always_ok: bool) -> None:
    """Let every request but those for the time be refused so."""
    status = 200 if always_ok else known.status
    reply = json_reply({"code": known.code, "msg": known.text}, status=status)
    success = server.success
    server.success = (  # type: ignore[method-assign]  # for one test
        lambda call, data: success(call, data) if call.kind == "time" else reply
    )


PROXY = {"1015", "503000"}
"""Codes of what stands before KuCoin, with its own status in any case."""
FORMS = [(known, ok) for known in CODES for ok in (False, True) if not (ok and known.code in PROXY)]


def name(value: Any) -> str:
    return (
        f"{value.code} {value.text[:20]}" if isinstance(value, Known) else {True: "HTTP 200"}.get(value, "")
    )


@pytest.mark.parametrize(("known", "always_ok"), FORMS, ids=name)
async def test_codes(open_desk: Any, known: Known, always_ok: bool) -> None:
    async with open_desk() as desk:
        answering(desk.kucoin, known, always_ok=always_ok)
        with pytest.raises(known.error) as refused:
            await desk.account.place_order(desk.order())
        assert type(refused.value) is known.error
        assert known.trouble.remedy in str(refused.value)
        assert known.text[:20] in str(refused.value), "and in the exchange's own words"
        if isinstance(refused.value, OrderRejected):
            assert refused.value.code == known.code


@pytest.mark.parametrize("known", CODES, ids=name)
async def test_codes_of_reads(open_desk: Any, known: Known) -> None:
    async with open_desk() as desk:
        answering(desk.kucoin, known, always_ok=False)
        with pytest.raises(READS.get(known.error, NotReady)) as refused:
            await desk.account.positions()
        assert known.trouble.remedy in str(refused.value)


async def test_a_stop_that_is_gone_counts_as_cancelled(open_desk: Any) -> None:
    async with open_desk() as desk:
        desk.forget()
        await desk.account.cancel_stop("BTCUSDT", "7e" + "f" * 30)
        assert desk.requests == {"cancel": 1}, "one request, and no look-up before it"


@pytest.mark.parametrize("code", ["330005", "50002"])
async def test_modes_that_cannot_change(open_desk: Any, code: str) -> None:
    async with open_desk() as desk:
        answering(desk.kucoin, Known(code, "text", OrderRejected, Trouble.MODE_BLOCKED), always_ok=False)
        with pytest.raises(OrderRejected, match="the mode cannot change while orders or positions are open"):
            await desk.account.place_order(desk.order())
    assert Code(code).status == 200


async def test_everyone_waits_until_the_pool_is_full_again(open_desk: Any) -> None:
    async with open_desk() as desk:
        reply = json_reply(
            {"code": "429000", "msg": "Too many"}, status=429, headers={"gw-ratelimit-reset": "8400"}
        )
        desk.kucoin.success = lambda call, data: reply
        with pytest.raises(RateLimited) as refused:
            await desk.account.positions()
        assert refused.value.retry_after == pytest.approx(8.4)
        desk.forget()
        with pytest.raises(RateLimited) as held:
            await desk.account.place_order(desk.order())
        assert held.value.retry_after == pytest.approx(8.4, abs=0.4)
        assert desk.requests == {}, "nothing is sent meanwhile"


async def test_a_wrong_clock_is_corrected(open_desk: Any) -> None:
    async with open_desk() as desk:
        desk.kucoin.exchange.clock.skew_ms = 20_000
        with pytest.raises(NotReady, match="this machine's clock is wrong"):
            await desk.account.positions()
        assert (await desk.account.positions()).value == {}


@pytest.mark.parametrize(
    "kind", [FaultKind.DROPPED, FaultKind.HTML, FaultKind.TRUNCATED, FaultKind.SERVER_ERROR], ids=str
)
async def test_orders_whose_answer_is_lost_are_looked_up(open_desk: Any, kind: FaultKind) -> None:
    async with open_desk() as desk:
        desk.kucoin.faults.add(Fault(kind=kind, route="order", accepted=True))
        with pytest.raises(OutcomeUnknown):
            await desk.account.place_order(desk.order())
        found = await desk.account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert desk.held.size == 5


async def test_wrong_keys_stop_the_account_with_the_remedy(open_desk: Any) -> None:
    for wrong, remedy in (("api_key", "check api_key"), ("password", "check passphrase")):
        with pytest.raises(AuthError, match=remedy):
            async with open_desk(**{wrong: "wrong"}):
                pass
