"""What is wrong with a key, an account or a clock is told apart, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from te_core.api import AuthError, NotReady, Severity
from te_emulators.accounts import order
from te_emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]


async def refusal(
    bybit: Bybit, kind: type[Exception], prepare: Callable[[WireServer], None], **options: Any
) -> str:
    with pytest.raises(kind) as caught:
        async with bybit(prepare, **options):
            pass
    text = str(caught.value)
    assert "SECRET" not in text
    return text


def change_key(**parts: Any) -> Callable[[WireServer], None]:
    def change(server: WireServer) -> None:
        (key,) = server.exchange.accounts["main"].keys
        for name, value in parts.items():
            setattr(key, name, value)

    return change


@pytest.mark.parametrize(
    ("prepare", "options", "remedy"),
    [
        (change_key(), {"api_key": "SECRET-WRONG"}, "demo trading or the testnet"),
        (change_key(), {"secret": "SECRET-WRONG"}, "check secret"),
        (change_key(expired=True), {}, "check api_key"),
        (change_key(allowed_ips=frozenset({"203.0.113.7"})), {}, "IP list"),
        (change_key(permissions=frozenset({"trade"})), {}, "permission"),
    ],
    ids=["key", "secret", "expired", "address", "permission"],
)
async def test_problems_with_a_key_are_told_apart(
    bybit: Bybit, prepare: Callable[[WireServer], None], options: dict[str, str], remedy: str
) -> None:
    assert remedy in await refusal(bybit, AuthError, prepare, **options)


async def test_a_key_that_may_only_read_stops_at_the_first_order(bybit: Bybit) -> None:
    async with bybit(change_key(permissions=frozenset({"read"}))) as (_, account):
        with pytest.raises(AuthError, match="permission to trade"):
            await account.place_order(order("0.01"))


async def test_the_doctor_reports_permissions_and_addresses(bybit: Bybit) -> None:
    everything = frozenset({"read", "trade", "withdraw"})
    async with bybit(change_key(permissions=everything)) as (_, account):
        found = {(finding.check, finding.severity): finding for finding in await account.diagnose()}
        assert found["clock", Severity.OK]
        assert found["account", Severity.OK].text == "unified, regular margin, one-way"
        assert found["key", Severity.OK].text == "may trade contracts"
        texts = [finding.text for finding in await account.diagnose() if finding.severity is Severity.WARNING]
        assert any("withdraw" in text for text in texts)
        identity = await account.identity()
        assert identity is not None
        assert identity.may_withdraw
        assert any("any address" in text for text in texts)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"expires_at": datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC)},
            datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC),
        ),
        ({"allowed_ips": frozenset({"127.0.0.1"})}, None),
    ],
    ids=["unbound", "bound"],
)
async def test_the_end_of_a_key_is_reported(
    bybit: Bybit, change: dict[str, Any], expected: datetime | None
) -> None:
    async with bybit(change_key(**change)) as (_, account):
        identity = await account.identity()
        assert identity is not None
        assert identity.key_expires_at == expected


async def test_a_wrong_clock_is_adjusted_to(bybit: Bybit) -> None:
    def skew(server: WireServer) -> None:
        server.exchange.clock.skew_ms = -60_000

    async with bybit(skew) as (server, account):
        await account.place_order(order("0.01"))
        clock = next(finding for finding in await account.diagnose() if finding.check == "clock")
        assert "60.0 s ahead of" in clock.text
        assert "NTP" in clock.remedy
        server.exchange.clock.skew_ms = 60_000
        with pytest.raises(NotReady, match="clock"):
            await account.equity()
        await account.equity()
