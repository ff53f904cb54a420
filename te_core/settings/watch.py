"""Tells of edits to the settings files, however an editor or a deployment writes them.

The kernel reports most edits at once, but not those that reach a file by another way than its folder: through a hard
link, where the file was bind-mounted from, on another machine of a network file system. So the files' times, sizes and
numbers are compared with each heartbeat, too: ``enabled = false`` always arrives.
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
"""Milliseconds without a further change after which a file counts as written."""
LONGEST = 1_000
"""Milliseconds after which endless changes are looked at anyway."""
HEARTBEAT = 1_000
"""Milliseconds after which a quiet watch makes sure that it still watches the right folders, and compares the files."""
UNWATCHED = 60
"""Heartbeats that only compare where the kernel does not watch (too many watches), until it is asked again."""

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
                with suppress(FileNotFoundError), _held(folders):  # a folder went in between
                    await _watch(file, locations, folders, changed)
            except (OSError, RuntimeError):  # watchfiles raises either
                await _compare(file, changed)
        else:
            await changed()
            await asyncio.sleep(HEARTBEAT / 1000)  # the folder is gone; it may come back


async def _watch(
    file: Path, locations: set[Path], folders: dict[Path, int], changed: Callable[[], Awaitable[object]]
) -> None:
    """Watch those folders until others have to be watched."""

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
            # Compared the first time anyhow: an edit may have come before the watch began. Stamped before it is read.
            now = _stamps(file)
            if batch or now != seen:
                seen = now
                await changed()
            if _watched_paths(file) != locations or _folders(locations) != folders:
                return


async def _compare(file: Path, changed: Callable[[], Awaitable[object]]) -> None:
    """Do without the kernel for a while."""
    seen: Stamps | None = None
    for _ in range(UNWATCHED):
        if (now := _stamps(file)) != seen:
            seen = now
            await changed()
        await asyncio.sleep(HEARTBEAT / 1000)


def _stamps(file: Path) -> Stamps:
    """Return what differs between a file and its next edit. No links left: it was replaced where it is mounted from."""
    return tuple(map(_stamp, (file, file.with_name(SECRETS_FILE))))


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, int(found.st_nlink > 0)


def _watched_paths(file: Path) -> set[Path]:
    """Give both files with every symbolic link on the way to them, as absolute paths."""
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
    """Keep folders open: the number of one that was deleted goes to the next that is made, most likely in its place."""
    with ExitStack() as held:
        for folder in folders:
            held.callback(os.close, os.open(folder, os.O_RDONLY))
        yield


def _folders(locations: set[Path]) -> dict[Path, int]:
    """Give the folders to watch, with what tells one from another of the same name made later."""
    found = {}
    for folder in sorted({path.parent for path in locations}):
        try:
            found[folder] = folder.stat().st_ino
        except OSError:
            continue
    return found
