"""``te plan``: show what would be ordered now, and why. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths
from te_core.cli.client import ask
from te_core.cli.output import FittedTable, print_json, show, table

NOTHING = "nothing to do"


def plan(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Read every account and show what the engine would order now. Sends nothing.

    \b
    Example: te plan
    """
    answer = ask(Paths.of(context), "/api/v1/plan")
    if as_json:
        print_json(answer)
    else:
        show(plan_table(answer))


def plan_table(answer: Any, *, title: str = "Plan", only_orders: bool = False) -> FittedTable:
    """Build the table of a plan. ``only_orders``: leave out symbols with nothing to do."""
    columns = ("account", "symbol", "status", "goal", "steps", "reason")
    rows = (row for row in _rows(answer) if not only_orders or row[4] != NOTHING)
    return table(title, columns, rows)


def _rows(answer: Any) -> Iterator[tuple[object, ...]]:
    for name, account in answer["accounts"].items():
        if "error" in account:
            yield (name, "", "unknown", "", "", account["error"])
        for symbol, found in account.get("symbols", {}).items():
            steps = "; ".join(_step(step) for step in found["steps"]) or NOTHING
            why = "; ".join(part for part in (found["reason"], *found["notes"]) if part)
            yield (name, symbol, found["status"], found["goal"], steps, why)


def _step(step: Any) -> str:
    match step["kind"]:
        case "order":
            chunks = f" in {len(step['chunks'])} orders" if len(step["chunks"]) > 1 else ""
            return f"{step['side']} {step['quantity']}{' reduce-only' if step['reduce_only'] else ''}{chunks}"
        case "leverage":
            return f"set leverage {step['leverage']} ({step['margin_mode']})"
        case _:
            return f"set margin mode {step['margin_mode']}"
