"""Queries the running engine for the symbols that its accounts' exchanges offer: only it has connected to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from te_core.cli.client import ask
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from te_core.app.paths import Paths

Offers = Mapping[str, Mapping[str, Any]]
"""Account -> symbol -> what is known about it. Accounts that could not be queried are left out."""


def offers(paths: Paths, symbols: Iterable[str]) -> Offers | None:
    """Return which of the symbols each account offers; None if no engine answers."""
    if not (names := list(dict.fromkeys(symbols))):
        return {}
    try:
        accounts = ask(paths, f"/api/v1/instruments?symbols={','.join(names)}")["accounts"]
    except Failure:
        return None
    return {name: found["symbols"] for name, found in accounts.items() if "symbols" in found}
