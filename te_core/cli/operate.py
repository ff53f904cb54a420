"""The operator's commands: ``te go``, ``halt``, ``flatten``, ``pause``, ``close``, ``set-target``, ``accept``."""

from __future__ import annotations

import threading
from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, command
from te_core.cli.commanding import (
    Accounts,
    For,
    Reason,
    Symbol,
    Yes,
    body,
    confirmed,
    done,
    preview,
    seconds,
    show_preview,
    still_open,
)
from te_core.cli.complete import account_names, source_names, symbol_names
from te_core.cli.direct import flatten_directly, halt_directly
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, print_note

WAIT = 10.0
"""Seconds for which `te flatten` shows its progress."""
POLL = 0.2


def go(
    context: typer.Context,
    accounts: Annotated[
        list[str],
        typer.Argument(help="Observing accounts.", show_default=False, autocompletion=account_names),
    ],
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Start trading on accounts that only observe, after showing what they will order.

    \b
    Example: te go bybit-main
    """
    paths, wanted = Paths.of(context), body(accounts=accounts, reason=reason)
    preview(paths, "go", wanted, f"Start trading on {', '.join(accounts)}?", yes=yes)
    done(command(paths, "go", wanted))


def halt(context: typer.Context, accounts: Accounts = None, symbol: Symbol = "", reason: Reason = "") -> None:
    """Allow reductions only, until te resume. Closes nothing. If no engine is running, the next one starts halted.

    \b
    Example: te halt
             te halt bybit-main --symbol BTCUSDT --reason "exchange maintenance"
    """
    paths, wanted = Paths.of(context), body(accounts=accounts or [], symbol=symbol, reason=reason)
    try:
        answer = command(paths, "halt", wanted)
    except EngineDown:
        answer = halt_directly(paths, wanted)
        print_note("no engine is running: the next one starts halted")
    done(answer)


def flatten(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    accounts: Accounts = None,
    symbol: Symbol = "",
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Also close positions the engine did not open.")
    ] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Close without the engine, if it is dead or silent.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Close everything the engine holds, then allow reductions only, until te resume.

    \b
    Example: te flatten
             te flatten bybit-main --foreign --yes
             te flatten --direct
    """
    paths = Paths.of(context)
    wanted = body(accounts=accounts or [], symbol=symbol, reason=reason, foreign=foreign)
    if direct:
        flatten_directly(paths, wanted, yes=yes)
        return
    try:
        preview(paths, "flatten", wanted, "Close this, and halt?", yes=yes)
    except EngineDown as error:
        raise Failure(
            str(error), next_step="to close without the engine: te flatten --direct", code=ExitCode.ENGINE
        ) from None
    done(command(paths, "flatten", wanted))
    _follow(paths, accounts or [])


def pause(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A source.", show_default=False, autocompletion=source_names)],
    close: Annotated[
        bool, typer.Option("--close/--hold", help="Close its share, or hold it as it is.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Ignore a source until te resume: its alerts are journaled, its share is held (or closed with --close).

    \b
    Example: te pause tradingview
             te pause tradingview --close
    """
    paths, wanted = Paths.of(context), body(sources=[source], close=close, reason=reason)
    if close:
        preview(paths, "pause", wanted, "Close its share?", yes=yes)
    done(command(paths, "pause", wanted))


def close(
    context: typer.Context,
    account: Annotated[
        str, typer.Argument(help="An account.", show_default=False, autocompletion=account_names)
    ],
    symbol: Annotated[str, typer.Argument(help="A symbol.", show_default=False, autocompletion=symbol_names)],
    lasts: For = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Close one symbol of an account, until a source sends a signal for it or the time is up.

    \b
    Example: te close bybit-main BTCUSDT
    """
    _set_target(Paths.of(context), account, symbol, "0", lasts, reason, yes=yes)


def set_target(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    account: Annotated[
        str, typer.Argument(help="An account.", show_default=False, autocompletion=account_names)
    ],
    symbol: Annotated[str, typer.Argument(help="A symbol.", show_default=False, autocompletion=symbol_names)],
    depth: Annotated[
        str,
        typer.Argument(help="Target exposure, -1 to 1; put -- before a negative one.", show_default=False),
    ],
    lasts: For = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Override the signals with a depth, until a source sends a signal for the symbol or the time is up.

    \b
    Example: te set-target bybit-main BTCUSDT 0.25 --for 1h
             te set-target --yes bybit-main BTCUSDT -- -0.25
    """
    _set_target(Paths.of(context), account, symbol, depth, lasts, reason, yes=yes)


def accept(
    context: typer.Context,
    accounts: Annotated[
        list[str],
        typer.Argument(help="Accounts.", show_default=False, autocompletion=account_names),
    ],
    symbol: Symbol = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Accept positions that others changed, until a source sends a signal for the symbol. Orders nothing.

    \b
    Example: te accept bybit-main
             te accept bybit-main --symbol UNIUSDT --reason "closed by hand, on purpose"
    """
    paths, wanted = Paths.of(context), body(accounts=accounts, symbol=symbol, reason=reason)
    shown = command(paths, "accept", {**wanted, "preview": True})
    done(shown)
    show_preview(shown)
    confirmed("Accept this?", yes=yes)
    done(command(paths, "accept", wanted))


def _set_target(
    paths: Paths, account: str, symbol: str, depth: str, lasts: str, reason: str, *, yes: bool
) -> None:
    wanted = body(
        accounts=[account], symbol=symbol, depth=depth, lasts=seconds(lasts) if lasts else None, reason=reason
    )
    preview(paths, "target", wanted, "Order this?", yes=yes)
    done(command(paths, "target", wanted))


def _follow(paths: Paths, accounts: list[str]) -> None:
    """Show the progress of a flatten for a while, then what is still open."""
    pause_between = threading.Event()
    for _ in range(int(WAIT / POLL)):
        state = ask(paths, "/api/v1/state")
        left = still_open(state, accounts)
        if left and not any(state["accounts"][line.partition(":")[0]]["observing"] == "" for line in left):
            for line in left:
                print_note(f"left open, because an observing account sends no orders: {line}")
            return
        if not left:
            print_lines("everything that was to be closed is closed")
            return
        pause_between.wait(POLL)
    for line in left:
        print_note(f"still open: {line}")
    print_note("the engine keeps trying and reports when it is done; te status shows what is open")
