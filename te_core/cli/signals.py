"""``te signals``: what sources said last, and what was refused."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from te_core.app.paths import Place
from te_core.cli.client import EngineDown, ask
from te_core.cli.output import print_json, show, table, to_the_second

_SIGNALS = (
    "received_at",
    "source",
    "symbol",
    "depth",
    "leverage",
    "price",
    "sequence",
    "current",
    "rule",
    "note",
)
_REFUSED = ("received_at", "source", "field", "reason", "body")


def signals(
    context: typer.Context,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Show refused input instead.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the newest signals, or input that was refused and why.

    \b
    Example: te signals --limit 50
             te signals --quarantine
    """
    what = "quarantine" if quarantine else "signals"
    answer = _history(Place.of(context), what, limit)
    if as_json:
        print_json(answer)
        return
    columns = _REFUSED if quarantine else _SIGNALS
    rows = (
        [to_the_second(entry["received_at"]), *(entry[column] for column in columns[1:])]
        for entry in answer[what]
    )
    spare = () if quarantine else ("sequence", "price", "leverage")
    show(table(what.capitalize(), columns, rows, spare=spare))


def _history(place: Place, what: str, limit: int) -> Any:
    try:
        return ask(place, f"/api/v1/{what}?limit={limit}")
    except EngineDown:
        from te_core.cli.offline import opened_journal
        from te_core.journal.pages import Wanted
        from te_core.web.history import JournalHistory

        with opened_journal(place) as (_, journal):
            return getattr(JournalHistory(journal), what)(Wanted(limit=limit))
