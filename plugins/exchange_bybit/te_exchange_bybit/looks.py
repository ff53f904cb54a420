"""What ``te doctor`` says of a Bybit key and account."""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding
from te_exchange_ccxt.base import Row, dig, key_findings, told


def look_at_account(info: Row, hedged: Sequence[str]) -> Sequence[Finding]:
    """Return account type, margin mode, and symbols in hedge mode: each has a position mode of its own.

    https://bybit-exchange.github.io/docs/v5/account/account-info
    """
    mode = str(info.get("marginMode"))
    account = told(
        "account",
        f"unified, {mode.lower().replace('_', ' ')}, " + ("not all symbols one-way" if hedged else "one-way"),
        fine=mode in ("ISOLATED_MARGIN", "REGULAR_MARGIN"),
        remedy="choose isolated or cross margin at the exchange",
    )
    modes = told(
        "position mode",
        f"in hedge mode, and not traded: {', '.join(hedged)}",
        fine=False,
        remedy="close their positions and switch them to one-way mode at the exchange",
    )
    return [account, modes] if hedged else [account]


def may_withdraw(key: Row) -> bool:
    """Return whether the key may take money out."""
    return "Withdraw" in (dig(key, "permissions", "Wallet") or ())


def look_at_key(key: Row) -> Sequence[Finding]:
    """Tell permissions, addresses and age. https://bybit-exchange.github.io/docs/v5/user/apikey-info"""
    allowed = dig(key, "permissions") or {}
    return key_findings(
        trades=str(key.get("readOnly")) == "0" and "Order" in (allowed.get("ContractTrade") or ()),
        make="make a key with read-write access and Contract: Orders and Positions",
        withdraws=may_withdraw(key),
        bound=list(key.get("ips") or ()) not in ([], ["*"]),
        free=f"works from any address, and expires in {key.get('deadlineDay', '?')} days",
        bind="bind it to this machine's address: such keys do not expire",
    )
