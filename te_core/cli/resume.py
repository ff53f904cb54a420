"""``te resume``: what waits for its next try is tried at once."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Place
from te_core.cli.client import post
from te_core.cli.failure import Failure
from te_core.cli.output import say

KINDS = ("accounts", "sources", "notifiers")


def resume(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="An account, source or notifier.", show_default=False)],
) -> None:
    """Try an account, source or notifier at once that failed and waits for its next try; an account's symbols too.

    \b
    Example: te resume bybit-main
    """
    place = Place.of(context)
    found = {kind: answer for kind in KINDS if (answer := post(place, f"/api/v1/{kind}/{name}/resume"))}
    if not found:
        raise Failure(f"no account, source or notifier is named {name}", next_step="te status lists them")
    for kind, answer in found.items():
        if not answer["resumed"]:
            reason = f": {answer['reason']}" if answer["reason"] else ""
            raise Failure(
                f"{kind}.{name} is {answer['status']}{reason}", next_step="edit the settings, then: te check"
            )
        what = "running; what was held back is tried" if answer["status"] == "running" else "tried"
        say(f"{kind}.{name}: {what} again now; te status shows the result")
