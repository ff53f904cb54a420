"""One line per event, with its location; nothing is written without passing the redactor."""

from __future__ import annotations

import io
import json
import logging
import re
import stat
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from loguru import logger

from te_core.logs import close_log_file, configure_logs, flush_logs
from te_core.secrets import Redactor
from te_core.settings.schema import LogSettings

SECRET = 'pa"ss\\wörd/§token'
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?P<level>\w+) +(?P<rest>.*)")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    close_log_file()
    logger.remove()
    logging.captureWarnings(False)
    root.handlers[:], root.level = before[0], before[1]


class Log:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redactor = Redactor([SECRET])
        self.stream = io.StringIO()

    def configure(self, **settings: object) -> None:
        configured = LogSettings.model_validate(settings)
        configure_logs(configured, self.redactor, folder=self.folder, stream=self.stream)

    @property
    def text(self) -> str:
        flush_logs(10)
        return self.stream.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path)
    log.configure()
    return log


def rest(line: str) -> tuple[str, str]:
    match = LINE.fullmatch(line)
    assert match, line
    return match["level"], match["rest"]


def test_a_line_has_time_level_location_and_message(log: Log) -> None:
    logger.info("started")
    logger.bind(symbol="BTCUSDT", account="main", other=1).warning("order {} of {}", "te1", 0.5)
    logger.bind(source="oracle").error("{} failed")
    assert [rest(line) for line in log.lines] == [
        ("INFO", "started"),
        ("WARNING", "account=main symbol=BTCUSDT: order te1 of 0.5"),
        ("ERROR", "source=oracle: {} failed"),
    ]


def test_the_level_is_a_setting_and_can_be_changed(log: Log) -> None:
    logger.debug("hidden")
    log.configure(level="DEBUG")
    logger.debug("shown")
    log.configure(level="ERROR")
    logger.warning("hidden")
    assert [rest(line) for line in log.lines] == [("DEBUG", "shown")]


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\x00b", "{0} <red> {extra}"]
)
def test_a_message_stays_on_its_line(log: Log, hostile: str) -> None:
    logger.info("{}", hostile)
    assert len(log.lines) == 1
    assert log.text[:-1].isprintable()


def test_json_is_one_object_a_line(log: Log) -> None:
    log.configure(format="json")
    logger.bind(account="main", size=1.5).info("two\nlines")
    data = json.loads(log.lines[0])
    assert data["message"] == "two\nlines"
    assert (data["level"], data["account"], data["size"]) == ("INFO", "main", 1.5)
    assert data["time"].endswith("+00:00")


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_traceback_shows_no_variables(log: Log, format_: str) -> None:
    log.configure(format=format_)

    def fails(hidden: str) -> None:
        raise ValueError(len(hidden))

    try:
        fails("value-of-a-variable")
    except ValueError:
        logger.exception("it failed")
    assert "ValueError: 19" in log.text
    assert "in fails" in log.text
    assert log.text.count("value-of-a-variable") == 1  # the source line of the call itself


@contextmanager
def shown_warnings(log: Log, **settings: object) -> Iterator[None]:
    """Configure again: pytest has installed its own handling of warnings since the set-up."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        log.configure(**settings)
        yield


def test_logging_of_libraries_and_warnings_come_the_same_way(log: Log) -> None:
    logging.getLogger("aiohttp.server").error("from %s", "aiohttp")
    logging.getLogger("asyncio").debug("hidden")
    with shown_warnings(log):
        warnings.warn("careful", UserWarning, stacklevel=1)
    assert [rest(line)[0] for line in log.lines] == ["ERROR", "WARNING"]
    assert rest(log.lines[0])[1] == "from aiohttp"
    assert "UserWarning: careful" in log.lines[1]


def test_a_librarys_message_with_wrong_arguments_is_logged(log: Log) -> None:
    odd = logging.makeLogRecord(
        {"name": "odd", "levelno": 30, "levelname": "WARNING", "msg": "%d", "args": ("x",)}
    )
    (forward,) = (h for h in logging.getLogger().handlers if type(h).__module__ == "te_core.logs")
    forward.emit(odd)
    assert "'%d' does not fit its arguments" in log.text


def test_json_names_the_library(log: Log) -> None:
    log.configure(format="json")
    logging.getLogger("aiohttp.server").error("x")
    assert json.loads(log.text)["logger"] == "aiohttp.server"


def test_the_file_is_private_and_gets_the_same_lines(log: Log) -> None:
    log.configure(file="logs/engine.log")
    logger.info("token {}", SECRET)
    flush_logs(10)
    file = log.folder / "logs" / "engine.log"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == log.text
    assert SECRET not in log.text


def every_logger(secret: str) -> None:
    """Send the secret through everything that reaches a log line."""
    logger.info("plain " + secret.replace("{", "{{"))
    logger.info("argument {}", secret)
    logger.info("shown {!r}", {"token": secret})
    logger.info("json {}", json.dumps({"a": json.dumps({"token": secret})}))
    logger.bind(account=secret, symbol=secret, source=secret, other={"x": secret}).info("bound")
    logging.getLogger("x").error("stdlib %s %r", secret, [secret])
    for error in (ValueError(secret), KeyError(secret), OSError(1, secret)):
        try:
            raise error
        except Exception:
            logger.exception("raised")
            logging.getLogger("x").exception("raised %s", secret)
    try:
        try:
            raise ValueError(secret)
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.opt(exception=True).error("chained")
    warnings.warn(secret, UserWarning, stacklevel=1)
    thread = threading.Thread(target=logger.info, args=("{}", secret))
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    "secret", [SECRET, "simple-token-42", "line\nbreak\\n", "{braces}<red>", "ключ-доступа"]
)
@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_logger_leaks_a_secret(
    log: Log, secret: str, format_: str, capfd: pytest.CaptureFixture[str]
) -> None:
    log.redactor.add([secret])
    with shown_warnings(log, format=format_, file="engine.log", level="TRACE"):
        every_logger(secret)
    flush_logs(10)
    written = log.text + (log.folder / "engine.log").read_text() + "".join(capfd.readouterr())
    assert written.count("***") > 20
    for spelling in (
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
    ):
        assert spelling not in written


def test_a_secret_learned_later_is_hidden_from_then_on(log: Log) -> None:
    log.redactor.add(["fresh-token"])
    logger.info("fresh-token")
    assert rest(log.lines[0]) == ("INFO", "***")


def test_a_broken_stream_stops_nobody(log: Log, capfd: pytest.CaptureFixture[str]) -> None:
    log.stream.close()
    logger.info("into nothing")
    sys.stderr.flush()
    assert SECRET not in capfd.readouterr().err


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_line_is_bounded_whatever_a_plugin_logs(log: Log, style: str) -> None:
    log.configure(format=style)
    logger.bind(source="s" * 99_999, more={"deep": ["x" * 99_999] * 99}).warning("{}", "m" * 9_999_999)
    [line] = log.lines
    assert "9999999" not in line or len(line) < 60_000
    assert len(line) < 60_000


def test_no_half_of_a_secret_is_left_where_a_message_is_cut(log: Log) -> None:
    for filling in range(8 * 1024 - 60, 8 * 1024):
        logger.warning("{}", "m" * filling + SECRET + "m" * 9999)
    assert SECRET[:6] not in log.text
