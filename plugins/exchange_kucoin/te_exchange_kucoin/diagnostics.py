"""Findings of ``te doctor`` about a KuCoin account and key."""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding, Severity
from te_exchange_ccxt.api import Row, finding, key_findings


def check_account(mode: object) -> Finding:
    """Check the account's type; ``mode`` is None if KuCoin does not return it."""
    text = f"{str(mode or 'of unknown type').lower()}, one-way"
    if mode == "UNIFIED":
        remedy = "use a sub-account that is not a unified trading account"
        return finding("account", text, fine=False, remedy=remedy, bad=Severity.ERROR)
    remedy = "check at the exchange that it is not a unified trading account"
    return finding("account", text, fine=mode == "CLASSIC", remedy=remedy)


def may_withdraw(key: Row) -> bool:
    """Return whether the key may withdraw funds."""
    return any("withdraw" in name.lower() for name in _permissions(key))


def _permissions(key: Row) -> list[str]:
    return str(key.get("permission")).split(",")


def check_key(key: Row) -> Sequence[Finding]:
    """Check permissions and addresses."""
    allowed = _permissions(key)
    return key_findings(
        trades="Futures" in allowed,
        make="give it the Futures permission",
        withdraws=may_withdraw(key),
        bound=key.get("ipWhitelist"),
        free="works from any address",
        bind="bind it to this machine's address",
    )
