"""``te resume``: lift halts and pauses, and retry at once what is waiting for its next try."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.client import ask, command, post
from te_core.cli.commanding import Reason, Symbol, Yes, body, confirmed, done, show_preview
from te_core.cli.complete import instance_names, symbol_names
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="Accounts, sources or other instances; default: lift every halt.",
        show_default=False,
        autocompletion=instance_names,
    ),
]
Flat = Annotated[
    list[str] | None,
    typer.Option(
        "--leave-flat",
        help="Keep this symbol flat until a source sends a signal for it; may be repeated.",
        autocompletion=symbol_names,
    ),
]
KINDS = ("accounts", "sources", "notifiers", "risk_checks", "observers")


def resume(  # noqa: PLR0917 - typer makes options of parameters
    context: typer.Context,
    names: Names = None,
    symbol: Symbol = "",
    from_next_signal: Annotated[
        bool,
        typer.Option(
            "--from-next-signal", help="Ignore earlier opinions until their source sends a new signal."
        ),
    ] = False,
    leave_flat: Flat = None,
    reason: Reason = "",
    yes: Yes = False,
) -> None:
    """Lift halts, pauses and manual depths, after showing the resulting orders; retry at once what is held back.

    \b
    Example: te resume
             te resume bybit-main --from-next-signal
             te resume --leave-flat DOGEUSDT --leave-flat ADAUSDT
             te resume tradingview
    """
    paths = Paths.of(context)
    state = ask(paths, "/api/v1/state")
    named = {kind: [name for name in names or [] if name in state.get(kind, {})] for kind in KINDS}
    known = {name for found in named.values() for name in found}
    if unknown := [name for name in names or [] if name not in known]:
        raise Failure(f"nothing that runs is named {unknown[0]}", next_step="te status lists them")
    lifted = False
    if not names or named["accounts"] or named["sources"]:
        wanted = body(
            accounts=named["accounts"],
            sources=named["sources"],
            symbol=symbol,
            from_next_signal=from_next_signal,
            leave_flat=[one.upper() for one in leave_flat or ()],
            reason=reason,
        )
        lifted = _lift(paths, wanted, yes=yes)
    if not symbol:
        for kind, found in named.items():
            for name in found:
                _try_again(paths, kind, name, quiet=lifted)
    if not lifted and (symbol or not names):
        print_lines("nothing is halted or set by hand")


def _lift(paths: Paths, wanted: dict[str, Any], *, yes: bool) -> bool:
    """Lift the halts, pauses and manual depths that apply; return whether there were any."""
    shown = command(paths, "resume", {**wanted, "preview": True})
    if not shown["lifted"] and not shown.get("breakers"):
        return False
    show_preview(shown)
    confirmed("Resume?", yes=yes)
    done(command(paths, "resume", wanted))
    return True


def _try_again(paths: Paths, kind: str, name: str, *, quiet: bool) -> None:
    answer = post(paths, f"/api/v1/{kind}/{name}/resume")
    if answer is None:
        raise Failure(f"{kind}.{name} is no longer in the settings", next_step="te status lists them")
    if not answer["resumed"]:
        reason = f": {answer['reason']}" if answer["reason"] else ""
        raise Failure(
            f"{kind}.{name} is {answer['status']}{reason}", next_step="edit the settings, then: te check"
        )
    if not quiet:
        what = "running; what was held back is tried" if answer["status"] == "running" else "tried"
        print_lines(f"{kind}.{name}: {what} again now; te status shows the result")
