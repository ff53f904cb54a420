"""``te settings``: list and restore earlier versions of the settings; every command that writes them stores one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import print_lines, show, table
from te_core.cli.versions import redactor_of_version, text_of, versions

app = typer.Typer(help="Earlier versions of the settings.", no_args_is_help=True)


@app.command()
def history(context: typer.Context) -> None:
    """List the versions that commands replaced, newest first.

    \b
    Example: te settings history
    """
    paths = Paths.of(context)
    rows = []
    for number, version in enumerate(versions(paths.state), 1):
        at = datetime.strptime(version, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        rows.append((number, f"{at:%Y-%m-%d %H:%M:%SZ}"))
    show(table("Replaced", ("version", "until"), rows))


@app.command()
def undo(
    context: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help="Number shown by te settings history.")] = 1,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
) -> None:
    """Restore an earlier settings.toml, after showing what changes. The current one joins the history.

    \b
    Example: te settings undo
             te settings undo 3
    """
    from dataclasses import replace
    from difflib import unified_diff

    from te_core.cli.saving import check, edits_seen, report, write
    from te_core.settings.layers import read
    from te_core.settings.problems import SettingsInvalid

    paths = Paths.of(context)
    kept = versions(paths.state)
    if version > len(kept):
        raise Failure(f"there is no version {version}: {len(kept)} are stored", code=ExitCode.INVALID)
    name, before = kept[version - 1], read(paths.settings)
    edited = replace(before, settings=text_of(paths.state, name))
    try:
        hide = redactor_of_version(paths, before)
    except SettingsInvalid:  # its secrets are not known; undoing is the way out
        print_lines(
            "the current settings are refused (te check); the difference is not shown, it may contain secrets"
        )
    else:
        now, then = (hide(text or "").splitlines() for text in (before.settings, edited.settings))
        print_lines(
            *(
                list(unified_diff(now, then, "now", "then", lineterm="", n=1))
                or ["settings.toml does not change"]
            )
        )
    check(paths, edited)
    if not yes:
        typer.confirm("Write this?", default=True, abort=True)
    seen = edits_seen(paths)
    write(paths, before, edited)
    report(paths, (), seen)
