"""``te settings``: earlier versions of the settings, kept by every command that writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import say, show, table
from te_core.cli.versions import FOLDER, PARTS, text_of, versions

if TYPE_CHECKING:
    from te_core.settings.layers import Texts

app = typer.Typer(help="Earlier versions of the settings.", no_args_is_help=True)


@app.command()
def history(context: typer.Context) -> None:
    """List the versions that commands replaced, the newest first.

    \b
    Example: te settings history
    """
    place = Place.of(context)
    rows = []
    for number, version in enumerate(versions(place.state), 1):
        at = datetime.strptime(version, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
        rows.append((number, f"{at:%Y-%m-%d %H:%M:%SZ}"))
    show(table("Replaced", ("version", "until"), rows))


@app.command()
def undo(
    context: typer.Context,
    version: Annotated[int, typer.Argument(min=1, help="As te settings history numbers them.")] = 1,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
) -> None:
    """Bring an earlier version back, after showing what changes; the present one becomes the newest in the history.

    \b
    Example: te settings undo
             te settings undo 3
    """
    from dataclasses import replace
    from difflib import unified_diff

    from te_core.cli.saving import check, write
    from te_core.settings.layers import read
    from te_core.settings.problems import SettingsInvalid

    place = Place.of(context)
    kept = versions(place.state)
    if version > len(kept):
        raise Failure(f"there is no version {version}: {len(kept)} are kept", code=ExitCode.INVALID)
    name, before = kept[version - 1], read(place.settings)
    settings, secrets = (text_of(place.state / FOLDER / f"{name}.{part}") for part in PARTS)
    edited = replace(before, settings=settings, secrets=secrets if secrets is not None else before.secrets)
    try:
        hide = _redactor(place, before, edited)
    except SettingsInvalid:  # its secrets are not known, and undoing is what would help
        say("the present settings are refused (te check): what changes is not shown, it might be a secret")
    else:
        now, then = (hide(text or "").splitlines() for text in (before.settings, edited.settings))
        say(
            *(
                list(unified_diff(now, then, "now", "then", lineterm="", n=1))
                or ["settings.toml stays as it is"]
            )
        )
    if edited.secrets != before.secrets:
        say("secrets change too; they are not shown")
    check(place, edited)
    if not yes:
        typer.confirm("Write this?", default=True, abort=True)
    write(place, before, edited)
    say(f"wrote {place.settings}")


def _redactor(place: Place, *versions: Texts) -> Callable[[str], str]:
    """Return what hides the secrets of any version: some may have stood in settings.toml once."""
    from te_core.cli.instances import load, redactor_of

    found = [load(place, as_at_start=True, texts=texts) for texts in versions]
    redactors = [redactor_of(resolved.settings, registry) for resolved, registry, _ in found]

    def hide(text: str) -> str:
        for redactor in redactors:
            text = redactor.redact(text)
        return text

    return hide
