"""Restores a backup repeatedly, killed one step later each time: ``python -m tests.moving.kill_everywhere FOLDER``.

Prints "old" or "new" for each: which state exists afterwards, once any command has run.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from te_core.app.paths import Paths
from te_core.moving.restore import apply, finish_pending, stage

STEPS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "open", "sqlite3.connect", "shutil.rmtree")
"""Python's audit events at which the process may be killed: every change of a file is one."""
LIMIT = 400


def content(paths: Paths) -> dict[str, Any]:
    """Return what an engine would find."""
    found: dict[str, Any] = {}
    for path in (paths.settings, paths.settings.with_name(".secrets.toml")):
        found[path.name] = path.read_text() if path.exists() else None
    for name in ("accounts", "sources", "plugins.json"):
        for path in sorted((paths.state / name).rglob("*")) or [paths.state / name]:
            found[str(path.relative_to(paths.state))] = path.read_bytes() if path.is_file() else None
    with closing(sqlite3.connect(f"file:{paths.state / 'journal.sqlite3'}?mode=ro", uri=True)) as journal:
        found["journal"] = journal.execute("SELECT value FROM meta WHERE key = 'journal_id'").fetchall()
        found["events"] = journal.execute("SELECT text FROM events").fetchall()
        found["check"] = journal.execute("PRAGMA integrity_check").fetchall()
    return found


def restore(paths: Paths, backup: Path) -> None:
    with backup.open("rb") as stream:
        staged = stage(stream, paths)
    apply(staged, former_journal=paths.state / "journal.sqlite3", stamp="then")


def killed_at(step: int, paths: Paths, backup: Path) -> bool:
    """Restore in another process that is killed at a step; return whether that step was reached."""
    child = os.fork()
    if child == 0:
        left = [step]

        def count(event: str, arguments: Any) -> None:
            if event in STEPS:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        restore(paths, backup)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(folder: Path) -> None:
    old, backup = folder / "old", folder / "backup.tar.gz"
    clean = folder / "clean"
    shutil.copytree(old, clean)
    before = content(Paths(clean / "settings.toml", clean / "state"))
    restore(Paths(clean / "settings.toml", clean / "state"), backup)
    after = content(Paths(clean / "settings.toml", clean / "state"))
    assert before != after
    for step in range(1, LIMIT):
        target = folder / "target"
        shutil.copytree(old, target)
        paths = Paths(target / "settings.toml", target / "state")
        killed = killed_at(step, paths, backup)
        finish_pending(paths)
        found = content(paths)
        print("old" if found == before else "new" if found == after else f"mix at step {step}: {found}")
        shutil.rmtree(target)
        if not killed:
            return
    raise AssertionError("it was never through")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
