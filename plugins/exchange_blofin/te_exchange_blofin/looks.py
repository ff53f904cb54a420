"""What ``te doctor`` says of a BloFin key and account. https://docs.blofin.com/index.html#get-api-key-info"""

from __future__ import annotations

from collections.abc import Iterator

from te_core.api import Finding, Severity
from te_exchange_ccxt.base import Row


def look_at_account(config: Row, mode: str | None) -> Iterator[Finding]:
    """Tell account type and margin mode."""
    level = str(config.get("accountLevel"))
    usual = level == "0"
    yield Finding(
        severity=Severity.OK if usual else Severity.WARNING,
        check="account",
        text=f"futures, {mode} margin, one-way"
        if usual
        else f"a unified account (level {level}), never tried",
        remedy="" if usual else "watch its first orders, or use a sub-account that is not unified",
    )


def look_at_key(key: Row, broker: str | None) -> Iterator[Finding]:
    """Tell permissions, broker and addresses. Whether it may transfer or withdraw, BloFin does not tell."""
    trades = str(key.get("readOnly")) == "0"
    bound = "bound to a third-party application" if str(key.get("type")) == "2" else "of type API transaction"
    yield Finding(
        severity=Severity.OK if trades else Severity.ERROR,
        check="key",
        text=f"{bound}, orders with {f'broker id {broker}' if broker else 'no broker id'}"
        if trades
        else "it is read-only",
        remedy="" if trades else "make a key with the permission TRADE, without TRANSFER and withdrawals",
    )
    if not key.get("ips"):
        yield Finding(
            severity=Severity.WARNING,
            check="key",
            text="it works from any address, and such keys expire after 90 days",
            remedy="bind it to this machine's address",
        )
