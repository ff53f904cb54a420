"""``te actions``: the commands of this run of the engine, whoever gave them, and how far each is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.client import ask
from te_core.cli.failure import Failure
from te_core.cli.output import print_json, show, table, to_the_second
from te_core.cli.past import AsJson


def actions(
    context: typer.Context,
    action: Annotated[
        str, typer.Argument(help="One of them, by its id; all if not given.", show_default=False)
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show the commands of this run, newest first: who gave each, and what is still to be done. Exits with 1 if any is.

    \b
    Example: te actions
             te actions 3f2a91c04b7de815 --json
    """
    paths = Paths.of(context)
    found: list[Any] = ask(paths, "/api/v1/actions")["actions"]
    if action:
        found = [one for one in found if one["id"] == action]
        if not found:
            raise Failure(
                f"no command {action} was given in this run of the engine",
                next_step="te actions lists them; te events has those of earlier runs",
            )
    if as_json:
        print_json({"actions": found})
    else:
        columns = ("id", "at", "command", "by", "state", "left", "reason")
        show(table("Commands", columns, map(_row, found), spare=("reason", "id")))
    if any(one["state"] != "done" for one in found):
        raise typer.Exit(1)


def _row(one: Any) -> tuple[object, ...]:
    left = [f"{name}: {line}" for name, lines in one["left"].items() for line in lines]
    return (
        one["id"],
        to_the_second(one["at"]),
        one["title"],
        one["by"],
        f"{one['state']}: {one['problem']}" if one["problem"] else one["state"],
        "; ".join(left),
        one["reason"],
    )
