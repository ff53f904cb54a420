"""Queries the running engine for the orders of changed symbol sections, before they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from te_core.cli.client import post, running_engine, why_no_answer
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, print_note, show

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.schema import Settings


def changed_symbols(before: Settings, after: Settings) -> dict[str, Any]:
    """Return the sections that differ, as JSON values; None for a removed one."""
    names = dict.fromkeys([*before.symbols, *after.symbols])
    changed = (name for name in names if before.symbols.get(name) != after.symbols.get(name))
    return {
        name: section.model_dump(mode="json") if (section := after.symbols.get(name)) else None
        for name in changed
    }


def show_difference(paths: Paths, symbols: Mapping[str, Any]) -> None:
    """Show what symbol sections would order on each account, or why that is not known."""
    from te_core.cli.plan import NOTHING, plan_table

    if running_engine(paths) is None:
        print_note(
            f"{why_no_answer(paths)}, so what this orders is not known yet; once it runs, te plan shows it"
        )
        return
    print_note("asking the accounts what this orders …")
    try:
        answer = post(paths, "/api/v1/plan", {"symbols": symbols})
    except Failure as failure:
        print_note(f"what this orders is not known: {failure}")
        return
    plan = plan_table(answer or {"accounts": {}}, title="What this orders", only_orders=True)
    if plan.rows:
        show(plan)
    else:
        print_lines(f"on every account: {NOTHING} now")
