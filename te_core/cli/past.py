"""Queries history from the running engine, or from its journal if none is running; shared by such commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlencode

import typer

from te_core.app.paths import Paths
from te_core.cli.client import ask, running_engine
from te_core.cli.complete import account_names, source_names, symbol_names
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_note
from te_core.cli.since import period
from te_core.clock import SystemClock
from te_core.settings.peek import names

PAGE = 500
"""Entries per request."""

Ask = Callable[[str, Mapping[str, str]], Any]
AccountName = Annotated[
    str,
    typer.Option("--account", metavar="NAME", help="Only this account.", autocompletion=account_names),
]
SymbolName = Annotated[
    str, typer.Option("--symbol", metavar="NAME", help="Only this symbol.", autocompletion=symbol_names)
]
SourceName = Annotated[
    str,
    typer.Option(
        "--source",
        metavar="NAME",
        help="Only what this source contributed to.",
        autocompletion=source_names,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="How many, newest first; default: 20, or all with --csv."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV: all columns, every row of the period.")]


@contextmanager
def asking(paths: Paths) -> Iterator[Ask]:
    """Open the engine or the journal for queries: ``ask("orders", {"limit": "9"})``.

    Raises ``Failure`` if no engine has ever run here.
    """
    if running_engine(paths) is not None:
        yield lambda what, query: ask(paths, f"/api/v1/{what}?{urlencode(query)}")
        return
    from te_core.cli.offline import opened_journal
    from te_core.reporting.history import JournalHistory

    with opened_journal(paths) as (_, journal):
        history = JournalHistory(journal)
        yield lambda what, query: _of_the_journal(history, what, query)


def _of_the_journal(history: Any, what: str, query: Mapping[str, str]) -> Any:
    from te_core.journal.order_lookup import NoSuchOrder
    from te_core.web.query_parameters import parse_curve_query, parse_result_query, parse_wanted

    name, _, order = what.partition("/")
    if order:
        try:
            return history.order(unquote(order))
        except NoSuchOrder as error:
            raise Failure(str(error)) from None
    parse: Callable[[Mapping[str, str]], Any] = {"pnl": parse_result_query, "history": parse_curve_query}.get(
        name, parse_wanted
    )
    return getattr(history, name)(parse(query))


def order_address(order: str) -> str:
    """Return the API path of one order."""
    return f"orders/{quote(order, safe='')}"


def entries(ask: Ask, what: str, query: Mapping[str, str], limit: int | None = None) -> Iterator[Any]:
    """Yield entries, newest first, fetched page by page; all of them without a ``limit``."""
    before: str | None = None
    left = limit
    while left is None or left > 0:
        size = PAGE if left is None else min(left, PAGE)
        position = {} if before is None else {"before": before}
        page = ask(what, {**query, **position, "limit": str(size)})
        yield from page[what]
        if page["next"] is None:
            return
        before = str(page["next"])
        left = None if left is None else left - len(page[what])


def wanted_number(limit: int | None, *, as_csv: bool) -> int | None:
    """Return how many entries to fetch; None for all."""
    return limit or (None if as_csv else 20)


def query_of(
    *, since: str = "", until: str = "", account: str = "", symbol: str = "", source: str = ""
) -> dict[str, str]:
    """Return the query for these options; times as in ``te_core.cli.since``. Raises ``Failure``."""
    begin, end = period(since, until, SystemClock().now())
    given = {
        "since": begin.isoformat() if begin else "",
        "until": end.isoformat() if end else "",
        "account": account,
        "symbol": symbol.upper(),
        "source": source,
    }
    return {name: value for name, value in given.items() if value}


def check_one_form(*chosen: bool) -> None:
    """Raise ``Failure`` if more than one output format was chosen."""
    if sum(chosen) > 1:
        raise Failure("choose one output format", code=ExitCode.INVALID)


def print_nothing_found(paths: Paths, query: Mapping[str, str]) -> None:
    """Print the known names for each queried name that the settings do not contain: it may be mistyped."""
    for option in ("account", "symbol", "source"):
        wanted, known = query.get(option), names(paths.settings, os.environ, f"{option}s")
        if wanted and wanted not in known:
            print_note(f"the settings have no {option} {wanted} (known: {', '.join(known) or 'none'})")
