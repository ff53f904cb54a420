"""The life cycle of the process: how it starts, what it refuses, what it leaves, and how it ends."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.end_to_end.engine_process import EngineProcess, te, until_enough
from tests.end_to_end.home import TOKEN, Home
from tests.end_to_end.order_records import journal_rows
from tests.end_to_end.packages import WITNESS, install

pytestmark = pytest.mark.real_clock

Start = Callable[[Home], EngineProcess]

INVALID, ENGINE = 2, 3
"""Exit codes."""


# -- the end


@pytest.fixture
def busy_connections(engine: EngineProcess) -> Iterator[None]:
    """Hold connections open on both listeners: unused, kept alive after a response, in the middle of a body."""
    with ExitStack() as connections:
        for listener in ("public", "private"):
            address = urlsplit(engine.announcement()[listener])
            for words in (
                b"",
                b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
                b"POST /hooks/tradingview HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n{",
            ):
                connection = socket.create_connection((address.hostname, address.port), timeout=60)
                connections.enter_context(connection)
                connection.sendall(words)
        yield


@pytest.mark.usefixtures("busy_connections")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_sigterm_ends_it_under_load_and_loses_nothing(
    number: signal.Signals, engine: EngineProcess, home: Home
) -> None:
    base = engine.announcement()["public"]
    kept: list[str] = []
    statuses: set[int] = set()
    enough = asyncio.Event()

    async def drive(session: aiohttp.ClientSession, lane: int) -> None:
        for count in range(100_000):
            message = {
                "symbol": "BTCUSDT.P",
                "direction": "long",
                "size": f"{(lane + count) % 9 + 1}0/100",
                "price": "50000",
                "event_id": f"{lane}-{count}",
            }
            try:
                async with session.post(f"{base}/hooks/tradingview/{TOKEN}", json=message) as response:
                    statuses.add(response.status)
                    await response.read()
            except aiohttp.ClientError:
                return
            if response.status == 200:
                kept.append(message["event_id"])
            if len(kept) >= 100:
                enough.set()

    async with aiohttp.ClientSession() as session:
        senders = [asyncio.create_task(drive(session, lane)) for lane in range(6)]
        await until_enough(enough, senders, engine)
        engine.process.send_signal(number)
        await asyncio.gather(*senders)
    assert engine.exit_code() == 0, home.said()
    assert home.stdout.read_text().endswith("stopped\n")
    assert "Traceback" not in home.log()
    assert not (home.state / "engine.json").exists()
    assert statuses <= {200, 503}
    journaled = {
        json.loads(row["detail"])["event_id"] for row in journal_rows(home, "SELECT detail FROM signals")
    }
    assert set(kept) <= journaled


def test_two_signals_are_no_more_than_one(engine: EngineProcess, home: Home) -> None:
    engine.process.send_signal(signal.SIGSTOP)  # so that both exist when it checks
    engine.process.send_signal(signal.SIGINT)
    engine.process.send_signal(signal.SIGTERM)
    assert engine.stop(signal.SIGCONT) == 0
    assert home.stdout.read_text().endswith("stopped\n")


@pytest.mark.parametrize("hidden", [False, True], ids=["uvloop", "asyncio"])
def test_it_runs_on_uvloop_if_installed_and_otherwise_on_asyncio(
    home: Home, start: Start, hidden: bool
) -> None:
    if hidden:
        home.site.mkdir()
        (home.site / "uvloop.py").write_text("raise ImportError\n")
    elif find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed here")
    engine = start(home).until_ready()
    assert engine.state()["engine"]["event_loop"] == ("asyncio" if hidden else "uvloop")
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    assert engine.stop() == 0


def test_a_signal_while_it_is_stopping_changes_nothing(home: Home, start: Start) -> None:
    again = home.folder / "again"
    slow = f"""
            import asyncio, pathlib
            self._context.log.info("closing")
            while not pathlib.Path({str(again)!r}).exists():
                await asyncio.sleep(0.01)"""
    install(home, "slow", WITNESS.replace('self._context.log.info("closed")', slow.strip()))
    home.tree["accounts"]["slow"] = {"plugin": "slow"}
    home.write()
    engine = start(home).until_ready()
    engine.process.send_signal(signal.SIGINT)
    engine.wait(lambda: "closing" in home.log())
    engine.process.send_signal(signal.SIGTERM)
    again.touch()
    assert engine.exit_code() == 0
    assert home.stdout.read_text().endswith("stopped\n")


def test_the_start_after_a_stop_holds_the_same_without_orders(home: Home, start: Start) -> None:
    engine = start(home).until_ready()
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    engine.wait(engine.at_rest)
    assert engine.stop() == 0
    before = len(journal_rows(home, "SELECT 1 FROM intents"))

    engine = start(home).until_ready()
    engine.until_position("BTCUSDT", "0.09")
    engine.wait(engine.at_rest)
    assert engine.stop() == 0
    assert len(journal_rows(home, "SELECT 1 FROM intents")) == before == 1


# -- one engine


def test_a_second_start_is_refused_with_the_pid_of_the_first(
    engine: EngineProcess, home: Home, start: Start
) -> None:
    second = start(home)
    assert second.exit_code() == ENGINE
    assert f"in use by process {engine.process.pid}" in home.log()
    assert engine.announcement()
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")


def test_a_port_in_use_is_reported_and_leaves_the_state_free(home: Home, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        home.tree["listen"]["public"]["port"] = other.getsockname()[1]
        home.write()
        assert start(home).exit_code() == INVALID
    assert f"listen.public.port = {home.tree['listen']['public']['port']}: " in home.log()
    assert "in use by another program" in home.log()
    assert "Traceback" not in home.log()
    assert start(home).until_ready().stop() == 0


# -- files that cannot be used


def damaged_header(journal: Path) -> None:
    with journal.open("r+b") as file:
        file.write(b"\0" * 64)


def damaged_pages(journal: Path) -> None:
    with journal.open("r+b") as file:
        for page in range(3, journal.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xa5" * 600)


def cut_short(journal: Path) -> None:
    os.truncate(journal, journal.stat().st_size // 2 // 4096 * 4096)


def of_the_future(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()


def of_another_program(journal: Path) -> None:
    journal.unlink()
    with closing(sqlite3.connect(journal)) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
        connection.commit()


def no_database(journal: Path) -> None:
    journal.write_text("dear diary\n" * 1000)


@pytest.fixture(scope="module")
def used_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state folder of an engine that has traded and was stopped."""
    home = Home(tmp_path_factory.mktemp("used"))
    with EngineProcess(home) as engine:
        engine.until_ready()
        engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
        engine.until_position("BTCUSDT", "0.09")
        assert engine.stop() == 0
    return home.state


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damaged_header, "this is not a journal"),
        (damaged_pages, "the file is damaged"),
        (cut_short, "the file is damaged"),
        (of_the_future, "upgrade te-core"),
        (of_another_program, "journal"),
        (no_database, "this is not a journal"),
    ],
)
def test_an_unusable_journal_is_refused_and_left_as_it_is(
    spoil: Callable[[Path], None], told: str, used_state: Path, home: Home, start: Start
) -> None:
    shutil.copytree(used_state, home.state)
    journal = home.state / "journal.sqlite3"
    spoil(journal)
    before = journal.read_bytes()

    assert start(home).exit_code() == 1
    assert str(journal) in home.log()
    assert told in home.log()
    assert "Traceback" not in home.log()
    assert journal.read_bytes() == before
    wal = journal.with_name(journal.name + "-wal")
    assert not wal.exists() or wal.stat().st_size == 0


def test_a_start_without_its_journal_touches_no_position(used_state: Path, home: Home, start: Start) -> None:
    shutil.copytree(used_state, home.state)
    (home.state / "journal.sqlite3").unlink()
    engine = start(home).until_ready()
    engine.until_position("BTCUSDT", "0.09")
    assert engine.state()["accounts"]["paper"]["targets"] == {}
    assert engine.state()["accounts"]["paper"]["foreign"] == {"BTCUSDT": "0.09"}


def without_power() -> None:
    """Drop root's capability to override file modes. Runs in the new process before the program."""
    drop_from_bounding_set, override, read_search = 24, 1, 2
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (override, read_search):
        if libc.prctl(drop_from_bounding_set, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def powerless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make engines respect file modes, even if root runs the tests."""
    if os.geteuid() == 0:
        monkeypatch.setattr(EngineProcess, "before", staticmethod(without_power))


@pytest.mark.usefixtures("powerless")
@pytest.mark.parametrize("first", [True, False], ids=["first start", "later start"])
def test_an_unwritable_state_folder_is_reported(first: bool, home: Home, start: Start) -> None:
    if first:
        home.state.mkdir()
    else:
        assert start(home).until_ready().stop() == 0
    home.state.chmod(0o500)
    try:
        assert start(home).exit_code() in {1, INVALID}
    finally:
        home.state.chmod(0o700)
    assert str(home.state) in home.log()
    assert "permission" in home.log()
    assert "TE_HOME" in home.log()
    assert "Traceback" not in home.log()


def test_without_a_settings_file_the_way_to_name_one_is_shown(home: Home, start: Start) -> None:
    home.settings.unlink()
    assert start(home).exit_code() == INVALID
    assert (
        f"{home.settings}: no such file: create one with te init, or name it with --settings or TE_SETTINGS"
        in home.log()
    )
    assert not home.state.exists()


def test_invalid_settings_are_located_before_the_start(home: Home, start: Start) -> None:
    home.tree["symbols"]["BTCUSDT"]["weights"] = {"tradingview": 2}
    home.write()
    assert start(home).exit_code() == INVALID
    assert "symbols.BTCUSDT.weights.tradingview = 2" in home.log()
    assert not home.state.exists()


# -- what it makes


def token_of(home: Home) -> str:
    return str(tomllib.loads(home.secrets.read_text())["sources"]["tradingview"]["token"])


def test_the_first_start_makes_a_token_only_its_owner_can_read(tmp_path: Path, start: Start) -> None:
    homes = [Home(tmp_path / name, token="") for name in ("one", "two")]
    for home in homes:
        engine = start(home).until_ready()
        assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
        token = token_of(home)
        assert re.fullmatch(r"[\w-]{40,}", token)
        alert = {"symbol": "BTCUSDT.P", "direction": "long", "size": "50/100", "price": "50000"}
        assert engine.post(alert, token="wrong-token-of-some-length")[0] == 401
        assert engine.post(alert, token=token)[0] == 200
        assert te(home, "source", "url", "tradingview").stdout.strip().endswith(f"/hooks/tradingview/{token}")
        assert engine.stop() == 0
        assert start(home).until_ready().post(alert, token=token)[0] == 200
        assert token_of(home) == token
    assert token_of(homes[0]) != token_of(homes[1])


def test_what_the_engine_writes_is_its_owners_alone(engine: EngineProcess, home: Home) -> None:
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    open_to_others = [
        path for path in (home.state, *home.state.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert not open_to_others


def test_json_logs_are_one_object_per_line_on_stream_and_in_file(home: Home, start: Start) -> None:
    install(home, "defective", WITNESS.replace("await super().open()", "raise LookupError('two\\nlines')"))
    home.tree["accounts"]["defective"] = {"plugin": "defective"}
    home.tree["logs"] = {"format": "json", "file": "engine.log"}
    home.write()
    engine = start(home).until_listening()
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    engine.until_position("BTCUSDT", "0.09")
    assert engine.post({"symbol": "a\nb\u2028c", "direction": "long"})[0] == 422
    home.settings.write_text("this is not a settings file")
    engine.wait(lambda: engine.state()["settings"]["refused"])
    assert engine.stop() == 0

    streamed = [json.loads(line) for line in home.log().splitlines()]
    filed = [json.loads(line) for line in (home.state / "engine.log").read_text().splitlines()]
    assert filed == streamed[-len(filed) :]
    assert all({"time", "level", "message"} <= line.keys() for line in streamed)
    (defect,) = (line for line in streamed if "traceback" in line)
    assert "LookupError" in defect["traceback"]
    assert any(line.get("account") == "paper" and line.get("symbol") == "BTCUSDT" for line in streamed)
    assert any("settings refused" in line["message"] for line in streamed)
