"""Makes plans of requested commands, for the page and for programs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from te_core.page.plans import (
    ALL,
    OF_CHANGED,
    OF_SOURCES,
    STOPPING,
    Plan,
    Verb,
    Wanted,
    plan_to_accept,
    plan_to_go_on,
    plan_to_heal,
    plan_to_stop,
)
from te_core.page.shown import Shown
from te_core.reporting.queries import Queries
from te_core.reporting.view import view
from te_core.web.interfaces import EngineCommands

READING = 3.0
"""Seconds for which a plan waits for the accounts to be read."""
MOST_FLAT = 1000
"""Symbols that one resume may leave flat."""
EVERYBODY = (Verb.HALT, Verb.FLATTEN, Verb.RESUME)
"""Commands that can apply to all accounts at once."""
_SYMBOL = re.compile(r"[A-Z0-9]{2,32}")


class Planner:
    """Makes plans by the current state of the engine."""

    def __init__(self, queries: Queries, commands: EngineCommands) -> None:
        self._queries = queries
        self._commands = commands
        self._previews: dict[Wanted, asyncio.Task[Mapping[str, Any]]] = {}

    def wanted(
        self,
        verb: str,
        who: str,
        *,
        symbol: str = "",
        close: bool = False,
        next_signal: bool = False,
        flat: Sequence[str] = (),
    ) -> Wanted:
        """Return the requested command. Raises ``LookupError`` for unknown names."""
        try:
            known = Verb(verb)
        except ValueError:
            raise LookupError(f"unknown command {verb}") from None
        state = self._queries.state()
        names = state["sources"] if known in OF_SOURCES else state["accounts"]
        if not (who == ALL and known in EVERYBODY) and who not in names:
            kind = "source" if known in OF_SOURCES else "account"
            raise LookupError(f"there is no {kind} {who} in the settings")
        left = tuple(dict.fromkeys(flat))[:MOST_FLAT] if known is Verb.RESUME else ()
        if wrong := [one for one in (symbol, *left) if one and not _SYMBOL.fullmatch(one)]:
            raise LookupError(f"{wrong[0]!r} is not a symbol")
        return Wanted(verb=known, who=who, symbol=symbol, close=close, next_signal=next_signal, flat=left)

    async def plan(self, wanted: Wanted) -> Plan | None:
        """Return the plan; None while accounts are being read for it. Raises ``CommandRefused``."""
        shown = self._shown()
        if wanted.verb in STOPPING:
            return plan_to_stop(wanted, shown.account_rows(), shown.held())
        if wanted.verb is Verb.HEAL:
            return plan_to_heal(wanted, shown.account_rows(), shown.changed())
        if wanted.verb is Verb.ACCEPT:
            return plan_to_accept(wanted, shown.account_rows(), shown.changed())
        if wanted.verb is Verb.PAUSE and not wanted.close:
            return plan_to_go_on(wanted, {}, ())
        preview = self._previews.get(wanted)
        if preview is None:
            # Lifting a breaker may require a reason; the operator enters it with the confirmation.
            command = wanted.command(by="the page", reason="preview")
            preview = asyncio.ensure_future(self._commands.command(command, preview=True))
            self._previews[wanted] = preview
        await asyncio.wait([preview], timeout=READING)
        if not preview.done():
            return None
        self._previews.pop(wanted, None)
        return plan_to_go_on(wanted, preview.result(), shown.account_rows(), shown.known())

    def changed(self, wanted: Wanted) -> list[str]:
        """Return the symbols of the account whose positions others changed."""
        if wanted.verb not in OF_CHANGED:
            return []
        return [one.symbol for one in self._shown().changed() if one.account == wanted.who]

    def forget(self) -> None:
        """Drop unfinished previews, because something changed."""
        self._previews.clear()

    def _shown(self) -> Shown:
        return Shown(view(self._queries.state()))
