"""Shared by the operator's commands: who sends them, a preview of their orders, and the confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.client import command
from te_core.cli.complete import account_names, symbol_names
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, show
from te_core.cli.plan import plan_table

Accounts = Annotated[
    list[str] | None,
    typer.Argument(help="Accounts; default: all.", show_default=False, autocompletion=account_names),
]
Symbol = Annotated[str, typer.Option("--symbol", help="Only this symbol.", autocompletion=symbol_names)]
Reason = Annotated[str, typer.Option("--reason", help="Reason, for the journal and for other operators.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
For = Annotated[
    str, typer.Option("--for", help="How long: 90s, 30m, 1h, 2d; default: until a source sends a signal.")
]


def body(**fields: Any) -> dict[str, Any]:
    """Return the body of a command, including the user who sends it."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "unknown user"
    symbol = str(fields.pop("symbol", "")).upper()
    return {"by": f"{user} (te)", "symbol": symbol, **fields}


def seconds(text: str) -> float:
    """Return a duration such as ``90s``, ``30m``, ``1h`` or ``2d`` in seconds. Raises ``Failure``."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    try:
        return float(text[:-1]) * units[text[-1]]
    except (ValueError, KeyError):
        raise Failure(
            f"--for {text}: expected a duration such as 90s, 30m, 1h or 2d", code=ExitCode.INVALID
        ) from None


def preview(paths: Paths, action: str, wanted: Mapping[str, Any], question: str, *, yes: bool) -> Any:
    """Show what a command would order and ask for confirmation. Raises ``Failure`` if it is declined."""
    answer = command(paths, action, {**wanted, "preview": True})
    show_preview(answer)
    confirmed(question, yes=yes)
    return answer


def show_preview(answer: Any) -> None:
    """Show what a command would lift, and what it would order."""
    for text in answer.get("breakers", ()):
        print_lines(f"re-arms: {text.partition(';')[0]}")
    for row in answer["lifted"]:
        print_lines(f"lifts: {row['text']}")
    show(plan_table(answer, title="It would order", only_orders=True))


def confirmed(question: str, *, yes: bool) -> None:
    """Ask for confirmation unless ``yes`` is set. Raises ``Failure`` if the answer is no."""
    if yes:
        return
    try:
        wanted = typer.confirm(question, default=False)
    except typer.Abort:
        wanted = False
    if not wanted:
        raise Failure("nothing was changed", next_step="to skip the question: --yes")


def done(answer: Any) -> None:
    """Print what is active now."""
    for text in dict.fromkeys(row["text"] for row in answer["set"]):
        print_lines(text)


def still_open(state: Any, accounts: list[str]) -> list[str]:
    """Return a line for each position that a flatten has not closed yet."""
    return [
        f"{name}: {left}"
        for name, account in state["accounts"].items()
        if not accounts or name in accounts
        for left in account["still_open"]
    ]
