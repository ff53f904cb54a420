"""Edits are noticed however they are written; the folder is watched, so files may come and go."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from te_core.settings import layers
from te_core.settings.watch import watch

pytestmark = pytest.mark.real_clock

LONG = 20
"""Seconds after which a test gives up; none waits that long."""


@asynccontextmanager
async def watching(file: Path) -> AsyncIterator[Callable[[str | None], asyncio.Future[None]]]:
    """Watch; yield a function that waits until a callback found that text in the file."""
    seen: list[str | None] = []
    news = asyncio.Condition()

    async def changed() -> None:
        async with news:
            seen.append(layers.read(file).settings)
            news.notify_all()

    async def until(text: str | None) -> None:
        async with asyncio.timeout(LONG), news:
            await news.wait_for(lambda: bool(seen) and seen[-1] == text)

    task = asyncio.create_task(watch(file, changed))
    try:
        yield lambda text: asyncio.ensure_future(until(text))
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_it_looks_once_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("first")
    async with watching(file) as until:
        await until("first")


async def test_writing_renaming_deleting_and_creating_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    async with watching(file) as until:
        await until(None)
        file.write_text("created")
        await until("created")
        file.write_text("written")
        await until("written")
        (tmp_path / ".settings.toml.swp").write_text("renamed into place")
        (tmp_path / ".settings.toml.swp").replace(file)
        await until("renamed into place")
        file.unlink()
        await until(None)
        file.write_text("created again")
        await until("created again")
        file.rename(tmp_path / "backup")
        await until(None)
        (tmp_path / "backup").rename(file)
        await until("created again")


async def test_the_secrets_file_counts_and_others_do_not(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("x")
    calls: asyncio.Queue[str | None] = asyncio.Queue()

    async def changed() -> None:
        await calls.put(layers.read(file).secrets)

    task = asyncio.create_task(watch(file, changed))
    async with asyncio.timeout(LONG):
        assert await calls.get() is None
        for number in range(50):
            (tmp_path / "journal.sqlite3-wal").write_text(str(number))
        (tmp_path / ".secrets.toml").write_text("token")
        assert await calls.get() == "token"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_linked_file_is_watched_at_both_ends_of_its_link(tmp_path: Path) -> None:
    """As configuration maps are mounted: settings.toml → ..data/settings.toml, ..data → ..1."""
    mount, real = tmp_path / "mount", tmp_path / "real"
    for folder, text in ((mount / "..1", "one"), (mount / "..2", "two"), (real, "real")):
        folder.mkdir(parents=True)
        (folder / "settings.toml").write_text(text)
    (mount / "..data").symlink_to("..1")
    file = mount / "settings.toml"
    file.symlink_to("..data/settings.toml")
    async with watching(file) as until:
        await until("one")
        (mount / "fresh").symlink_to("..2")
        (mount / "fresh").replace(mount / "..data")
        await until("two")
        (mount / "..2" / "settings.toml").write_text("two, edited")
        await until("two, edited")
        (mount / "link").symlink_to("../real/settings.toml")
        (mount / "link").replace(file)
        await until("real")
        (real / "settings.toml").write_text("real, edited")
        await until("real, edited")


async def test_the_folder_may_go_and_come_back(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    file = folder / "settings.toml"
    file.write_text("first")
    async with watching(file) as until:
        await until("first")
        folder.rename(tmp_path / "away")
        await until(None)
        folder.mkdir()
        file.write_text("back")
        await until("back")
        file.write_text("edited")
        await until("edited")


async def test_a_folder_recreated_at_once_is_noticed(tmp_path: Path) -> None:
    """As deployments do: most file systems reuse the old inode number."""
    file = tmp_path / "conf" / "settings.toml"
    file.parent.mkdir()
    file.write_text("0")
    async with watching(file) as until:
        await until("0")
        for number in range(1, 4):
            shutil.rmtree(file.parent)
            file.parent.mkdir()
            file.write_text(f"deployed {number}")
            await until(f"deployed {number}")
        file.write_text("edited")
        await until("edited")


async def test_a_circular_link_does_not_loop_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.symlink_to("other.toml")
    (tmp_path / "other.toml").symlink_to("settings.toml")
    async with watching(file) as until:
        await until(None)
        file.unlink()
        file.write_text("straight")
        await until("straight")


async def test_an_edit_through_a_hard_link_is_seen(tmp_path: Path) -> None:
    """The kernel reports it to the other folder only; the same goes for a single bind-mounted file."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file, other = tmp_path / "conf" / "settings.toml", tmp_path / "elsewhere" / "settings.toml"
    file.write_text("enabled")
    other.hardlink_to(file)
    async with watching(file) as until:
        await until("enabled")
        other.write_text("disabled")
        await until("disabled")


async def test_edits_arrive_where_the_kernel_watches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise OSError(28, "OS file watch limit reached")

    monkeypatch.setattr("te_core.settings.watch.awatch", refused)
    monkeypatch.setattr("te_core.settings.watch.HEARTBEAT", 10)
    file = tmp_path / "settings.toml"
    async with watching(file) as until:
        await until(None)
        file.write_text("enabled")
        await until("enabled")
        file.write_text("disabled")
        await until("disabled")


async def test_it_stops_at_once_when_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at its next own check, which is in an hour here."""
    monkeypatch.setattr("te_core.settings.watch.HEARTBEAT", 3_600_000)
    file = tmp_path / "settings.toml"
    calls: asyncio.Queue[None] = asyncio.Queue()
    task = asyncio.create_task(watch(file, lambda: calls.put(None)))
    async with asyncio.timeout(LONG):
        while calls.empty():
            file.touch()
            await asyncio.sleep(0.05)
        os.utime(tmp_path)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert task.cancelled()
