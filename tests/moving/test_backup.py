"""``te backup`` and ``te restore``: all or nothing, readable by its owner only, and never next to another engine."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]  # it ships no types
import pytest
from typer.testing import CliRunner, Result

from te_core.app.paths import Paths
from te_core.cli.main import app
from te_core.clock import SystemClock
from te_core.journal.copies import read_facts
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.moving.archive import Manifest
from te_core.moving.backup import make_backup
from te_core.moving.other_engine import next_ids
from te_core.moving.sealing import Seal
from te_emulators.venues import running
from tests.exchanges.trading import Trading, account, quick, spec_of

pytestmark = pytest.mark.real_clock

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
SETTINGS = """
[sources.tradingview]
plugin = "tradingview"
symbols = { BTCUSDT = "BTCUSDT" }
[accounts.paper]
plugin = "paper"
balance = 10000
[symbols.BTCUSDT]
weights = { tradingview = 0.5 }
"""
SECRETS = '[sources.tradingview]\ntoken = "a-token-that-nobody-guesses"\n'
BACKUP = "backup.tar.gz"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TE_")]:
        monkeypatch.delenv(name)


def te(folder: Path, *arguments: str, answers: str = "") -> Result:
    return CliRunner().invoke(app, ["--settings", str(folder / "settings.toml"), *arguments], input=answers)


def paths_of(folder: Path) -> Paths:
    return Paths(folder / "settings.toml", folder / "state")


def journal_in(folder: Path, identity: str = "first") -> Journal:
    path = folder / "state" / "journal.sqlite3"
    return Journal.open(path, clock=SystemClock(), new_id=lambda: identity, inline=True)


async def say(journal: Journal, text: str) -> None:
    await journal.append(Event(at=SystemClock().now(), kind="test", text=text))


def install(folder: Path, *, identity: str = "first", kept: str = "old", settings: str = SETTINGS) -> Path:
    """Create an installation with one event, and a text and a database of an account."""
    own = folder / "state" / "accounts" / "paper"
    own.mkdir(parents=True)
    (folder / "state").chmod(0o700)
    (folder / "settings.toml").write_text(settings)
    (folder / ".secrets.toml").write_text(SECRETS)
    (folder / ".secrets.toml").chmod(0o600)
    (own / "notes.txt").write_text(kept)
    with closing(sqlite3.connect(own / "book.sqlite3", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE kept (what TEXT)")
        database.execute("INSERT INTO kept VALUES (?)", (kept,))
    journal = journal_in(folder, identity)
    asyncio.run(say(journal, f"event of {identity}"))
    journal.close()
    return folder


def back_up(folder: Path, target: Path, by: Seal | None = None) -> Path:
    journal = folder / "state" / "journal.sqlite3"
    return make_backup(paths_of(folder), journal, target, by=by, now=NOW, machine="here").file


def events(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "state" / "journal.sqlite3")) as journal:
        return [text for (text,) in journal.execute("SELECT text FROM events ORDER BY number")]


# -- round trips


async def test_a_backup_is_consistent_while_the_engine_writes(tmp_path: Path) -> None:
    """Commits are in the backup although they are still in the log; and the writer continues."""
    folder = await asyncio.to_thread(install, tmp_path / "one")
    journal = journal_in(folder)
    with closing(sqlite3.connect(folder / "state" / "accounts" / "paper" / "book.sqlite3")) as book:
        book.execute("INSERT INTO kept VALUES ('in the log')")
        book.commit()
        await say(journal, "said while it runs")
        result = await asyncio.to_thread(te, folder, "backup", str(tmp_path / BACKUP))
        assert result.exit_code == 0, result.stderr
        await say(journal, "said afterwards")
    journal.close()
    assert (tmp_path / BACKUP).stat().st_mode & 0o777 == 0o600
    new = tmp_path / "two"
    restored = await asyncio.to_thread(te, new, "restore", str(tmp_path / BACKUP), "--yes")
    assert restored.exit_code == 0, restored.stderr
    assert events(new) == ["event of first", "said while it runs"]
    assert (new / "settings.toml").read_text() == SETTINGS
    assert (new / ".secrets.toml").read_text() == SECRETS
    own = new / "state" / "accounts" / "paper"
    assert (own / "notes.txt").read_text() == "old"
    with closing(sqlite3.connect(own / "book.sqlite3")) as book:
        assert book.execute("SELECT what FROM kept").fetchall() == [("old",), ("in the log",)]
    modes = [path.stat().st_mode & 0o077 for path in (new / "state").rglob("*") if path.is_file()]
    assert not any(modes)
    assert (new / ".secrets.toml").stat().st_mode & 0o077 == 0
    said = result.output + restored.output
    assert "a-token-that-nobody-guesses" not in said


def test_a_database_held_by_its_plugin_is_copied_with_its_log(tmp_path: Path) -> None:
    folder = install(tmp_path / "one")
    path = folder / "state" / "accounts" / "paper" / "book.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as held:
        held.execute("PRAGMA locking_mode=EXCLUSIVE")
        held.execute("INSERT INTO kept VALUES ('in the log')")
        back_up(folder, tmp_path / BACKUP)
    with tarfile.open(tmp_path / BACKUP) as tar:
        tar.extractall(tmp_path / "out", filter="data")
    copied = tmp_path / "out" / "state" / "accounts" / "paper"
    with closing(sqlite3.connect(copied / "book.sqlite3")) as book:
        assert book.execute("SELECT what FROM kept").fetchall() == [("old",), ("in the log",)]
    assert not list(copied.glob("*-wal"))


@pytest.mark.parametrize("way", ["passphrase", "recipient"])
def test_an_encrypted_backup_opens_for_whom_it_is_meant(way: str, tmp_path: Path) -> None:
    folder, file = install(tmp_path / "one"), tmp_path / "backup.age"
    (tmp_path / "phrase").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery staple\n")
    key, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    (tmp_path / "key").write_text(f"# mine\n{key}\n")
    (tmp_path / "other").write_text(f"{other}\n")
    lock, right, wrong = {
        "passphrase": (
            ("--passphrase-file", str(tmp_path / "phrase")),
            ("--passphrase-file", str(tmp_path / "phrase")),
            ("--passphrase-file", str(tmp_path / "wrong")),
        ),
        "recipient": (
            ("--recipient", str(key.to_public())),
            ("--identity", str(tmp_path / "key")),
            ("--identity", str(tmp_path / "other")),
        ),
    }[way]
    assert te(folder, "backup", str(file), *lock).exit_code == 0
    assert file.read_bytes().startswith(b"age-encryption.org/v1")
    assert b"a-token-that-nobody-guesses" not in file.read_bytes()
    refused = te(tmp_path / "two", "restore", str(file), *wrong)
    assert refused.exit_code == 1
    assert "cannot decrypt" in refused.stderr
    assert not (tmp_path / "two" / "settings.toml").exists()
    assert te(tmp_path / "two", "restore", str(file), *right, "--yes").exit_code == 0
    assert events(tmp_path / "two") == ["event of first"]


def test_no_file_is_written_over(tmp_path: Path) -> None:
    folder = install(tmp_path / "one")
    (tmp_path / BACKUP).write_text("mine")
    result = te(folder, "backup", str(tmp_path / BACKUP))
    assert result.exit_code == 1
    assert (tmp_path / BACKUP).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".te-backup")] == []


# -- refusals that change nothing


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


def one_bit(data: bytes) -> bytes:
    """Flip a bit of a file's content, with a valid gzip checksum."""
    plain = bytearray(gzip.decompress(data))
    offset = plain.index(b"a-token-that-nobody")
    plain[offset] ^= 1
    return gzip.compress(bytes(plain))


def repacked(change: Callable[[tarfile.TarInfo], None]) -> Callable[[bytes], bytes]:
    def with_another(data: bytes) -> bytes:
        made = io.BytesIO()
        with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=made, mode="w:gz") as new:
            for member in old:
                new.addfile(member, old.extractfile(member))
            intruder = tarfile.TarInfo("intruder")
            change(intruder)
            new.addfile(intruder, io.BytesIO(b""))
        return made.getvalue()

    return with_another


def as_link(member: tarfile.TarInfo) -> None:
    member.type, member.linkname = tarfile.SYMTYPE, "/"


def newer(data: bytes) -> bytes:
    plain = gzip.decompress(data)
    return gzip.compress(plain.replace(b'"format": 1', b'"format": 2'))


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut off": cut_off,
    "one bit": one_bit,
    "path": repacked(lambda member: setattr(member, "name", "../../intruder")),
    "link": repacked(as_link),
    "newer": newer,
    "another file": lambda _: b"no backup at all",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_backup_changes_nothing(kind: str, tmp_path: Path) -> None:
    good = back_up(install(tmp_path / "one"), tmp_path / BACKUP).read_bytes()
    (tmp_path / "bad").write_bytes(BROKEN[kind](good))
    target = install(tmp_path / "two", identity="second", kept="mine")
    before = {path: path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()}
    result = te(target, "restore", str(tmp_path / "bad"), "--yes", "--skip-exchange-check")
    assert result.exit_code == 1
    assert "backup" in result.stderr
    assert {path: path.read_bytes() for path in sorted(target.rglob("*")) if path.is_file()} == before
    assert not (tmp_path / "intruder").exists()


def test_a_damaged_or_newer_journal_is_refused(tmp_path: Path) -> None:
    folder = install(tmp_path / "one")
    with closing(sqlite3.connect(folder / "state" / "journal.sqlite3")) as journal:
        journal.execute("UPDATE alembic_version SET version_num = '0099'")
        journal.commit()
    result = te(folder, "backup", str(tmp_path / BACKUP))
    assert result.exit_code == 1
    assert "schema 0099" in result.stderr


def test_a_state_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = back_up(install(tmp_path / "one"), tmp_path / BACKUP)
    target = install(tmp_path / "two", identity="second")
    (target / "state").chmod(0o777)
    result = te(target, "restore", str(file), "--yes")
    assert result.exit_code == 2
    assert "others may write there" in result.stderr
    assert events(target) == ["event of second"]


def test_an_engine_that_runs_is_not_replaced(tmp_path: Path) -> None:
    file = back_up(install(tmp_path / "one"), tmp_path / BACKUP)
    target = install(tmp_path / "two", identity="second")
    journal = journal_in(target)
    try:
        result = te(target, "restore", str(file), "--yes")
    finally:
        journal.close()
    assert result.exit_code == 3
    assert "an engine is running" in result.stderr
    assert events(target) == ["event of second"]


def test_existing_files_are_replaced_only_if_confirmed_and_saved(tmp_path: Path) -> None:
    file = back_up(install(tmp_path / "one"), tmp_path / BACKUP)
    target = install(tmp_path / "two", identity="second", kept="mine", settings=SETTINGS + "# mine\n")
    (target / "state" / "sources" / "gone").mkdir(parents=True)
    refused = te(target, "restore", str(file))
    assert refused.exit_code == 1
    assert "to replace it: --yes" in refused.stderr
    assert events(target) == ["event of second"]
    assert te(target, "restore", str(file), "--yes").exit_code == 0
    assert events(target) == ["event of first"]
    assert not (target / "state" / "sources").exists()
    (kept,) = (target / "state").glob("before-restore-*")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert (kept / "settings.toml").read_text().endswith("# mine\n")
    assert (kept / "accounts" / "paper" / "notes.txt").read_text() == "mine"
    assert read_facts(kept / "journal.sqlite3").journal_id == "second"
    assert not (target / "state" / ".restore").exists()


# -- killed


def test_a_killed_restore_leaves_the_old_or_the_new_state(tmp_path: Path) -> None:
    """SIGKILL at every rename, removal, opening of a file and connection, one by one."""
    old = install(tmp_path / "live", identity="second", kept="mine", settings=SETTINGS + "# mine\n")
    (old / "state" / "sources" / "gone").mkdir(parents=True)
    (old / "state" / "sources" / "gone" / "file").write_text("x")
    journal = journal_in(old)
    asyncio.run(say(journal, "in the log only"))
    shutil.copytree(old, tmp_path / "old")  # with a log next to the journal, as a killed engine leaves it
    journal.close()
    (tmp_path / "old" / "state" / "journal.sqlite3.reserve").unlink()  # 4 MB of zeros
    assert (tmp_path / "old" / "state" / "journal.sqlite3-wal").stat().st_size
    folder = install(tmp_path / "one")
    (folder / "state" / "plugins.json").write_text("{}\n")
    back_up(folder, tmp_path / BACKUP)
    done = subprocess.run(
        [sys.executable, "-m", "tests.moving.kill_everywhere", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = done.stdout.splitlines()
    assert found[0] == "old"
    assert found[-1] == "new"
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True)  # from one step on it is the new one
    assert found.count("old") > 10
    assert found.count("new") > 10


def test_any_command_completes_a_restore_that_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = back_up(install(tmp_path / "one"), tmp_path / BACKUP)
    target = install(tmp_path / "two", identity="second")

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("te_core.moving.restore._put_settings", killed)
        with pytest.raises(Killed):
            CliRunner().invoke(
                app,
                ["--settings", str(target / "settings.toml"), "restore", str(file), "--yes"],
                catch_exceptions=False,
            )
    result = te(target, "check")
    assert "an interrupted restore has been completed" in result.stderr
    assert events(target) == ["event of first"]


# -- another engine


async def test_it_is_refused_while_another_engine_trades_as_it(tmp_path: Path) -> None:
    """At Bybit's emulator: allowed while the journal knows every order, refused from the next order on."""
    async with running("bybit") as emulator:
        spec = quick(spec_of("bybit"))
        section = account("bybit", emulator)
        symbols = {"BTCUSDT": {"leverage": 2, "weights": {"said": 1}}, "ETHUSDT": {"weights": {"said": 1}}}
        settings = {"accounts": {"main": section}, "symbols": symbols}
        one = tmp_path / "one"
        (one / "state").mkdir(parents=True, mode=0o700)
        await engine_says(Trading(one / "state", settings, spec), {"BTCUSDT": "0.1", "ETHUSDT": "0"})
        lines = "\n".join(f'{name} = "{value}"' for name, value in section.items())
        paper = '[accounts.paper]\nplugin = "paper"\nbalance = 10000'
        (one / "settings.toml").write_text(SETTINGS.replace(paper, f"[accounts.main]\n{lines}"))
        file = await asyncio.to_thread(back_up, one, tmp_path / BACKUP)
        known = set(client_order_ids(emulator))

        async def restore(name: str, *more: str) -> Result:
            return await asyncio.to_thread(te, tmp_path / name, "restore", str(file), "--yes", *more)

        fresh = await restore("fresh")
        assert fresh.exit_code == 0, fresh.stderr

        # somebody else changes a position
        main, ether = emulator.exchange.accounts["main"], emulator.exchange.market.by_base("ETH").symbol
        emulator.exchange.trade_by_hand(main, ether, Decimal("0.5"))
        changed = await restore("changed")
        assert changed.exit_code == 1
        assert "main: ETHUSDT position 0.5, in the backup 0; nothing was restored" in changed.stderr
        emulator.exchange.trade_by_hand(main, ether, Decimal("-0.5"))

        # the engine continues
        harness = Trading(one / "state", settings, spec)
        form = spec.capabilities.client_order_ids
        ids = next_ids(harness.journal.snapshot(), "exchanges", account="main", symbols=[], form=form)
        await engine_says(harness, {"BTCUSDT": "0.05"})
        (another,) = set(client_order_ids(emulator)) - known
        assert another in [name for _, name in ids]
        late = await restore("late")
        assert late.exit_code == 1
        assert f"main: BTCUSDT order {another}" in late.stderr
        assert "main: BTCUSDT position" in late.stderr
        assert not (tmp_path / "late" / "settings.toml").exists()
        skipped = await restore("late", "--skip-exchange-check")
        assert skipped.exit_code == 0, skipped.stderr
        assert read_facts(tmp_path / "late" / "state" / "journal.sqlite3").journal_id != "exchanges"
    gone = await restore("gone")
    assert gone.exit_code == 1
    assert "cannot check whether another engine trades (main:" in gone.stderr
    assert not (tmp_path / "gone" / "settings.toml").exists()


async def engine_says(harness: Trading, depths: dict[str, str]) -> None:
    """Run an engine until an opinion is carried out."""
    await harness.start()
    try:
        await harness.say(depths)
        await harness.until_confirmed()
    finally:
        await harness.stop()


def client_order_ids(emulator: Any) -> list[str]:
    orders = emulator.exchange.accounts["main"].orders.values()
    return [order.request.client_id for order in orders if order.request.client_id]


def test_a_manifest_says_what_it_is_a_backup_of(tmp_path: Path) -> None:
    file = back_up(install(tmp_path / "one"), tmp_path / BACKUP)
    with tarfile.open(file) as tar:
        first = tar.extractfile(tar.getmembers()[0])
        assert first is not None
        import json

        manifest = Manifest(**json.loads(first.read()))
    assert (manifest.journal, manifest.journal_id, manifest.machine) == ("journal.sqlite3", "first", "here")
    assert set(manifest.files) == {
        ".secrets.toml",
        "journal.sqlite3",
        "settings.toml",
        "state/accounts/paper/book.sqlite3",
        "state/accounts/paper/notes.txt",
    }
    assert Decimal(manifest.revision) >= 4
