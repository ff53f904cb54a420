"""``te pnl`` and ``te equity``: show profit, and equity over time."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_csv, print_json, show, table, to_the_second
from te_core.cli.past import (
    AccountName,
    AsCsv,
    AsJson,
    SourceName,
    SymbolName,
    asking,
    check_one_form,
    entries,
    print_nothing_found,
    query_of,
)
from te_core.cli.since import Since, Until
from te_core.reporting.figures import THIN, figure

CSV = (
    *(
        "key",
        "paper",
        "currency",
        "result",
        "before_fees",
        "fees",
        "realised",
        "unrealised",
        "funding",
        "untold",
    ),
    *("turnover", "fills", "unpriced", "unknown_fees", "others"),
)
"""The columns of ``te pnl --csv``, explained in docs/money.md."""
EQUITY_CSV = (
    "at",
    "account",
    "paper",
    "currency",
    "total",
    "wallet",
    "free",
    "unrealised",
    "gross",
    "net",
    "low",
    "high",
)
GROUPINGS = ("account", "symbol", "source", "day")
_SUMS = ("result", "before_fees", "fees", "realised", "unrealised", "funding")


def pnl(
    context: typer.Context,
    *,
    by: Annotated[str, typer.Option("--by", metavar="|".join(GROUPINGS), help="Grouping.")] = "account",
    since: Since = "",
    until: Until = "",
    account: AccountName = "",
    symbol: SymbolName = "",
    source: SourceName = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    koinly: Annotated[
        bool, typer.Option("--koinly", help="Print realised profit, fees and funding as Koinly's CSV.")
    ] = False,
) -> None:
    """Show profit by account, symbol, source or day, with and without fees, and what the sums leave out.

    \b
    Example: te pnl --by symbol --since fri
             te pnl --by day --since 2026-11 --until 2026-11 --csv
             te pnl --koinly --since 2026-01-01 --until 2026-12-31 > koinly.csv
    """
    check_one_form(as_json, as_csv, koinly)
    if by not in GROUPINGS:
        raise Failure(f"--by {by}: expected one of {', '.join(GROUPINGS)}", code=ExitCode.INVALID)
    paths = Paths.of(context)
    query = query_of(since=since, until=until, account=account, symbol=symbol, source=source)
    with asking(paths) as ask:
        if koinly:
            _koinly(ask, query)
            return
        found = ask("pnl", {**query, "by": by})
    if as_json:
        print_json(found)
    elif as_csv:
        print_csv(CSV, found["rows"])
    else:
        show(*results(found))
    if not found["rows"]:
        print_nothing_found(paths, query)


def _koinly(ask: Any, query: dict[str, str]) -> None:
    from te_core.reporting.tax_rows import KOINLY, koinly_rows

    if "source" in query:
        raise Failure("a tax report covers whole accounts: leave out --source", code=ExitCode.INVALID)
    rows = koinly_rows(list(entries(ask, "orders", query)), list(entries(ask, "flows", query)))
    print_csv(KOINLY, rows)


def results(found: Any) -> Iterator[Any]:
    """Format results for people: real money first, paper money separately."""
    by = found["by"]
    for total in found["totals"]:
        rows = [row for row in found["rows"] if alike(row, total)]
        kind = f"{total['currency']} on paper" if total["paper"] else total["currency"]
        yield table(
            f"Profit by {by}{_when(found)}" + (f", {kind.strip()}" if kind else ""),
            (by, *(name.replace("_", " ") for name in _SUMS), "fills"),
            [*map(_row, rows), *([_row({**total, "key": "total"})] if len(rows) != 1 else [])],
            spare=("unrealised", "realised", "funding", "fills"),
        )
        if total["transfers"] is not None:
            yield _worth(total)
    if not found["totals"]:
        yield f"Nothing is recorded{_when(found)}."
    if found["left_out"]:
        yield f"incomplete: {'; '.join(found['left_out'])}"


def alike(row: Any, total: Any) -> bool:
    """Return whether a row has the same kind of money and currency as a total."""
    return all(row[name] == total[name] for name in ("paper", "currency"))


def _row(result: Any) -> tuple[object, ...]:
    fees = str(-Decimal(result["fees"]))
    sums = (money(fees if name == "fees" else result[name]) for name in _SUMS)
    return (result["key"] or "no source", *sums, result["fills"])


def money(amount: str | None) -> str | None:
    """Format an amount with its sign, to two decimals."""
    return None if amount is None else amount_of(Decimal(amount), signed=True)


def amount_of(value: Decimal, *, signed: bool = False) -> str:
    """Format an amount to two decimals, with spaces that every terminal shows."""
    return figure(value, places=2, signed=signed).replace(THIN, " ")


def _worth(total: Any) -> str:
    """Return a line that compares the result with the change in equity."""
    before, after = total["equity_before"], total["equity_after"]
    if before is None or after is None:
        return "what the accounts were worth at both ends is not known"
    moved = Decimal(total["transfers"])
    paid = "" if not moved else f", {'paid in' if moved > 0 else 'taken out'} {amount_of(abs(moved))}"
    seen = to_the_second(total["equity_as_of"])
    return f"worth {amount_of(Decimal(before))} before, {amount_of(Decimal(after))} when last seen at {seen}{paid}"


def _when(found: Any) -> str:
    since, until = (
        found[name] and to_the_second(found[name]).replace(":00:00Z", ":00Z") for name in ("since", "until")
    )
    return (f" since {since}" if since else "") + (f" until {until}" if until else "")


def equity(
    context: typer.Context,
    *,
    since: Since = "",
    until: Until = "",
    account: AccountName = "",
    points: Annotated[
        int, typer.Option("--points", min=1, max=2000, help="Maximum number of rows per account.")
    ] = 24,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the accounts' equity and exposure over time.

    \b
    Example: te equity --since 7d
             te equity --account bybit-main --since 2026-11 --points 1000 --csv
    """
    check_one_form(as_json, as_csv)
    paths = Paths.of(context)
    query = query_of(since=since, until=until, account=account)
    with asking(paths) as ask:
        found = ask("history", {**query, "points": str(points)})
    if as_json:
        print_json(found)
    elif as_csv:
        print_csv(EQUITY_CSV, _points(found))
    else:
        columns = ("at", "account", "total", "free", "unrealised", "gross", "net")
        show(table("Equity", columns, map(_point, _points(found)), spare=("unrealised", "net")))
    if not found["accounts"]:
        print_nothing_found(paths, query)


def _points(found: Any) -> Iterator[dict[str, Any]]:
    for name, account in found["accounts"].items():
        for point in account["points"]:
            yield {"account": name, "paper": account["paper"], "currency": account["currency"], **point}


def _point(point: dict[str, Any]) -> tuple[object, ...]:
    amounts = (point[name] for name in ("total", "free", "unrealised", "gross", "net"))
    shown = (None if one is None else amount_of(Decimal(one)) for one in amounts)
    return (to_the_second(point["at"]), point["account"], *shown)
