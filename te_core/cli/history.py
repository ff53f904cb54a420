"""``te settings``: earlier versions of the settings, kept by every command that writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure
from te_core.cli.output import say, show, table

if TYPE_CHECKING:
    from te_core.settings.layers import Texts

FOLDER = "settings"
"""Below the state folder."""
KEPT = 50
_PARTS = ("settings.toml", "secrets.toml")

app = typer.Typer(help="Earlier versions of the settings.", no_args_is_help=True)


def persist(state: Path, texts: Texts) -> None:
    """Keep a version before it is replaced, readable by its owner only; the oldest beyond 50 go. Raises ``OSError``."""
    from te_core.settings.files import replace_file
    from te_core.settings.secrets import MODE

    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for part, text in zip(_PARTS, (texts.settings, texts.secrets), strict=True):
        if text is not None:
            replace_file(folder / f"{name}.{part}", text, mode=MODE)
    for old in _versions(state)[KEPT:]:
        _forget(folder, old)


@app.command()
def history(context: typer.Context) -> None:
    """List the versions that commands replaced, the newest first.

    \b
    Example: te settings history
    """
    place = Place.of(context)
    rows = []
    for number, version in enumerate(_versions(place.state), 1):
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

    place = Place.of(context)
    versions = _versions(place.state)
    if version > len(versions):
        raise Failure(f"there is no version {version}: {len(versions)} are kept", code=ExitCode.INVALID)
    name, before = versions[version - 1], read(place.settings)
    settings, secrets = (_text(place.state / FOLDER / f"{name}.{part}") for part in _PARTS)
    edited = replace(before, settings=settings, secrets=secrets if secrets is not None else before.secrets)
    now, then = ((text or "").splitlines() for text in (before.settings, edited.settings))
    say(*(list(unified_diff(now, then, "now", "then", lineterm="", n=1)) or ["settings.toml stays as it is"]))
    if edited.secrets != before.secrets:
        say("secrets change too; they are not shown")
    check(place, edited)
    if not yes:
        typer.confirm("Write this?", default=True, abort=True)
    write(place, before, edited)
    say(f"wrote {place.settings}")


def _versions(state: Path) -> list[str]:
    names = {path.name.removesuffix(f".{_PARTS[0]}") for path in (state / FOLDER).glob(f"*.{_PARTS[0]}")}
    return sorted(names, reverse=True)


def _forget(folder: Path, version: str) -> None:
    for part in _PARTS:
        (folder / f"{version}.{part}").unlink(missing_ok=True)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
