"""Writes edits of the settings: as a whole or not at all, after what ``te check`` would refuse was refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.failure import Failure
from te_core.cli.output import note, say

if TYPE_CHECKING:
    from te_core.app.paths import Place
    from te_core.settings.layers import Texts


@dataclass(frozen=True, slots=True)
class Edit:
    """A value for a place in the settings; ``settings_tree.UNSET`` takes out what is there."""

    path: tuple[str, ...]
    value: Any
    secret: bool = False


def save(place: Place, texts: Texts, edits: Sequence[Edit], *, ask: bool) -> None:
    """Check, confirm, write, and say what became of it. Raises ``SettingsInvalid``, ``Failure`` or ``typer.Abort``."""
    edited = with_edits(texts, edits)
    check(place, edited)
    if ask:
        typer.confirm("Write this?", default=True, abort=True)
    write(place, texts, edited)
    report(place, edits)


def with_edits(texts: Texts, edits: Sequence[Edit]) -> Texts:
    """Return the texts with edits. Secrets go into .secrets.toml, and out of settings.toml."""
    from te_core.cli.settings_text import changed, holds
    from te_core.cli.settings_tree import UNSET

    settings, secrets = texts.settings or "", texts.secrets or ""
    for edit in edits:
        hidden = edit.secret or holds(secrets, edit.path)
        settings = changed(settings, edit.path, UNSET if hidden else edit.value)
        if hidden:
            secrets = changed(secrets, edit.path, edit.value)
    kept = secrets if secrets or texts.secrets is not None else None
    return replace(texts, settings=settings, secrets=kept)


def check(place: Place, edited: Texts) -> None:
    """Refuse what ``te check`` would. Raises ``SettingsInvalid``."""
    from te_core.cli.instances import load, redactor_of
    from te_core.journal.redaction import redacted

    resolved, registry, _ = load(place, as_at_start=True, texts=edited)
    redact = redactor_of(resolved.settings, registry).redact
    for key, reason in redacted(dict(resolved.unavailable), redact).items():
        note(f"{key}: {reason}")


def write(place: Place, before: Texts, edited: Texts) -> None:
    """Replace the files that changed; the version before is kept (``te settings undo``).

    Raises ``Failure`` where somebody else edited them meanwhile.
    """
    from te_core.cli.versions import persist
    from te_core.settings.files import replace_file
    from te_core.settings.layers import SECRETS_FILE, read
    from te_core.settings.secrets import MODE

    now = read(place.settings)
    if (now.settings, now.secrets) != (before.settings if place.settings.exists() else None, before.secrets):
        raise Failure("the files were edited meanwhile: nothing was written", next_step="run it again")
    settings = place.settings.resolve()
    secrets = place.settings.with_name(SECRETS_FILE).resolve()
    try:
        if edited.settings is not None and edited.settings != before.settings:
            if place.settings.exists() and not persist(place, before):
                note(
                    "te settings undo cannot bring the version before back: it holds secrets, or was refused"
                )
            settings.parent.mkdir(parents=True, exist_ok=True)
            mode = stat.S_IMODE(settings.stat().st_mode) if settings.exists() else 0o644
            replace_file(settings, edited.settings, mode=mode)
        if edited.secrets is not None and edited.secrets != before.secrets:
            replace_file(secrets, edited.secrets, mode=MODE)
    except OSError as error:
        raise Failure(f"{error.filename or settings}: {error.strerror}: nothing was written there") from None


def report(place: Place, edits: Sequence[Edit]) -> None:
    """Say what was written, what counts all the same, and whether an engine takes it up."""
    from te_core.cli.client import running_engine
    from te_core.settings.layers import SECRETS_FILE, merge, read
    from te_core.settings.schema import Settings

    hidden = any(edit.secret for edit in edits)
    say(f"wrote {place.settings}" + (f" and {SECRETS_FILE}" if hidden else ""))
    places = merge(read(place.settings), os.environ, Settings).places
    for edit in edits:
        found = places.get(edit.path)
        if found is not None and found.file.startswith("environment"):
            note(f"{'.'.join(edit.path[2:])}: {found.file} says otherwise, and counts")
    if running_engine(place):
        say("the running engine takes it up: te status shows it")
