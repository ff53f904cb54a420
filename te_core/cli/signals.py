"""``te signals``: show the newest signals and refused input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_csv, print_json, print_lines, show, table, to_the_second
from te_core.cli.past import (
    AsCsv,
    AsJson,
    Limit,
    SourceName,
    SymbolName,
    asking,
    check_one_form,
    entries,
    print_nothing_found,
    query_of,
    wanted_number,
)
from te_core.cli.since import Since, Until

CSV = (
    *("number", "received_at", "time", "source", "symbol", "depth", "leverage", "price", "sequence"),
    *("current", "rule", "note", "exits"),
)
"""The columns of ``te signals --csv``, explained in docs/money.md."""
REFUSED_CSV = ("number", "received_at", "source", "field", "reason", "body")
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
_REFUSED = REFUSED_CSV[1:]


def signals(
    context: typer.Context,
    *,
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Show refused input instead.")] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Show accepted alerts as received, without secrets.")
    ] = False,
    since: Since = "",
    until: Until = "",
    symbol: SymbolName = "",
    source: SourceName = "",
    limit: Limit = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the newest signals, or refused input and the reason.

    \b
    Example: te signals --since 2h --symbol BTCUSDT
             te signals --raw --limit 5
             te signals --quarantine
    """
    check_one_form(as_json, as_csv, raw)
    if quarantine and (raw or symbol):
        raise Failure("refused input has no symbol and is always shown as received", code=ExitCode.INVALID)
    paths, what = Paths.of(context), "quarantine" if quarantine else "signals"
    query = query_of(since=since, until=until, symbol=symbol, source=source)
    with asking(paths) as ask:
        found = list(entries(ask, what, query, wanted_number(limit, as_csv=as_csv)))
    if as_json:
        print_json({what: found})
    elif as_csv:
        print_csv(REFUSED_CSV if quarantine else CSV, found)
    elif raw:
        print_lines(*_raw(found))
    else:
        columns = _REFUSED if quarantine else _SIGNALS
        rows = (
            [to_the_second(entry["received_at"]), *(entry[column] for column in columns[1:])]
            for entry in found
        )
        spare = () if quarantine else ("sequence", "price", "leverage")
        show(table(what.capitalize(), columns, rows, spare=spare))
    if not found:
        print_nothing_found(paths, query)


def _raw(found: list[Any]) -> Iterator[str]:
    for signal in found:
        yield f"{signal['received_at']} {signal['source']} {signal['symbol']} {signal['depth']}"
        kept = signal["detail"].get("raw")
        yield f"  {kept if isinstance(kept, str) else 'its source stored no message with it'}"
