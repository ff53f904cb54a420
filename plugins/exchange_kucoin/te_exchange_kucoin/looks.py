"""What ``te doctor`` says of a KuCoin account and key."""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding, Severity
from te_exchange_ccxt.base import Row, key_findings, told


def look_at_account(mode: object) -> Finding:
    """Tell the account's type; ``mode`` is None where KuCoin does not say."""
    text = f"{str(mode or 'of unknown type').lower()}, one-way"
    if mode == "UNIFIED":
        remedy = "use a sub-account that is not a unified trading account"
        return told("account", text, fine=False, remedy=remedy, bad=Severity.ERROR)
    remedy = "see at the exchange that it is not a unified trading account"
    return told("account", text, fine=mode == "CLASSIC", remedy=remedy)


def may_withdraw(key: Row) -> bool:
    """Return whether the key may take money out."""
    return any("withdraw" in name.lower() for name in _allowed(key))


def _allowed(key: Row) -> list[str]:
    return str(key.get("permission")).split(",")


def look_at_key(key: Row) -> Sequence[Finding]:
    """Tell permissions and addresses."""
    allowed = _allowed(key)
    return key_findings(
        trades="Futures" in allowed,
        make="give it the Futures permission",
        withdraws=may_withdraw(key),
        bound=key.get("ipWhitelist"),
        free="works from any address",
        bind="bind it to this machine's address",
    )
