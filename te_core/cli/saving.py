"""Writes edits of the settings, all or none, after refusing whatever ``te check`` would refuse."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, print_note, prose

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.plugins.registry import Registry
    from te_core.settings.layers import Texts
    from te_core.settings.schema import Settings

TAKEN_UP = 5.0
"""Seconds to wait until a running engine has read the new settings; usually it takes 0.2 s."""
POLL = 0.1


@dataclass(frozen=True, slots=True)
class Edit:
    """A new value for a path in the settings; ``settings_tree.UNSET`` removes the key."""

    path: tuple[str, ...]
    value: Any
    secret: bool = False


def save(paths: Paths, texts: Texts, edits: Sequence[Edit], *, ask: bool) -> None:
    """Check the edits, show their effect, ask for confirmation, write them, and report what the engine did.

    Raises ``SettingsInvalid``, ``Failure`` or ``typer.Abort``.
    """
    edited = with_edits(texts, edits)
    settings, registry = check(paths, edited)
    _show_loose_ends(paths, texts, settings, registry)
    if ask:
        _show_orders(paths, texts, settings)
        typer.confirm("Write this?", default=True, abort=True)
    seen = edits_seen(paths)
    write(paths, texts, edited)
    report(paths, edits, seen)


def _show_loose_ends(paths: Paths, before: Texts, settings: Settings, registry: Registry) -> None:
    """Print the warnings of ``te check`` that these edits add."""
    from te_core.cli.loose_ends import largest_leverages, loose_ends
    from te_core.settings.loading import settings_from

    largest = largest_leverages(paths, settings.symbols)
    known = set(loose_ends(settings_from(before, os.environ), registry, largest))
    for loose in loose_ends(settings, registry, largest):
        if loose not in known:
            print_note(loose)


def _show_orders(paths: Paths, before: Texts, settings: Settings) -> None:
    """Show the orders that changed weights and leverages would cause."""
    from te_core.cli.planning import changed_symbols, show_difference
    from te_core.settings.loading import settings_from

    if symbols := changed_symbols(settings_from(before, os.environ), settings):
        show_difference(paths, symbols)


def with_edits(texts: Texts, edits: Sequence[Edit]) -> Texts:
    """Return the edited texts. Secrets are written to .secrets.toml and removed from settings.toml."""
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


def check(paths: Paths, edited: Texts) -> tuple[Settings, Registry]:
    """Validate the texts as ``te check`` does; return settings and plugins. Raises ``SettingsInvalid``."""
    from te_core.cli.instances import load, redactor_of
    from te_core.secrets import redacted

    resolved, registry, _ = load(paths, as_at_start=True, texts=edited)
    redact = redactor_of(resolved.settings, registry).redact
    for key, reason in redacted(dict(resolved.unavailable), redact).items():
        print_note(f"{key}: {reason}")
    return resolved.settings, registry


def write(paths: Paths, before: Texts, edited: Texts) -> None:
    """Replace the files that changed; store the previous version for ``te settings undo``.

    Raises ``Failure`` if the files have changed since they were read.
    """
    from te_core.cli.versions import persist
    from te_core.settings.files import replace_file
    from te_core.settings.layers import SECRETS_FILE, read
    from te_core.settings.secrets import MODE

    now = read(paths.settings)
    if (now.settings, now.secrets) != (before.settings if paths.settings.exists() else None, before.secrets):
        raise Failure("the files were edited meanwhile; nothing was written", next_step="run it again")
    settings = paths.settings.resolve()
    secrets = paths.settings.with_name(SECRETS_FILE).resolve()
    try:
        if edited.settings is not None and edited.settings != before.settings:
            if paths.settings.exists() and not persist(paths, before):
                print_note(
                    "te settings undo cannot restore the previous version: it contains secrets, or was refused"
                )
            settings.parent.mkdir(parents=True, exist_ok=True)
            mode = stat.S_IMODE(settings.stat().st_mode) if settings.exists() else 0o644
            replace_file(settings, edited.settings, mode=mode)
        if edited.secrets is not None and edited.secrets != before.secrets:
            replace_file(secrets, edited.secrets, mode=MODE)
    except OSError as error:
        raise Failure(f"{error.filename or settings}: {error.strerror}; nothing was written there") from None


def report(paths: Paths, edits: Sequence[Edit], seen: int | None) -> None:
    """Report what was written, which environment variables override it, and what a running engine did with it.

    ``seen``: the number of edits the engine had read before; None if none is running.
    """
    from te_core.settings.layers import SECRETS_FILE, merge, read
    from te_core.settings.schema import Settings

    hidden = any(edit.secret for edit in edits)
    print_lines(f"wrote {paths.settings}" + (f" and {SECRETS_FILE}" if hidden else ""))
    locations = merge(read(paths.settings), os.environ, Settings).locations
    for edit in edits:
        found = locations.get(edit.path)
        if found is not None and found.file.startswith("environment"):
            print_note(f"{'.'.join(edit.path[2:])}: {found.file} overrides it")
    if seen is not None:
        _report_engine(paths, seen)


def edits_seen(paths: Paths) -> int | None:
    """Return how many edits of the settings a running engine has read; None if none is running."""
    settings = _settings_of_engine(paths)
    return None if settings is None else int(settings.get("edits", 0))


def _settings_of_engine(paths: Paths) -> Mapping[str, Any] | None:
    from te_core.cli.client import ask

    try:
        found: Mapping[str, Any] = ask(paths, "/api/v1/state").get("settings", {})
    except Failure:
        return None
    return found


def _report_engine(paths: Paths, seen: int) -> None:
    """Wait until the engine has read the new settings, then report what it did."""
    from te_core.cli.client import running_engine

    pause = threading.Event()
    for _ in range(int(TAKEN_UP / POLL)):
        found = _settings_of_engine(paths)
        if found is None:
            if running_engine(paths):
                print_note(
                    "the running engine cannot be reached with these settings: restart it to apply them"
                )
            return
        if int(found.get("edits", 0)) > seen:
            break
        pause.wait(POLL)
    else:
        print_note("the running engine has not read it yet; te status shows when it has")
        return
    for problem in found["refused"]:
        print_note(f"the running engine refused it and keeps its last good settings: {problem}")
    if not found["refused"]:
        applied = list(found["applied"])
        prose(f"the running engine applied it: {'; '.join(applied) or 'nothing to change'}")
        if any("restart the engine" in line for line in applied):
            print_lines(
                "  restart it the way it was started: pm2 restart NAME, systemctl restart NAME, or Ctrl-C and te run"
            )
