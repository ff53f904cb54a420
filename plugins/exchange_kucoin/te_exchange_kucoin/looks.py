"""What ``te doctor`` says of a KuCoin account and key."""

from __future__ import annotations

from collections.abc import Iterator

from te_core.api import Finding, Severity
from te_exchange_ccxt.base import Row


def look_at_account(mode: object) -> Finding:
    """Tell the account's type; ``mode`` is None where KuCoin does not say."""
    severity, remedy = Severity.OK, ""
    if mode == "UNIFIED":
        severity, remedy = Severity.ERROR, "use a sub-account that is not a unified trading account"
    elif mode != "CLASSIC":
        severity, remedy = Severity.WARNING, "see at the exchange that it is not a unified trading account"
    text = f"{str(mode or 'of unknown type').lower()}, one-way"
    return Finding(severity=severity, check="account", text=text, remedy=remedy)


def look_at_key(key: Row) -> Iterator[Finding]:
    """Tell permissions and addresses."""
    allowed = str(key.get("permission")).split(",")
    trades = "Futures" in allowed
    yield Finding(
        severity=Severity.OK if trades else Severity.ERROR,
        check="key",
        text="may trade contracts" if trades else "may not trade contracts",
        remedy="" if trades else "give it the Futures permission",
    )
    if any("withdraw" in name.lower() for name in allowed):
        text, remedy = (
            "may withdraw funds, which the engine never needs",
            "make a key without that permission",
        )
        yield Finding(severity=Severity.WARNING, check="key", text=text, remedy=remedy)
    if not key.get("ipWhitelist"):
        text, remedy = "works from any address", "bind it to this machine's address"
        yield Finding(severity=Severity.WARNING, check="key", text=text, remedy=remedy)
