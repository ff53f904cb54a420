"""Filter a state by accounts or symbols; the sums of its view then cover only what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def narrowed(
    state: Mapping[str, Any], *, accounts: Collection[str] = (), symbols: Collection[str] = ()
) -> dict[str, Any]:
    """Return a state with only these accounts and symbols; empty for all of them. The engine and sources stay."""
    shown = {
        name: _of_symbols(one, symbols) if symbols else one
        for name, one in state["accounts"].items()
        if not accounts or name in accounts
    }
    rows = {
        key: [row for row in state.get(key, ()) if _concerns(row, accounts, symbols)]
        for key in ("limits", "breakers", "commands")
    }
    every = state["symbols"]
    return {
        **state,
        **rows,
        "accounts": shown,
        "symbols": {name: one for name, one in every.items() if not symbols or name in symbols},
    }


def _of_symbols(account: Mapping[str, Any], symbols: Collection[str]) -> dict[str, Any]:
    tables = ("positions", "targets", "foreign")
    return {
        **account,
        **{
            key: {name: one for name, one in account.get(key, {}).items() if name in symbols}
            for key in tables
        },
    }


def _concerns(row: Mapping[str, Any], accounts: Collection[str], symbols: Collection[str]) -> bool:
    """Return whether a row concerns one of them; a row about all accounts, or about a source, always does."""
    account = "" if row.get("topic") == "pause" else row.get("account", row.get("scope", ""))
    symbol = row.get("symbol", "")
    return (not accounts or not account or account in accounts) and (
        not symbols or not symbol or symbol in symbols
    )
