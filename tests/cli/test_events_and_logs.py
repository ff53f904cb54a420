"""History at the terminal: events as they come, and the engine's own log, rotated or not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from te_core.cli.logs import LEVELS, LogLine, Wanted, parsed
from te_core.cli.tailing import Tail
from tests.cli.conftest import TE

# -- events of a running engine


@pytest.fixture(scope="module", autouse=True)
def halted_and_resumed(engine: Any) -> Any:
    te = engine.folder.te
    assert te("halt", "paper", "--reason", "lunch").exit_code == 0
    assert te("resume", "paper", "--yes").exit_code == 0
    assert te("pause", "tradingview").exit_code == 0
    assert te("resume", "tradingview", "--yes").exit_code == 0
    return engine


def test_events_are_shown_newest_first_by_kind_account_and_time(engine: Any) -> None:
    found = engine.folder.json("events", "--account", "paper")["events"]
    assert [event["kind"] for event in found] == ["resume", "halt"]
    assert "lunch" in found[1]["text"]
    assert (
        engine.folder.json("events", "--kind", "pause", "--since", "1h")["events"][0]["source"]
        == "tradingview"
    )
    assert engine.folder.json("events", "--until", "yesterday") == {"events": []}
    table = engine.folder.te("events", "--kind", "halt").stdout
    assert "halt" in table
    assert "(lunch)" in table
    rows = list(csv.DictReader(io.StringIO(engine.folder.te("events", "--csv").stdout)))
    assert {row["kind"] for row in rows} >= {"halt", "resume", "pause"}
    assert list(rows[0]) == ["number", "at", "kind", "account", "symbol", "source", "text"]
    mistyped = engine.folder.te("events", "--kind", "halts")
    assert (mistyped.exit_code, "did you mean 'halt'?" in mistyped.stderr) == (0, True)
    assert engine.folder.te("events", "--kind", "flatten").stderr == "", "none has happened"
    refused = engine.folder.te("events", "--since", "soon")
    assert (refused.exit_code, "is not a time" in refused.stderr) == (2, True)


def test_events_are_followed_as_they_come_until_an_interrupt(engine: Any) -> None:
    command = [str(TE), "--settings", str(engine.folder.settings), "events", "--follow", "--json"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("TE_")}
    following = subprocess.Popen(
        [*command, "--account", "paper"], stdout=subprocess.PIPE, text=True, env=env, cwd=engine.folder.path
    )
    assert following.stdout is not None
    before = [json.loads(following.stdout.readline()) for _ in range(2)]
    assert [event["kind"] for event in before] == ["halt", "resume"], "the oldest first"
    assert engine.folder.te("pause", "tradingview").exit_code == 0, "of no interest here"
    assert engine.folder.te("halt", "paper", "--reason", "tea").exit_code == 0
    came = json.loads(following.stdout.readline())
    assert (came["kind"], "tea" in came["text"]) == ("halt", True)
    assert came["number"] > before[-1]["number"]
    following.send_signal(signal.SIGINT)
    assert following.wait(30) == 0
    following.stdout.close()
    assert engine.folder.te("resume", "--yes").exit_code == 0
    assert engine.folder.te("resume", "tradingview", "--yes").exit_code == 0


def test_nothing_is_followed_where_no_engine_runs(folder: Any) -> None:
    refused = folder.te("events", "--follow")
    assert refused.exit_code == 3
    assert "no engine is running" in refused.stderr


# -- the log

JSON_LINES = [
    {"time": "2026-03-01T10:00:00+00:00", "level": "INFO", "logger": "x", "message": "started"},
    {
        "time": "2026-03-01T11:00:00.5+00:00", "level": "WARNING", "account": "bybit-main", "symbol": "BTCUSDT",
        "message": "held back", "traceback": "Traceback\nValueError: no",
    },
    {"time": "2026-03-01T12:00:00+00:00", "level": "ERROR", "source": "tv", "message": "refused"},
]  # fmt: skip
TEXT = """\
2026-03-01T13:00:00.000Z INFO    account=bybit-main: connected
2026-03-01T14:00:00.123Z ERROR   account=bybit-main symbol=BTCUSDT: order: refused: margin=3
    Traceback
    ValueError: no
2026-03-01T15:00:00.000Z DEBUG   nothing: about=nobody
garbage that is not a line of the log
"""


def in_json(*lines: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


@pytest.fixture
def logged(folder: Any) -> Any:
    """A log in four files: two were rotated, one of them compressed, and the format was changed once."""
    folder.edit("[listen.public]", '[logs]\nfile = "log/engine.log"\n[listen.public]')
    scratch = folder.state / "log"
    scratch.mkdir(parents=True)
    files = {
        "engine.log.2.gz": gzip.compress(in_json(JSON_LINES[0]).encode()),
        "engine.log.1": (in_json(*JSON_LINES[1:]) + '{"half": "a li\n').encode(),
        "engine.log": TEXT.encode(),
    }
    for hours, (name, content) in enumerate(files.items()):
        (scratch / name).write_bytes(content)
        at = datetime(2026, 3, 1, 10 + 2 * hours + (hours == 2), 30, tzinfo=UTC).timestamp()
        os.utime(scratch / name, (at, at))
    return folder


def messages(folder: Any, *arguments: str) -> list[str]:
    shown = folder.te("logs", "--json", *arguments)
    assert shown.exit_code == 0, shown.stderr
    return [json.loads(line)["message"] for line in shown.stdout.splitlines()]


def test_the_log_is_one_whatever_was_rotated_and_compressed(logged: Any) -> None:
    assert messages(logged) == [
        "started", "held back", "refused", "connected", "order: refused: margin=3", "nothing: about=nobody",
    ]  # fmt: skip
    shown = logged.te("logs", "--symbol", "btcusdt").stdout.splitlines()
    assert shown == [
        "2026-03-01T11:00:00.500Z WARNING account=bybit-main symbol=BTCUSDT: held back",
        "    Traceback",
        "    ValueError: no",
        "2026-03-01T14:00:00.123Z ERROR   account=bybit-main symbol=BTCUSDT: order: refused: margin=3",
        "    Traceback",
        "    ValueError: no",
    ]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--account", "bybit-main", "--level", "error"], ["order: refused: margin=3"]),
        (["--source", "tv"], ["refused"]),
        (["--since", "2026-03-01T12:30Z", "--level", "INFO"], ["connected", "order: refused: margin=3"]),
        (["--until", "2026-03-01T11:00Z"], ["started"]),
        (["--account", "nobody"], []),
    ],
)
def test_the_log_is_searched(logged: Any, asked: list[str], found: list[str]) -> None:
    assert messages(logged, *asked) == found


def test_a_file_that_ended_before_is_not_opened(logged: Any) -> None:
    (logged.state / "log" / "engine.log.2.gz").chmod(0)
    (logged.state / "log" / "engine.log.2.gz").write_bytes(b"no gzip at all")
    os.utime(logged.state / "log" / "engine.log.2.gz", (0, 0))
    assert messages(logged, "--since", "2026-03-01T11:00Z")[0] == "held back"


def test_without_a_log_file_the_message_says_where_the_log_is(folder: Any) -> None:
    refused = folder.te("logs")
    assert refused.exit_code == 1
    assert "journalctl" in refused.stderr
    folder.edit("[listen.public]", '[logs]\nfile = "engine.log"\n[listen.public]')
    assert "no log file" in folder.te("logs").stderr


def test_the_log_of_a_real_engine_is_understood(engine: Any) -> None:
    lines = list(parsed(engine.log.splitlines(keepends=True)))
    said = [line for line in engine.log.splitlines() if not line.startswith(" ")]
    assert [line.text for line in lines] == said
    assert {line.level for line in lines} <= set(LEVELS)
    about = [line for line in lines if Wanted(about={"account": "paper"}).fits(line)]
    assert about == [line for line in lines if " account=paper" in line.text.partition(": ")[0]]


def test_a_line_is_written_as_the_engine_writes_it() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    line = LogLine(at=at, level="INFO", message="x", about={"source": "tv"})
    assert line.text == "2026-03-01T00:00:00.000Z INFO    source=tv: x"


def line_at(second: int, message: str) -> str:
    return f"2026-03-01T16:00:{second:02}.000Z INFO    account=paper: {message}\n"


def test_a_log_is_followed_through_rotations_until_an_interrupt(logged: Any) -> None:
    command = [str(TE), "--settings", str(logged.settings), "logs", "--follow", "--account", "paper"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("TE_")}
    place = logged.state / "log"
    with (place / "engine.log").open("a") as log:
        log.writelines(line_at(number, f"before {number}") for number in range(12))
    following = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=logged.path)
    assert following.stdout is not None
    first = [following.stdout.readline() for _ in range(10)]
    assert [line.split()[-1] for line in first] == [str(number) for number in range(2, 12)], "the newest ten"
    with (place / "engine.log").open("a") as log:
        log.write(line_at(20, "last of the old")[:40])
        log.flush()
        log.write(line_at(20, "last of the old")[40:] + line_at(21, "for others").replace("paper", "other"))
    (place / "engine.log").rename(place / "engine.log.0")
    (place / "engine.log").write_text(line_at(22, "first of the new"))
    assert following.stdout.readline().endswith("last of the old\n")
    assert following.stdout.readline().endswith("first of the new\n")
    following.send_signal(signal.SIGINT)
    assert following.wait(30) == 0
    assert following.stdout.read() == ""
    following.stdout.close()


def test_what_is_followed_has_no_end(logged: Any) -> None:
    refused = logged.te("logs", "--follow", "--until", "yesterday")
    assert (refused.exit_code, "cannot be combined" in refused.stderr) == (2, True)


def test_lines_are_read_once_whatever_becomes_of_the_files(tmp_path: Path) -> None:
    file = tmp_path / "engine.log"
    file.write_text("a\nb\n")
    tail = Tail(file, lambda: sorted(tmp_path.glob("engine.log*"), key=lambda one: one.stat().st_mtime_ns))
    assert tail.lines() == ["a", "b"]
    assert tail.lines() == []
    with file.open("a") as log:
        log.write("c\nhal")
    assert tail.lines() == ["c"]
    with file.open("a") as log:
        log.write("f\n")
    for number, text in ((1, "e\n"), (2, "f\n")):
        file.rename(tmp_path / f"engine.log.{number}")
        os.utime(tmp_path / f"engine.log.{number}", (number, number))
        file.write_text(text)
    assert tail.lines() == ["half", "e", "f"], "rotated twice between two reads"
    file.write_text("g\n")  # emptied in place, and written again
    file.write_text("")
    assert tail.lines() == []
    file.write_text("h\n")
    assert tail.lines() == ["h"]
    file.unlink()
    assert tail.lines() == [], "between two steps of a rotation"
    file.write_text("i\n")
    assert tail.lines() == ["i"]
    tail.close()
