"""Creates backups, whether an engine is running or not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from te_core import __version__
from te_core.app import last_run, used_plugins
from te_core.app.paths import Paths
from te_core.journal import database
from te_core.journal.copies import CopyFacts, copy_database, copy_journal, read_facts
from te_core.moving.archive import (
    JOURNAL,
    SECRETS,
    SETTINGS,
    STATE,
    BackupError,
    Manifest,
    digests,
    write_archive,
)
from te_core.moving.sealing import Seal, seal
from te_core.settings.layers import SECRETS_FILE

FOLDERS = ("accounts", "sources", "notifiers", "risk_checks", "observers", "settings")
"""Plugin files, and earlier versions of the settings."""
FILES = (used_plugins.FILE, last_run.FILE)
LOGS = ("-wal", "-shm", "-journal")
"""Suffixes of files that belong to a database; its copy includes them."""
ATTEMPTS = 5
MODE = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished backup."""

    file: Path
    size: int
    files: int
    journal: bool
    steady: bool
    """The journal was not written meanwhile, so that all files are consistent."""


def make_backup(
    paths: Paths, journal: Path, target: Path, *, by: Seal | None, now: datetime, machine: str
) -> Made:
    """Write everything to one file, readable by its owner only. Raises ``BackupError``, ``JournalError``."""
    if target.exists():
        raise BackupError(f"{target} exists already: name another file")
    if not target.parent.is_dir():
        raise BackupError(f"the folder {target.parent} does not exist: create it, or choose another")
    if not paths.settings.exists():
        raise BackupError(f"there is no {paths.settings}: nothing to back up")
    try:
        with TemporaryDirectory(
            prefix=".te-backup-", dir=target.parent
        ) as scratch:  # readable by its owner only
            folder = Path(scratch) / "content"
            folder.mkdir()
            facts, steady = _collect(paths, journal, folder)
            manifest = Manifest(
                version=__version__,
                made_at=now.astimezone(UTC).isoformat(),
                machine=machine,
                journal=_seen_from_state(journal, paths.state) if facts else "",
                journal_id=facts.journal_id if facts else "",
                revision=facts.revision if facts else "",
                files=digests(folder),
            )
            _write(manifest, folder, Path(scratch) / "archive", target, by)
    except OSError as error:
        raise BackupError(
            f"{error.filename or target}: {error.strerror or error}; no backup was made"
        ) from None
    return Made(
        file=target,
        size=target.stat().st_size,
        files=len(manifest.files),
        journal=facts is not None,
        steady=steady,
    )


def _seen_from_state(journal: Path, state: Path) -> str:
    """Return the journal's path relative to the state folder, or its absolute path if it is elsewhere."""
    journal, state = journal.resolve(), state.resolve()
    return journal.relative_to(state).as_posix() if journal.is_relative_to(state) else str(journal)


def _collect(paths: Paths, journal: Path, folder: Path) -> tuple[CopyFacts | None, bool]:
    """Copy everything; repeat if the journal was written meanwhile, so that plugin files match it."""
    shutil.copyfile(paths.settings, folder / SETTINGS)
    secrets = paths.settings.with_name(SECRETS_FILE)
    if secrets.exists():
        shutil.copyfile(secrets, folder / SECRETS)
    if not journal.exists():
        _copy_state(paths.state, folder / STATE)
        return None, True
    for _ in range(ATTEMPTS):
        (folder / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(folder / STATE, ignore_errors=True)
        copy_journal(journal, folder / JOURNAL)
        facts = read_facts(folder / JOURNAL)
        _copy_state(paths.state, folder / STATE)
        if read_facts(journal).commits == facts.commits:
            return facts, True
    return facts, False


def _copy_state(state: Path, target: Path) -> None:
    target.mkdir()
    for path in _files(state):
        copied = target / path.relative_to(state)
        copied.parent.mkdir(parents=True, exist_ok=True)
        if database.is_database(path):
            copy_database(path, copied)
        else:
            shutil.copyfile(path, copied)


def _files(state: Path) -> Iterator[Path]:
    yield from (state / name for name in FILES if (state / name).is_file())
    for folder in FOLDERS:
        for path in sorted((state / folder).rglob("*")):
            if path.is_file() and not path.is_symlink() and not path.name.endswith(LOGS):
                yield path


def _write(manifest: Manifest, folder: Path, archive: Path, target: Path, by: Seal | None) -> None:
    """Write the archive, and rename it to ``target`` when it is complete."""
    with archive.open("xb") as stream:  # in a folder that only its owner can read
        write_archive(stream, manifest, folder)
    finished = archive
    if by is not None:
        finished = archive.with_suffix(".age")
        with archive.open("rb") as stream, finished.open("xb") as sealed:
            seal(stream, sealed, by)
    with finished.open("rb") as stream:
        os.fsync(stream.fileno())
    finished.chmod(MODE)
    finished.replace(target)
