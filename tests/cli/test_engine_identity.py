"""`te` sends its token to its own engine only, not to a program that has taken its place."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, running_engine
from te_core.journal.lock import JournalLock, is_locked
from tests.cli.conftest import Folder, Process

pytestmark = pytest.mark.real_clock

Start = Callable[[Folder], Process]


class Stranger:
    """Listens where an engine did, and answers as configured."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: dict[str, Any] = {"status": "alive"}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                body = json.dumps(outer.answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def stranger(folder: Folder) -> Iterator[Stranger]:
    found = Stranger()
    folder.state.mkdir()
    (folder.path / ".secrets.toml").write_text('[listen.private]\ntoken = "shown-to-my-own-engine-only"\n')
    announced = {"pid": os.getpid(), "public": found.url, "private": found.url, "nonce": "n" * 40}
    (folder.state / "engine.json").write_text(json.dumps(announced))
    yield found
    found.close()


def make_certificate(file: Path) -> None:
    """Write a self-signed certificate and its key into one file."""
    subject = ["-subj", "/CN=alerts.example", "-days", "2"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    key = file.with_suffix(".key")
    subprocess.run([*command, *subject, "-keyout", key, "-out", file], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())


def paths(folder: Folder) -> Paths:
    return Paths(folder.settings, folder.state)


def test_without_the_journals_lock_no_request_is_sent(folder: Folder, stranger: Stranger) -> None:
    """A crashed engine leaves its file, and its port to whoever comes first."""
    with pytest.raises(EngineDown):
        ask(paths(folder), "/api/v1/state")
    assert stranger.asked == []


@pytest.mark.parametrize("answer", [{"status": "alive"}, {"proof": "0" * 64}, {"proof": 5}, []])
def test_who_cannot_prove_to_be_the_engine_gets_no_token(
    folder: Folder, stranger: Stranger, answer: Any
) -> None:
    lock = JournalLock(folder.state / "journal.sqlite3")
    stranger.answer = answer
    with pytest.raises(EngineDown):
        ask(paths(folder), "/api/v1/state")
    assert folder.te("signal", "send", "--symbol", "BTCUSDT.P", "--direction", "flat").exit_code == 3
    lock.release()
    assert {path.partition("?")[0] for path, _ in stranger.asked} == {"/healthz"}
    assert "shown-to-my-own-engine-only" not in str(stranger.asked)


def test_a_proof_of_another_time_is_of_no_use(folder: Folder, stranger: Stranger) -> None:
    lock = JournalLock(folder.state / "journal.sqlite3")
    for _ in range(2):
        running_engine(paths(folder))
    lock.release()
    assert len({path for path, _ in stranger.asked}) == 2


def test_a_lock_is_seen_and_not_taken(folder: Folder) -> None:
    folder.state.mkdir()
    journal = folder.state / "journal.sqlite3"
    assert not is_locked(journal)
    lock = JournalLock(journal)
    assert is_locked(journal)
    lock.release()
    assert not is_locked(journal)
    JournalLock(journal).release()


def _token(folder: Folder) -> str:
    secrets = tomllib.loads((folder.path / ".secrets.toml").read_text())
    return str(secrets["listen"]["private"]["token"])


def test_signals_by_hand_go_to_a_listener_with_tls(folder: Folder, started: Start) -> None:
    make_certificate(folder.path / "own.pem")
    folder.edit("[listen.public]", '[listen.public]\ncertificate = "own.pem"')
    started(folder)
    alert = ("--symbol", "BTCUSDT.P", "--direction", "long", "--size", "1/100", "--price", "65000")
    result = folder.te("signal", "send", *alert)
    assert result.exit_code == 0, result.stderr
    assert folder.te("source", "url", "tradingview").stdout.startswith("https://127.0.0.1:")
    make_certificate(folder.path / "own.pem")
    result = folder.te("signal", "send", *alert)
    assert result.exit_code == 0, result.stderr  # the listener uses the new one, and te expects it


def test_the_first_start_makes_a_token_that_te_uses(folder: Folder, started: Start) -> None:
    engine = started(folder)
    token = _token(folder)
    assert len(token) >= 24
    assert stat.S_IMODE((folder.path / ".secrets.toml").stat().st_mode) == 0o600
    assert folder.json("status")["listeners"] == {"private": {"wrong_tokens": 0}}
    _edit_breaks_nothing(folder)
    folder.te("status", env={"TE_LISTEN__PRIVATE__TOKEN": "another"})
    result = folder.te("status", env={"TE_LISTEN__PRIVATE__TOKEN": "another"})
    assert result.exit_code == 1
    assert "a different listen.private.token" in result.stderr
    assert folder.json("status")["listeners"] == {"private": {"wrong_tokens": 2}}
    assert token not in engine.log
    assert token not in engine.said
    engine.stop()
    started(folder).stop()
    assert _token(folder) == token


def _edit_breaks_nothing(folder: Folder) -> None:
    """An engine runs on with its last good settings, and can still be queried."""
    good = folder.settings.read_text()
    for broken in (good + "\n[nonsense", good + '\n[engine]\nresync = "x"\n'):
        folder.settings.write_text(broken)
        shown = folder.te("status")
        assert "engine ready" in shown.stdout, shown.output
        assert shown.exit_code in (0, 1), "1 once it is known that the edit is refused"
    folder.settings.write_text(good)


def test_a_socket_instead_of_a_port(folder: Folder, started: Start) -> None:
    folder.edit("[listen.private]\nport = 0", '[listen.private]\nsocket = "engine.sock"')
    engine = started(folder)
    made = folder.state / "engine.sock"
    assert stat.S_ISSOCK(made.stat().st_mode)
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert folder.json("status")["engine"]["pid"] == engine.process.pid
    assert folder.te("plan").exit_code == 0
    engine.stop(9)
    again = started(folder)  # the files of a killed engine do not prevent a start
    assert folder.json("status")["engine"]["pid"] == again.process.pid
