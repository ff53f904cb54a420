"""Detect edits of the settings files, however an editor or a deployment writes them.

The kernel reports most edits at once, but not those that reach a file other than through its folder: through a hard
link, at the origin of a bind mount, or on another machine of a network file system. So the files' times, sizes and
inode numbers are also compared with each heartbeat: ``enabled = false`` always arrives.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager, suppress
from pathlib import Path

from watchfiles import Change, awatch

from te_core.settings.layers import SECRETS_FILE

QUIET_MS = 100
"""Milliseconds without a further change after which a file is considered completely written."""
LONGEST = 1_000
"""Milliseconds after which changes are processed even if they do not stop."""
HEARTBEAT = 1_000
"""Milliseconds after which a quiet watch checks that it still watches the right folders, and compares the files."""
UNWATCHED = 60
"""Heartbeats that only compare if the kernel refuses to watch (too many watches), before it is retried."""

Stamps = tuple[tuple[int, ...] | None, ...]


async def watch(file: Path, changed: Callable[[], Awaitable[object]]) -> None:
    """Call ``changed`` once at the start and after each edit of ``file`` or its ``.secrets.toml``.

    Runs until cancelled. Folders are watched, not files, so that renaming into place, deleting, re-creating
    and turning a symbolic link are all seen; every link on the way to the file counts.
    """
    while True:
        locations = _watched_paths(file)
        if folders := _folders(locations):
            try:
                with suppress(FileNotFoundError), _held(folders):  # a folder was removed in between
                    await _watch(file, locations, folders, changed)
            except (OSError, RuntimeError):  # watchfiles raises either
                await _compare(file, changed)
        else:
            await changed()
            await asyncio.sleep(HEARTBEAT / 1000)  # the folder is gone but may come back


async def _watch(
    file: Path, locations: set[Path], folders: dict[Path, int], changed: Callable[[], Awaitable[object]]
) -> None:
    """Watch those folders until the set of folders to watch changes."""

    def concerns_us(_: Change, path: str) -> bool:
        return Path(path) in locations

    watching = awatch(
        *folders,
        watch_filter=concerns_us,
        debounce=LONGEST,
        step=QUIET_MS,
        rust_timeout=HEARTBEAT,
        yield_on_timeout=True,
        recursive=False,
    )
    seen: Stamps | None = None
    async with aclosing(watching) as batches:
        async for batch in batches:
            # Always compared the first time: an edit may precede the watch. Stamped before the files are read.
            now = _stamps(file)
            if batch or now != seen:
                seen = now
                await changed()
            if _watched_paths(file) != locations or _folders(locations) != folders:
                return


async def _compare(file: Path, changed: Callable[[], Awaitable[object]]) -> None:
    """Poll the files for a while instead of relying on the kernel."""
    seen: Stamps | None = None
    for _ in range(UNWATCHED):
        if (now := _stamps(file)) != seen:
            seen = now
            await changed()
        await asyncio.sleep(HEARTBEAT / 1000)


def _stamps(file: Path) -> Stamps:
    """Return what distinguishes a file from its next edit. Without links left, it was replaced behind its mount."""
    return tuple(map(_stamp, (file, file.with_name(SECRETS_FILE))))


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, int(found.st_nlink > 0)


def _watched_paths(file: Path) -> set[Path]:
    """Return both files and every symbolic link on the way to them, as absolute paths."""
    return {path for name in (file, file.with_name(SECRETS_FILE)) for path in _steps(name.absolute(), 40)}


def _steps(path: Path, links_left: int) -> Iterator[Path]:
    here = Path(path.anchor)
    for index, part in enumerate(path.parts[1:], 2):
        here = here.parent if part == ".." else here / part
        if here.is_symlink() and links_left:
            yield here
            target = here.parent / here.readlink()
            rest = path.parts[index:]
            yield from _steps(target.joinpath(*rest), links_left - 1)
            return
    yield here


@contextmanager
def _held(folders: Mapping[Path, int]) -> Iterator[None]:
    """Hold folders open, so that the inode number of a deleted one is not reused by the folder that replaces it."""
    with ExitStack() as held:
        for folder in folders:
            held.callback(os.close, os.open(folder, os.O_RDONLY))
        yield


def _folders(locations: set[Path]) -> dict[Path, int]:
    """Return the folders to watch with their inode numbers, which distinguish one from a later folder of that name."""
    found = {}
    for folder in sorted({path.parent for path in locations}):
        try:
            found[folder] = folder.stat().st_ino
        except OSError:
            continue
    return found
