"""``te doctor`` at each exchange: one line per finding, with a remedy if there is something to do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import Finding, Severity
from te_core.clock import SystemClock
from te_core.reporting.doctor import examine
from te_core.settings.schema import AccountSettings, SymbolSettings
from te_emulators.accounts import connected
from te_emulators.core.clock import ExchangeClock
from te_emulators.venues import running
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

TELLS_OF_WITHDRAWALS = {"bybit", "kucoin"}
"""The others do not report what else a key may do."""


async def findings(exchange: str, folder: Path, *, balance: int = 10_000, skew: float = 0) -> list[Finding]:
    """Check an account with an unbound key that may withdraw, and with a symbol that does not exist."""
    clock = ExchangeClock()
    clock.skew_ms = int(skew * 1000)
    symbols = {name: SymbolSettings(weights={"said": Decimal("0.02")}) for name in ("BTCUSDT", "NONEUSDT")}
    async with running(exchange, balance=Decimal(balance), clock=clock) as server:
        (key,) = server.exchange.accounts["main"].keys
        key.permissions = frozenset({"read", "trade", "withdraw"})
        async with connected(spec_of(exchange), server, folder) as account:
            return await examine(account, AccountSettings(plugin=exchange), symbols, SystemClock())


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_what_is_looked_at(exchange: str, tmp_path: Path) -> None:
    found = await findings(exchange, tmp_path)
    assert [f.check for f in found if f.severity is Severity.ERROR] == []
    assert {"clock", "account", "key", "round trip", "equity", "BTCUSDT", "NONEUSDT"} == {
        f.check for f in found
    }
    assert all(f.remedy for f in found if f.severity is not Severity.OK)
    assert all("\n" not in f.text + f.remedy for f in found)
    texts = {f.check: f.text for f in found}
    assert "one-way" in texts["account"]
    assert "never trade" in texts["BTCUSDT"]
    assert "does not list it" in texts["NONEUSDT"]
    told = [f for f in found if f.check == "key" and "withdraw" in f.text + f.remedy]
    if exchange in TELLS_OF_WITHDRAWALS:
        assert [f.severity for f in told] == [Severity.WARNING]


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_an_equity_at_which_nothing_would_ever_trade(exchange: str, tmp_path: Path) -> None:
    (btc,) = [f for f in await findings(exchange, tmp_path, balance=50) if f.check == "BTCUSDT"]
    assert btc.severity is Severity.ERROR
    assert "at this equity even depth 0.02 will never trade" in btc.text
    assert "raise weight, leverage or equity" in btc.remedy


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_a_clock_that_is_wrong(exchange: str, tmp_path: Path) -> None:
    (clock,) = [f for f in await findings(exchange, tmp_path, skew=-20) if f.check == "clock"]
    assert clock.severity is Severity.WARNING
    assert "20.0 s ahead of the exchange's" in clock.text
    assert "NTP" in clock.remedy
