"""Hands on the wheel: ``te halt``, ``te flatten``, ``te pause``, ``te close``, ``te set-target``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from te_core.app.paths import Place
from te_core.cli.client import EngineDown, ask, command
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import note, say, show
from te_core.cli.plan import plan_table

WAIT = 10.0
"""Seconds for which `te flatten` shows what becomes of it."""
LOOK = 0.2

Accounts = Annotated[
    list[str] | None, typer.Argument(help="Accounts; all if none is named.", show_default=False)
]
Symbol = Annotated[str, typer.Option("--symbol", help="Only this symbol.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal and for others.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
For = Annotated[
    str, typer.Option("--for", help="How long: 90s, 30m, 1h, 2d; until a source speaks if not given.")
]


def halt(context: typer.Context, accounts: Accounts = None, symbol: Symbol = "", reason: Reason = "") -> None:
    """Allow reductions only from now on, until te resume. Closes nothing.

    \b
    Example: te halt
             te halt bybit-main --symbol BTCUSDT --reason "exchange maintenance"
    """
    done(command(Place.of(context), "halt", body(accounts=accounts or [], symbol=symbol, reason=reason)))


def flatten(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    accounts: Accounts = None,
    symbol: Symbol = "",
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Close also what the engine never opened.")
    ] = False,
    direct: Annotated[
        bool, typer.Option("--direct", help="Without the engine, if it is dead or silent.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Close everything that the engine holds, then allow reductions only, until te resume.

    \b
    Example: te flatten
             te flatten bybit-main --foreign --yes
             te flatten --direct
    """
    place = Place.of(context)
    wanted = body(accounts=accounts or [], symbol=symbol, reason=reason, foreign=foreign)
    if direct:
        from te_core.cli.direct import flatten_directly

        flatten_directly(place, wanted, yes=yes)
        return
    try:
        preview(place, "flatten", wanted, "Close this, and halt?", yes=yes)
    except EngineDown as error:
        raise Failure(
            str(error), next_step="te flatten --direct does it without", code=ExitCode.ENGINE
        ) from None
    done(command(place, "flatten", wanted))
    _follow(place, accounts or [])


def pause(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A source.", show_default=False)],
    close: Annotated[
        bool, typer.Option("--close/--hold", help="Close its share, or hold it as it is.")
    ] = False,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Give a source no say until te resume: its alerts are journaled, its share is held (or closed with --close).

    \b
    Example: te pause tradingview
             te pause tradingview --close
    """
    place, wanted = Place.of(context), body(sources=[source], close=close, reason=reason)
    if close:
        preview(place, "pause", wanted, "Close its share?", yes=yes)
    done(command(place, "pause", wanted))


def close(
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="An account.", show_default=False)],
    symbol: Annotated[str, typer.Argument(help="A symbol.", show_default=False)],
    lasts: For = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Close one symbol of an account, until a source of it speaks again or the time is over.

    \b
    Example: te close bybit-main BTCUSDT
    """
    _set_target(Place.of(context), account, symbol, "0", lasts, reason, yes=yes)


def set_target(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    account: Annotated[str, typer.Argument(help="An account.", show_default=False)],
    symbol: Annotated[str, typer.Argument(help="A symbol.", show_default=False)],
    depth: Annotated[
        str, typer.Argument(help="Target exposure, -1 to 1; after -- if negative.", show_default=False)
    ],
    lasts: For = "",
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Set a depth by hand that goes before the signals, until a source of the symbol speaks or the time is over.

    \b
    Example: te set-target bybit-main BTCUSDT 0.25 --for 1h
             te set-target --yes bybit-main BTCUSDT -- -0.25
    """
    _set_target(Place.of(context), account, symbol, depth, lasts, reason, yes=yes)


def _set_target(
    place: Place, account: str, symbol: str, depth: str, lasts: str, reason: str, *, yes: bool
) -> None:
    wanted = body(
        accounts=[account], symbol=symbol, depth=depth, lasts=seconds(lasts) if lasts else None, reason=reason
    )
    preview(place, "target", wanted, "Order this?", yes=yes)
    done(command(place, "target", wanted))


# -- what all of them need


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a command, with who gives it."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "somebody"
    symbol = str(fields.pop("symbol", "")).upper()
    return {"by": f"{user} (te)", "symbol": symbol, **fields}


def seconds(text: str) -> float:
    """Return how many seconds ``90s``, ``30m``, ``1h`` or ``2d`` are. Raises ``Failure``."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    try:
        return float(text[:-1]) * units[text[-1]]
    except (ValueError, KeyError):
        raise Failure(f"--for {text}: not a time like 90s, 30m, 1h or 2d", code=ExitCode.INVALID) from None


def preview(place: Place, action: str, wanted: Mapping[str, Any], question: str, *, yes: bool) -> Any:
    """Show what a command would order, and ask unless told not to. Raises ``Failure`` if it is not wanted."""
    answer = command(place, action, {**wanted, "preview": True})
    show_preview(answer)
    confirmed(question, yes=yes)
    return answer


def show_preview(answer: Any) -> None:
    """Show what a command takes back, and what it would order."""
    for row in answer["lifted"]:
        say(f"lifts: {row['text']}")
    show(plan_table(answer, title="It would order", only_orders=True))


def confirmed(question: str, *, yes: bool) -> None:
    """Ask, unless told not to. Raises ``Failure`` if the answer is no."""
    if yes:
        return
    try:
        wanted = typer.confirm(question, default=False)
    except typer.Abort:
        wanted = False
    if not wanted:
        raise Failure("nothing was changed", next_step="--yes does not ask")


def done(answer: Any) -> None:
    """Say what is in force now."""
    for text in dict.fromkeys(row["text"] for row in answer["set"]):
        say(text)


def _follow(place: Place, accounts: list[str]) -> None:
    """Show for a while what is still open."""
    pause_between = threading.Event()
    for _ in range(int(WAIT / LOOK)):
        left = still_open(ask(place, "/api/v1/state"), accounts)
        if not left:
            say("everything that was to be closed is closed")
            return
        pause_between.wait(LOOK)
    for line in left:
        note(f"still open: {line}")
    note("the engine goes on trying and reports the end; te status shows what is open")


def still_open(state: Any, accounts: list[str]) -> list[str]:
    """Return what a flatten has not closed yet, in words."""
    return [
        f"{name}: {left}"
        for name, account in state["accounts"].items()
        if not accounts or name in accounts
        for left in account["still_open"]
    ]
