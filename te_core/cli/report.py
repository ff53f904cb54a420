"""``te report``: write a one-page monthly report."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from pathlib import Path
from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines
from te_core.cli.past import AccountName, asking, print_nothing_found
from te_core.cli.since import period
from te_core.clock import SystemClock

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def report(
    context: typer.Context,
    *,
    month: Annotated[
        str,
        typer.Option("--month", metavar="YYYY-MM", help="Month, in UTC; default: the last complete month."),
    ] = "",
    account: AccountName = "",
    output: Annotated[
        Path,
        typer.Option(
            "--output", metavar="FOLDER", help="Folder for the two files; default: the current one."
        ),
    ] = Path(),
) -> None:
    """Write a month's profit, fees and equity on one page: HTML without scripts, and Markdown.

    \b
    Example: te report --month 2026-11
    """
    from te_core.reporting.month_report import GROUPINGS, html, markdown, month_reports

    paths, now = Paths.of(context), SystemClock().now()
    month = month or f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
    if not _MONTH.fullmatch(month):
        raise Failure(f"--month {month}: expected a month such as 2026-11", code=ExitCode.INVALID)
    begin, end = period(month, month, now, zone=UTC)
    assert begin is not None
    assert end is not None
    query = {
        "since": begin.isoformat(),
        "until": end.isoformat(),
        **({"account": account} if account else {}),
    }
    with asking(paths) as ask:
        answers = {by: ask("pnl", {**query, "by": by}) for by in GROUPINGS}
    reports = month_reports(month, answers, complete=end <= now)
    if not reports:
        print_nothing_found(paths, query)
        raise Failure(f"nothing is recorded for {month}")
    name = f"te-report-{month}" + (f"-{account}" if account else "")
    for suffix, text in ((".html", html(reports)), (".md", markdown(reports))):
        file = output / f"{name}{suffix}"
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise Failure(f"cannot write {file}: {error.strerror}", next_step="choose --output") from None
        print_lines(str(file))
