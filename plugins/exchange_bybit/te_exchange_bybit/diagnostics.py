"""Findings of ``te doctor`` about a Bybit key and account."""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding
from te_exchange_ccxt.api import Row, dig, finding, key_findings


def check_account(info: Row, hedged: Sequence[str]) -> Sequence[Finding]:
    """Check account type, margin mode, and position modes of symbols.

    https://bybit-exchange.github.io/docs/v5/account/account-info
    """
    mode = str(info.get("marginMode"))
    account = finding(
        "account",
        f"unified, {mode.lower().replace('_', ' ')}, " + ("not all symbols one-way" if hedged else "one-way"),
        fine=mode in ("ISOLATED_MARGIN", "REGULAR_MARGIN"),
        remedy="choose isolated or cross margin at the exchange",
    )
    modes = finding(
        "position mode",
        f"in hedge mode, and not traded: {', '.join(hedged)}",
        fine=False,
        remedy="close their positions and switch them to one-way mode at the exchange",
    )
    return [account, modes] if hedged else [account]


def may_withdraw(key: Row) -> bool:
    """Return whether the key may withdraw funds."""
    return "Withdraw" in (dig(key, "permissions", "Wallet") or ())


def check_key(key: Row) -> Sequence[Finding]:
    """Check permissions, addresses and age. https://bybit-exchange.github.io/docs/v5/user/apikey-info"""
    allowed = dig(key, "permissions") or {}
    return key_findings(
        trades=str(key.get("readOnly")) == "0" and "Order" in (allowed.get("ContractTrade") or ()),
        make="make a key with read-write access and Contract: Orders and Positions",
        withdraws=may_withdraw(key),
        bound=list(key.get("ips") or ()) not in ([], ["*"]),
        free=f"works from any address, and expires in {key.get('deadlineDay', '?')} days",
        bind="bind it to this machine's address: such keys do not expire",
    )
