"""``te actions``: show the commands of this run of the engine, from every sender, with their progress."""

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
    action: Annotated[str, typer.Argument(help="Id of one command; default: all.", show_default=False)] = "",
    as_json: AsJson = False,
) -> None:
    """Show this run's commands, newest first: who sent each and what is still to do. Exits with 1 if any is unfinished.

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
                f"this run of the engine has no command {action}",
                next_step="te actions lists them; te events shows those of earlier runs",
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
