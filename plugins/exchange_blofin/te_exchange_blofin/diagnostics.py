"""Findings of ``te doctor`` about a BloFin account. https://docs.blofin.com/index.html#get-api-key-info"""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding
from te_exchange_ccxt.api import Row, finding, key_findings


def check_futures(config: Row, key: Row, *, mode: str | None, broker: str | None) -> Sequence[Finding]:
    """Check account type, permissions and addresses. BloFin does not reveal whether a key may move funds."""
    level = str(config.get("accountLevel"))
    account = f"futures, {mode} margin, one-way, orders with broker id {broker!r}"
    return [
        finding(
            "account",
            account if level == "0" else f"a unified account (level {level}), which was never tested",
            fine=level == "0",
            remedy="watch its first orders, or use a sub-account that is not unified",
        ),
        *_check_key(key),
    ]


def check_copy_trading(config: Row, key: Row, *, offered: int) -> Sequence[Finding]:
    """Check role and contracts of a copy-trading account. https://docs.blofin.com/index.html#copy-trading"""
    leads = str(config.get("roleType")) == "1"
    return [
        finding(
            "account",
            f"copy trading, one-way, {offered} contracts"
            + ("" if leads else ", but its user is not a lead trader"),
            fine=leads,
            remedy='apply as a lead trader at BloFin, or remove account_type = "copy_trading"',
        ),
        *_check_key(key),
    ]


def _check_key(key: Row) -> Sequence[Finding]:
    return key_findings(
        trades=str(key.get("readOnly")) == "0",
        make="make a key with the permission TRADE, without TRANSFER and withdrawals",
        withdraws=False,
        bound=key.get("ips"),
        free="works from any address, and such keys expire after 90 days",
        bind="bind it to this machine's address",
    )
