"""What ``te doctor`` says of a Bybit key and account."""

from __future__ import annotations

from collections.abc import Sequence

from te_core.api import Finding
from te_exchange_ccxt.base import Row, dig, key_findings, told


def look_at_account(info: Row) -> Finding:
    """Return account type and margin mode. https://bybit-exchange.github.io/docs/v5/account/account-info"""
    mode = str(info.get("marginMode"))
    return told(
        "account",
        f"unified, {mode.lower().replace('_', ' ')}",
        fine=mode in ("ISOLATED_MARGIN", "REGULAR_MARGIN"),
        remedy="choose isolated or cross margin at the exchange",
    )


def position_modes(hedged: Sequence[str]) -> Finding:
    """Return whether one of the symbols that the engine may trade is in hedge mode; each has a mode of its own."""
    return told(
        "position mode",
        f"in hedge mode, and not traded: {', '.join(hedged)}" if hedged else "one-way",
        fine=not hedged,
        remedy="close their positions and switch them to one-way mode at the exchange",
    )


def look_at_key(key: Row) -> Sequence[Finding]:
    """Tell permissions, addresses and age. https://bybit-exchange.github.io/docs/v5/user/apikey-info"""
    allowed = dig(key, "permissions") or {}
    return key_findings(
        trades=str(key.get("readOnly")) == "0" and "Order" in (allowed.get("ContractTrade") or ()),
        make="make a key with read-write access and Contract: Orders and Positions",
        withdraws="Withdraw" in (allowed.get("Wallet") or ()),
        bound=list(key.get("ips") or ()) not in ([], ["*"]),
        free=f"works from any address, and expires in {key.get('deadlineDay', '?')} days",
        bind="bind it to this machine's address: such keys do not expire",
    )
