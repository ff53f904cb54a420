"""Which symbols the exchanges of a running engine's accounts offer: nobody else can say without connecting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from te_core.cli.client import ask
from te_core.cli.failure import Failure

if TYPE_CHECKING:
    from te_core.app.paths import Paths

Offers = Mapping[str, Mapping[str, Any]]
"""Account -> symbol -> what is known of it. Accounts that could not be asked are left out."""


def offers(paths: Paths, symbols: Iterable[str]) -> Offers | None:
    """Return which of the symbols each account offers; None where no engine can be asked."""
    if not (names := list(dict.fromkeys(symbols))):
        return {}
    try:
        accounts = ask(paths, f"/api/v1/instruments?symbols={','.join(names)}")["accounts"]
    except Failure:
        return None
    return {name: found["symbols"] for name, found in accounts.items() if "symbols" in found}
