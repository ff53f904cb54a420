"""What ``te doctor`` says of a Bybit key and account."""

from __future__ import annotations

from collections.abc import Iterator

from te_core.api import Finding, Severity
from te_exchange_ccxt.base import Row, dig


def look_at_account(info: Row) -> Iterator[Finding]:
    """Tell account type and margin mode. https://bybit-exchange.github.io/docs/v5/account/account-info"""
    mode = str(info.get("marginMode"))
    usable = mode in ("ISOLATED_MARGIN", "REGULAR_MARGIN")
    yield Finding(
        severity=Severity.OK if usable else Severity.WARNING,
        check="account",
        text=f"unified, {mode.lower().replace('_', ' ')}, one-way",
        remedy="" if usable else "choose isolated or cross margin at the exchange",
    )


def look_at_key(key: Row) -> Iterator[Finding]:
    """Tell permissions, addresses and age. https://bybit-exchange.github.io/docs/v5/user/apikey-info"""
    allowed = dig(key, "permissions") or {}
    trades = str(key.get("readOnly")) == "0" and "Order" in (allowed.get("ContractTrade") or ())
    yield Finding(
        severity=Severity.OK if trades else Severity.ERROR,
        check="key",
        text="may trade contracts" if trades else "may not trade contracts",
        remedy="" if trades else "make a key with read-write access and Contract: Orders and Positions",
    )
    if "Withdraw" in (allowed.get("Wallet") or ()):
        yield Finding(
            severity=Severity.WARNING,
            check="key",
            text="may withdraw funds, which the engine never needs",
            remedy="make a key without the Withdrawal permission",
        )
    if list(key.get("ips") or ()) in ([], ["*"]):
        yield Finding(
            severity=Severity.WARNING,
            check="key",
            text=f"works from any address, and expires in {key.get('deadlineDay', '?')} days",
            remedy="bind it to this machine's address: such keys do not expire",
        )
