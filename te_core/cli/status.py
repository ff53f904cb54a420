"""``te status``: show what needs attention, what the accounts hold, and what the engine is working on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask
from te_core.cli.complete import Accounts, Symbols
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import paint, print_json, show, speaks_ascii, table
from te_core.reporting.figures import MINUS, THIN, figure
from te_core.reporting.symbol_view import doing, duration, why

PIPED = 200
"""Columns if the output is not a terminal, so that grep finds whole lines."""
EVERY = 1.0
"""Default interval of ``--watch``, in seconds."""
_POSITION = (
    "account",
    "symbol",
    "position",
    "entry",
    "pnl",
    "liquidation",
    "target",
    "depth",
    "leverage",
    "revision",
    "status",
    "read",
    "reason",
)


class WatchCommand(TyperCommand):
    """Accepts ``--watch`` with and without seconds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the default interval to a bare ``--watch``."""
        given = list(args)
        for index, word in enumerate(given):
            if word == "--watch" and not _is_number(given[index + 1 : index + 2]):
                given[index] = f"--watch={EVERY:g}"
        return super().parse_args(ctx, given)


def _is_number(words: list[str]) -> bool:
    return bool(words) and words[0].replace(".", "", 1).isdigit()


@dataclass(frozen=True, slots=True)
class Asked:
    """The selection made on the command line."""

    accounts: tuple[str, ...]
    symbols: tuple[str, ...]
    everything: bool
    attention: bool
    page: int
    utc: bool


def status(
    context: typer.Context,
    *,
    account: Accounts = None,
    symbol: Symbols = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All rows, even if they do not fit the screen.")
    ] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Only what needs attention, in full.")
    ] = False,
    page: Annotated[int, typer.Option(min=1, help="Which page of the symbols.")] = 1,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="[SECONDS]", min=0.2, max=3600, help="Redraw every second, or every SECONDS; q quits."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the engine's state as JSON.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC.")] = False,
) -> None:
    """Show what needs attention, what the accounts hold, and how that compares with their targets.

    \b
    Example: te status
             te status --watch
             te status --account bybit-main --symbol BTCUSDT
             te status --json | jq .accounts.paper.positions
    Exit code: 0 ready, 1 not ready or something critical, 3 no engine answers
    """
    paths = Paths.of(context)
    accounts, symbols = tuple(account or ()), tuple(name.upper() for name in symbol or ())
    asked = Asked(accounts, symbols, everything, attention, page, utc)
    if watch is not None:
        _watch(paths, asked, watch, as_json=as_json)
        return
    state = _state(paths)
    if as_json:
        print_json(_chosen(state, asked))
    else:
        _show(state, asked)
    raise typer.Exit(exit_code(state))


def exit_code(state: Mapping[str, Any]) -> ExitCode:
    """Return the exit code: whether the engine runs, is ready, and reports nothing critical."""
    from te_core.reporting.view import view

    seen = view(state)
    if not seen.engine.running:
        return ExitCode.ENGINE
    return ExitCode.OK if seen.well else ExitCode.FAILED


def _state(paths: Paths) -> Any:
    try:
        return ask(paths, "/api/v1/state")
    except EngineDown:
        from te_core.cli.offline import offline_state

        return offline_state(paths)


def _chosen(state: Any, asked: Asked) -> Any:
    """Return the state of the selected accounts and symbols only. Raises ``Failure`` for an unknown one."""
    from te_core.errors import nearest
    from te_core.reporting.view import narrowed

    if not asked.accounts and not asked.symbols:
        return state
    known = {"account": set(state["accounts"]), "symbol": set(state["symbols"])}
    for one in state["accounts"].values():
        known["symbol"] |= {*one["positions"], *one["targets"]}
    for kind, names in (("account", asked.accounts), ("symbol", asked.symbols)):
        for name in names:
            if name not in known[kind]:
                raise Failure(f"there is no {kind} {name}{nearest(name, known[kind])}", code=ExitCode.INVALID)
    return narrowed(state, accounts=asked.accounts, symbols=asked.symbols)


def _show(state: Any, asked: Asked) -> None:
    from te_core.cli.status_screen import ALL, Layout, screen
    from te_core.reporting.view import view

    at_terminal = sys.stdout.isatty()
    chosen = _chosen(state, asked)
    narrowed = bool(asked.accounts or asked.symbols)
    size = shutil.get_terminal_size()
    whole = asked.everything or narrowed or not at_terminal
    layout = Layout(
        width=size.columns if at_terminal else PIPED,
        height=None if whole else size.lines - 1,  # the prompt follows below
        page=asked.page,
        rows=ALL,
        attention=asked.attention,
        utc=asked.utc,
        symbols=not (narrowed and at_terminal),
        fold=at_terminal,
    )
    paint(screen(view(chosen), layout).lines, plain=speaks_ascii(os.environ, sys.stdout))
    if whole and not asked.attention:
        paint([()])
        spare = ("liquidation", "entry", "revision", "leverage", "pnl", "depth", "read")
        show(table("Positions and targets", _POSITION, _positions(chosen), spare=spare))


def _positions(state: Any) -> Iterator[tuple[object, ...]]:
    for name, account in state["accounts"].items():
        for symbol in sorted({*account["positions"], *account["targets"]}):
            position = account["positions"].get(symbol, {})
            target = account["targets"].get(symbol, {})
            held = (position.get("size"), position.get("entry_price"))
            money = (_rounded(position.get(key)) for key in ("unrealised_pnl", "liquidation_price"))
            wanted = (target.get(key) for key in ("quantity", "depth", "leverage", "revision"))
            yield (
                name,
                symbol,
                *held,
                *money,
                *wanted,
                doing(target) if target else "not ours",
                _ago(target.get("read_age", position.get("read_age"))),
                why(target),
            )


def _rounded(number: str | None) -> str:
    """Format a figure computed by an exchange, without insignificant digits."""
    return figure(Decimal(number)).translate({ord(MINUS): "-", ord(THIN): ""}) if number else ""


def _ago(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} ago"


def _watch(paths: Paths, asked: Asked, every: float, *, as_json: bool) -> None:
    """Show the state repeatedly, until interrupted."""
    from te_core.cli.watching import Watch, repeat

    def fetch_state() -> Any:
        return _chosen(ask(paths, "/api/v1/state"), asked)

    try:
        if as_json:
            repeat(lambda: print_json(fetch_state()), every)
        elif not (sys.stdin.isatty() and sys.stdout.isatty()):
            repeat(lambda: _show(ask(paths, "/api/v1/state"), asked), every)
        else:
            Watch(fetch_state, every, utc=asked.utc, plain=speaks_ascii(os.environ, sys.stdout)).run()
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None
