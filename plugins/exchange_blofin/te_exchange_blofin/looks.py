"""What ``te doctor`` says of a BloFin account. https://docs.blofin.com/index.html#get-api-key-info"""

from __future__ import annotations

from collections.abc import Iterator

from te_core.api import Finding, Severity
from te_exchange_ccxt.base import Row


def look(config: Row, key: Row, *, mode: str | None, broker: str | None) -> Iterator[Finding]:
    """Tell account type, permissions and addresses. Whether a key may move funds, BloFin does not tell."""

    def told(check: str, text: str, fine: object, remedy: str, bad: Severity = Severity.WARNING) -> Finding:
        severity = Severity.OK if fine else bad
        return Finding(severity=severity, check=check, text=text, remedy="" if fine else remedy)

    level, trades = str(config.get("accountLevel")), str(key.get("readOnly")) == "0"
    text = (
        f"futures, {mode} margin, one-way"
        if level == "0"
        else f"a unified account (level {level}), never tried"
    )
    yield told(
        "account", text, level == "0", "watch its first orders, or use a sub-account that is not unified"
    )
    text = f"it may trade, with broker id {broker!r}" if trades else "it is read-only"
    remedy = "make a key with the permission TRADE, without TRANSFER and withdrawals"
    yield told("key", text, trades, remedy, Severity.ERROR)
    text = (
        "bound to addresses"
        if key.get("ips")
        else "it works from any address, and such keys expire after 90 days"
    )
    yield told("key", text, key.get("ips"), "bind it to this machine's address")
