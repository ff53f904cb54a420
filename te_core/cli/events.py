"""``te events``: show journaled events other than signals and orders, and follow new ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, running_engine
from te_core.cli.complete import event_kinds
from te_core.cli.failure import ExitCode
from te_core.cli.output import (
    print_csv,
    print_json,
    print_json_line,
    print_lines,
    print_note,
    show,
    table,
    to_the_second,
)
from te_core.cli.past import (
    AccountName,
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
from te_core.errors import nearest
from te_core.model.event import KINDS

CSV = ("number", "at", "kind", "account", "symbol", "source", "text")
"""The columns of ``te events --csv``, explained in docs/cli.md."""
_COLUMNS = ("at", "kind", "account", "symbol", "source", "note")
WAIT = 8
"""Seconds that one request waits for an event; then the next request follows."""
AGAIN = 2.0
"""Seconds before retrying an engine that does not answer."""


def events(
    context: typer.Context,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Also show new events as they happen, until Ctrl-C.")
    ] = False,
    since: Since = "",
    until: Until = "",
    kind: Annotated[
        str,
        typer.Option("--kind", help="Only this kind: outage, drift, halt …", autocompletion=event_kinds),
    ] = "",
    account: AccountName = "",
    symbol: SymbolName = "",
    source: SourceName = "",
    limit: Limit = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show events other than signals and orders, newest first: outages, drift, halts, limits, refusals.

    With --follow the oldest comes first, one line each, and --json prints one object per line.

    \b
    Example: te events --since fri --account bybit-main
             te events --kind outage --since 2026-11 --csv > outages.csv
             te events --follow
    """
    check_one_form(as_json, as_csv)
    paths = Paths.of(context)
    query = query_of(since=since, until=until, account=account, symbol=symbol, source=source)
    query |= {"kind": kind} if kind else {}
    if follow:
        _follow(paths, query, limit, as_json=as_json, as_csv=as_csv)
        return
    with asking(paths) as asked:
        found = list(entries(asked, "events", query, wanted_number(limit, as_csv=as_csv)))
    if as_csv:
        print_csv(CSV, found)
    elif as_json:
        print_json({"events": found})
    else:
        show(table("Events", _COLUMNS, map(_row, found), spare=("source", "symbol")))
    if not found:
        print_nothing_found(paths, query)
    if kind and not found and kind not in KINDS:
        print_note(f"the engine records no events of kind {kind}{nearest(kind, KINDS)}; plugins may")


def _row(event: Any) -> tuple[object, ...]:
    return (
        to_the_second(event["at"]),
        event["kind"],
        event["account"],
        event["symbol"],
        event["source"],
        event["text"],
    )


def _follow(
    paths: Paths, query: Mapping[str, str], limit: int | None, *, as_json: bool, as_csv: bool
) -> None:
    """Show the newest events, then each new one; if the engine stops, wait until one answers again."""
    if running_engine(paths) is None:
        raise EngineDown(paths)
    try:
        first = limit or (None if "since" in query else 10)
        for number, event in enumerate(_coming(paths, query, first)):
            if as_json:
                print_json_line(event)
            elif as_csv:
                print_csv(CSV, [event], header=number == 0)
            else:
                print_lines(line_of(event))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None


def _coming(paths: Paths, query: Mapping[str, str], first: int | None) -> Iterator[Any]:
    with asking(paths) as asked:
        newest = asked("events", {"limit": "1"})[
            "events"
        ]  # read first, so that no event is missed in between
        seen = list(entries(asked, "events", query, first))
    yield from reversed(seen)
    after = max((event["number"] for event in [*seen, *newest]), default=0)
    pause, missed = threading.Event(), False
    while True:
        wanted = urlencode({**query, "after": str(after), "wait": str(WAIT)})
        try:
            page = ask(paths, f"/api/v1/events/next?{wanted}")
        except EngineDown:
            if not missed:
                print_note("the engine does not answer; waiting until one does")
            missed = True
            pause.wait(AGAIN)
            continue
        missed = False
        found = sorted(page["events"], key=lambda event: event["number"])
        yield from found
        after = max((event["number"] for event in found), default=after)


def line_of(event: Mapping[str, Any]) -> str:
    """Format an event on one line."""
    about = " ".join(str(event[key]) for key in ("account", "source", "symbol") if event[key])
    if str(event["text"]).startswith(f"{about}: "):
        about = ""
    return f"{to_the_second(event['at'])} {event['kind']:<9} {about}{': ' if about else ''}{event['text']}"
