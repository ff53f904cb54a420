"""Restores a backup completely or not at all, no matter when the process is killed.

The backup is unpacked and checked next to the current state. One atomically replaced file then commits the restore;
after that, any `te` command completes the remaining renames before it reads anything.
"""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from te_core.app import state_folder
from te_core.app.paths import Paths
from te_core.journal.copies import CopyFacts, check_copy, set_identity
from te_core.journal.lock import JournalLock
from te_core.moving.archive import JOURNAL, SECRETS, SETTINGS, STATE, BackupError, Manifest, unpack
from te_core.moving.backup import FILES, FOLDERS
from te_core.settings.files import replace_file, sync_folder
from te_core.settings.layers import SECRETS_FILE, Texts

WORK = ".restore"
"""Below the state folder."""
NEW, OLD, DECIDED = "new", "old", "decided.json"
KEPT = "before-restore"
_LOGS = ("-wal", "-shm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """An unpacked and checked backup."""

    paths: Paths
    folder: Path
    manifest: Manifest
    facts: CopyFacts | None
    """Of its journal; None if it has none."""

    @property
    def journal(self) -> Path:
        """Return the path of the journal's copy."""
        return self.folder / JOURNAL

    def texts(self) -> Texts:
        """Return the settings of the backup, as if they were already in place."""
        secrets = self.folder / SECRETS
        return Texts(
            file=self.paths.settings,
            settings=(self.folder / SETTINGS).read_text(encoding="utf-8-sig"),
            secrets=secrets.read_text(encoding="utf-8-sig") if secrets.exists() else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    """A committed restore. Names are relative to the state folder."""

    settings: str
    journal: str
    former_journal: str
    kept: str
    """Folder for the previous state."""
    entries: Sequence[str]
    """What the backup contains."""


def stage(stream: IO[bytes], paths: Paths) -> Staged:
    """Unpack a backup next to the current state and check it; delete it again if it cannot be used.

    Raises ``BackupError``, ``JournalError``, or ``ConfigError`` if other users can access the state folder.
    """
    state_folder.prepare(paths.state, paths.state / JOURNAL)
    try:
        clear(paths)
        folder = paths.state / WORK / NEW
        folder.mkdir(parents=True, mode=0o700)
        return _checked(paths, folder, unpack(stream, folder))
    except OSError as error:
        clear(paths)
        raise BackupError(
            f"{error.filename or paths.state}: {error.strerror}; nothing was restored"
        ) from None
    except BaseException:
        clear(paths)
        raise


def _checked(paths: Paths, folder: Path, manifest: Manifest) -> Staged:
    if SETTINGS not in manifest.files:
        raise BackupError("the backup contains no settings")
    facts = check_copy(folder / JOURNAL) if JOURNAL in manifest.files else None
    if facts is not None and (Path(manifest.journal).is_absolute() or ".." in Path(manifest.journal).parts):
        raise BackupError(
            f"its journal was at {manifest.journal}, outside of the state folder: set journal.file to a path "
            "inside it, and back up again"
        )
    return Staged(paths=paths, folder=folder, manifest=manifest, facts=facts)


def clear(paths: Paths) -> None:
    """Delete an unpacked backup, unless its restore is committed."""
    work = paths.state / WORK
    if not (work / DECIDED).exists() and work.exists():
        shutil.rmtree(work)


def apply(staged: Staged, *, former_journal: Path, stamp: str, new_identity: str = "") -> Path:
    """Replace the current state with a backup; return the folder that the previous state was moved to.

    ``former_journal``: the journal of the current settings. ``new_identity``: a new identity for the restored journal.
    Raises ``JournalLocked`` while an engine uses either journal, ``BackupError``.
    """
    paths = staged.paths
    brought = [name for name in (*FOLDERS, *FILES) if (staged.folder / STATE / name).exists()]
    decision = _Decision(
        settings=str(paths.settings),
        journal=staged.manifest.journal,
        former_journal=_below(former_journal, paths.state),
        kept=f"{KEPT}-{stamp}",
        entries=[*filter(None, [staged.manifest.journal]), *brought],
    )
    try:
        with _locked(paths, decision):
            if new_identity and staged.facts is not None:
                set_identity(staged.journal, new_identity)
            _sync(staged.folder)
            text = json.dumps(asdict(decision))
            replace_file(paths.state / WORK / DECIDED, text, mode=0o600)
            sync_folder(paths.state / WORK)
            _finish(paths, decision)
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}; run any te command to continue") from None
    return paths.state / decision.kept


def finish_pending(paths: Paths) -> bool:
    """Complete a committed restore that was interrupted; return whether there was one.

    Raises ``JournalLocked`` while another process does so, ``BackupError``.
    """
    decided = paths.state / WORK / DECIDED
    if not decided.exists():
        return False
    try:
        decision = _Decision(**json.loads(decided.read_text(encoding="utf-8")))
        with _locked(paths, decision):
            _finish(paths, decision)
    except FileNotFoundError:  # another process has finished it meanwhile
        return False
    except OSError as error:
        raise BackupError(
            f"cannot complete an interrupted restore: {error.filename}: {error.strerror}"
        ) from None
    return True


def _below(journal: Path, state: Path) -> str:
    """Return a journal's path relative to the state folder; empty if it is elsewhere and stays there."""
    return journal.relative_to(state).as_posix() if journal.is_relative_to(state) else ""


def _locked(paths: Paths, decision: _Decision) -> ExitStack:
    """Lock both journals. Raises ``JournalLocked``."""
    with ExitStack() as locks:
        for name in dict.fromkeys(filter(None, (decision.journal, decision.former_journal))):
            path = paths.state / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            locks.callback(JournalLock(path).release)
        return locks.pop_all()


# -- repeatable steps


def _finish(paths: Paths, decision: _Decision) -> None:
    state, work = paths.state, paths.state / WORK
    new, old, kept = work / NEW, work / OLD, paths.state / decision.kept
    settings = Path(decision.settings)
    if not kept.exists():  # otherwise everything was moved before the interruption
        old.mkdir(exist_ok=True, mode=0o700)
        for name, present in ((SETTINGS, settings), (SECRETS, settings.with_name(SECRETS_FILE))):
            if present.exists() and not (old / name).exists():
                _copy(present, old / name)
        for name in _former(decision):
            placed = name in decision.entries and not (new / _staged_name(name, decision)).exists()
            if (state / name).exists() and not (old / name).exists() and not placed:
                (old / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                (state / name).replace(old / name)
        sync_folder(old)
    for name in _former(decision):
        if (staged := new / _staged_name(name, decision)).exists():
            (state / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            staged.replace(state / name)
    sync_folder(state)
    _put_settings(new, settings)
    if old.exists():
        old.replace(kept)
    sync_folder(state)
    (work / DECIDED).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    if not any(kept.iterdir()):
        kept.rmdir()


def _former(decision: _Decision) -> Iterator[str]:
    """Yield what is replaced: a database's log before the database, which must never be opened with another's log."""
    if former := decision.former_journal:
        yield from (f"{former}{suffix}" for suffix in _LOGS)
    journals = (decision.former_journal, decision.journal)
    yield from dict.fromkeys(filter(None, journals))
    yield from (*FOLDERS, *FILES)


def _staged_name(name: str, decision: _Decision) -> str:
    return JOURNAL if decision.journal and name == decision.journal else f"{STATE}/{name}"


def _copy(source: Path, target: Path) -> None:
    """Copy atomically."""
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.chmod(0o600)
    part.replace(target)


def _put_settings(new: Path, settings: Path) -> None:
    settings.parent.mkdir(parents=True, exist_ok=True)
    secrets = settings.with_name(SECRETS_FILE).resolve()
    if (new / SECRETS).exists():
        replace_file(secrets, (new / SECRETS).read_text(encoding="utf-8"), mode=0o600)
    elif (new / SETTINGS).exists():
        secrets.unlink(missing_ok=True)
    if (new / SETTINGS).exists():
        mode = stat.S_IMODE(settings.stat().st_mode) if settings.exists() else 0o600
        replace_file(settings.resolve(), (new / SETTINGS).read_text(encoding="utf-8"), mode=mode)


def _sync(folder: Path) -> None:
    """Sync the directory entries of all files below a folder to disk."""
    for each in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(each)
