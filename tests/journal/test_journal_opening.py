"""A damaged, foreign or inaccessible journal is refused with a remedy, and left unchanged."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from te_core.errors import JournalError
from te_core.journal.journal import Journal
from te_core.journal.reader import JournalReader
from tests.journal.journal_samples import event, open_journal, signal


async def filled(folder: Path) -> Path:
    journal = open_journal(folder)
    await journal.append(*(signal(symbol=f"S{n}", detail={"filler": "x" * 200}) for n in range(400)))
    journal.close()
    return folder / "journal.sqlite3"


def garbage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(random.Random(1).randbytes(4096))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def cut_within_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1000)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def flipped_page(path: Path) -> None:
    pages = path.stat().st_size // 4096
    with path.open("r+b") as file:
        file.seek((pages // 2) * 4096)
        page = file.read(4096)
        file.seek((pages // 2) * 4096)
        file.write(bytes(byte ^ 0xFF for byte in page))


def replaced_by_text(path: Path) -> None:
    path.write_text("this was a journal\n" * 1000)


def other_database(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    connection.commit()
    connection.close()


def database_without_tables(path: Path) -> None:
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 3")
    connection.commit()
    connection.close()


DAMAGES = [
    garbage_header,
    truncated,
    cut_within_a_page,
    emptied,
    flipped_page,
    replaced_by_text,
    other_database,
    database_without_tables,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_file_that_is_not_a_sound_journal_is_refused_unchanged(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = await filled(tmp_path)
    damage(path)
    content = path.read_bytes()
    for attempt in range(2):
        with pytest.raises(JournalError, match=r"restore a copy|choose another path") as refusal:
            open_journal(tmp_path)
        assert str(path) in str(refusal.value), attempt
    assert path.read_bytes() == content


async def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").mkdir()
    with pytest.raises(JournalError, match="not a file: choose another path"):
        open_journal(tmp_path)


async def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalError, match="state"):
        open_journal(tmp_path / "state")


async def test_a_pipe_in_its_place_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "journal.sqlite3")
    with pytest.raises(JournalError, match="not a file"):
        open_journal(tmp_path)


async def test_a_log_without_its_journal_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event())
    for name in ("journal.sqlite3", "journal.sqlite3-wal"):
        shutil.copy(tmp_path / name, tmp_path / f"copy-{name}")
    journal.close()
    (tmp_path / "journal.sqlite3").unlink()
    (tmp_path / "copy-journal.sqlite3-wal").rename(tmp_path / "journal.sqlite3-wal")
    with pytest.raises(JournalError, match="put the journal back next to it"):
        open_journal(tmp_path)

    (tmp_path / "copy-journal.sqlite3").rename(tmp_path / "journal.sqlite3")
    again = open_journal(tmp_path)
    assert again.events(9) == [event()]
    again.close()


async def test_a_start_that_died_while_making_the_journal_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3.new").write_bytes(b"half a database")
    (tmp_path / "journal.sqlite3.new-wal").write_bytes(b"half a log")
    journal = open_journal(tmp_path)
    await journal.append(event())
    journal.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "journal.sqlite3",
        "journal.sqlite3.lock",
        "journal.sqlite3.reserve",
    ]


async def test_the_journal_is_for_its_owner_only(tmp_path: Path) -> None:
    journal = open_journal(tmp_path / "new" / "folder")
    await journal.append(event())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in journal.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert "journal.sqlite3-wal" in modes
    journal.close()


@pytest.fixture
def somebody_else() -> Iterator[Path]:
    """A folder that everybody may enter, and a process of another user."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    is_root = os.geteuid() == 0
    try:
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def lose_rights() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize("file_mode", [0o000, 0o444])
async def test_a_file_without_permission_is_refused(somebody_else: Path, file_mode: int) -> None:
    path = await filled(somebody_else)
    somebody_else.chmod(0o777)
    path.with_name("journal.sqlite3.lock").chmod(0o666)
    path.chmod(file_mode)
    lose_rights()
    with pytest.raises(JournalError, match="give this user write permission"):
        open_journal(somebody_else)


async def test_a_folder_without_permission_is_refused(somebody_else: Path) -> None:
    somebody_else.chmod(0o555)
    lose_rights()
    with pytest.raises(JournalError, match="give this user write permission to the folder"):
        open_journal(somebody_else)


async def test_reading_needs_a_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="start the engine once"):
        Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert list(tmp_path.iterdir()) == []
    path = await filled(tmp_path)
    truncated(path)
    with pytest.raises(JournalError, match="damaged"):
        Journal.open_readonly(path).snapshot()


async def test_damage_found_while_running_is_a_named_error(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event(), signal())
    reader = JournalReader(journal.path)
    connection = sqlite3.connect(journal.path)
    connection.execute("UPDATE signals SET depth = '17', detail = '{'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match=r"has invalid values.*restore a copy"):
        reader.snapshot()
    reader.close()
    journal.close()


async def test_names_with_special_characters_in_addresses_stay_names(tmp_path: Path) -> None:
    folder = tmp_path / "50% of? the #state & more"
    journal = open_journal(folder)
    await journal.append(event())
    journal.close()
    reader = Journal.open_readonly(folder / "journal.sqlite3")
    assert reader.events(1) == [event()]
    reader.close()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
