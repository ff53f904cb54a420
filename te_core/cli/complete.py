"""Options that take names of accounts, symbols and sources, with shell completion from the settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from te_core.app.paths import Paths


def _names(*sections: str) -> Callable[[Any, str], list[str]]:
    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        """Return the names in these sections of the settings that start with ``incomplete``."""
        from te_core.settings.peek import names

        paths = Paths.find(ctx.find_root().params.get("settings"))
        found = [name for section in sections for name in names(paths.settings, os.environ, section)]
        return [name for name in found if name.startswith(incomplete)]

    return complete


def event_kinds(incomplete: str) -> list[str]:
    """Return the event kinds of the engine itself that start with ``incomplete``."""
    from te_core.model.event import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


account_names = _names("accounts")
symbol_names = _names("symbols")
source_names = _names("sources")
notifier_names = _names("notifiers")
instance_names = _names("accounts", "sources", "notifiers", "risk_checks", "observers")

Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account", metavar="NAME", help="Only this account; may be repeated.", autocompletion=account_names
    ),
]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", metavar="NAME", help="Only this symbol; may be repeated.", autocompletion=symbol_names
    ),
]
