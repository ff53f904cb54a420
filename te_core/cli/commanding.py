"""What the operator's commands have in common: who gives them, what they would order, and whether that is wanted."""

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
    typer.Argument(help="Accounts; all if none is named.", show_default=False, autocompletion=account_names),
]
Symbol = Annotated[str, typer.Option("--symbol", help="Only this symbol.", autocompletion=symbol_names)]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the journal and for others.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
For = Annotated[
    str, typer.Option("--for", help="How long: 90s, 30m, 1h, 2d; until a source speaks if not given.")
]


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


def preview(paths: Paths, action: str, wanted: Mapping[str, Any], question: str, *, yes: bool) -> Any:
    """Show what a command would order, and ask unless told not to. Raises ``Failure`` if it is not wanted."""
    answer = command(paths, action, {**wanted, "preview": True})
    show_preview(answer)
    confirmed(question, yes=yes)
    return answer


def show_preview(answer: Any) -> None:
    """Show what a command takes back, and what it would order."""
    for text in answer.get("breakers", ()):
        print_lines(f"arms again: {text.partition(';')[0]}")
    for row in answer["lifted"]:
        print_lines(f"lifts: {row['text']}")
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
        print_lines(text)


def still_open(state: Any, accounts: list[str]) -> list[str]:
    """Return what a flatten has not closed yet, in words."""
    return [
        f"{name}: {left}"
        for name, account in state["accounts"].items()
        if not accounts or name in accounts
        for left in account["still_open"]
    ]
