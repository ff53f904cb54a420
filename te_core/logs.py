"""Logging: one readable line or one JSON object per event; every line passes the redactor before it is written.

Logging never waits for an output: see ``te_core/log_writer.py``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from loguru import logger

from te_core.clock import SystemClock
from te_core.log_writer import LogWriter, writing_to
from te_core.secrets import Redactor, redacted
from te_core.settings.schema import LogSettings
from te_core.texts import bounded, bounded_values, printable, printable_json

if TYPE_CHECKING:
    from loguru import Record

WHERE = ("source", "account", "symbol", "notifier")
ROTATION = 10 * 1000 * 1000
"""Bytes of the log file at which it is rotated."""
KEPT_FILES = 5

_CLOSING = 0.1
"""Seconds that closing an output waits for its pending lines; after that they are written in the background."""

LONGEST_MESSAGE = 8 * 1024
"""Maximum characters of a message: plugins may log data from outside."""

LONGEST_TRACE = 64 * 1024
"""Maximum characters of a traceback."""


OnProblem = Callable[[str, str], None]
"""Called from any thread with the name of an output and why its lines are lost; "" once they are written again."""

_outputs: dict[tuple[str, object], LogWriter] = {}
"""The current outputs of log lines, and stdout; global, as loguru's ``logger`` is."""


def configure_logs(
    settings: LogSettings,
    redactor: Redactor,
    *,
    folder: Path,
    stream: TextIO | None = None,
    on_problem: OnProblem | None = None,
) -> None:
    """Send every log line to ``stream`` (stderr) and to the settings' file (relative to ``folder``), redacted.

    Replaces the previous configuration, so it also applies changed settings. Lines of ``logging`` (aiohttp,
    asyncio, sqlalchemy) and warnings go to the same outputs. Raise `OSError` if the file cannot be opened; the stream
    is configured even then.
    """
    render = _render_json if settings.format == "json" else _render_text
    # ``diagnose`` would print the values of variables.
    options: dict[str, Any] = {
        "level": settings.level,
        "format": _formatter(render, redactor),
        "diagnose": False,
    }
    before = {key for key in _outputs if key[0] != "stdout"}
    kept = set()

    def add(output: LogWriter, key: tuple[str, object]) -> None:
        output.lost_line, output.on_problem = _lost_line(render), on_problem
        kept.add(key)
        logger.add(_sink(output), **options)

    logger.remove()
    logging.captureWarnings(True)  # noqa: FBT003 - its only parameter
    logging.basicConfig(handlers=[_Forward()], level=logger.level(settings.level).no, force=True)
    stream = stream or sys.stderr
    add(_to_stream("stderr", stream), ("stderr", stream))
    try:
        if settings.file:
            path = folder / settings.file
            add(_to_file(path), (path.name, path))
    finally:
        for key in before - kept:
            _outputs.pop(key).close(_CLOSING)


def print_lines(*lines: str) -> None:
    """Print lines to stdout without ever waiting or failing, whatever happens to stdout."""
    output = _to_stream("stdout", sys.stdout)
    output.lost_line = _lost_line(_render_text)
    output.put("".join(f"{printable(line)}\n" for line in lines))


def close_log_file() -> None:
    """Release the log file, if there is one."""
    for key in [key for key in _outputs if isinstance(key[1], Path)]:
        _outputs.pop(key).close(_CLOSING)


def flush_logs(seconds: float) -> None:
    """Wait until every line is written, at most ``seconds`` per output."""
    for output in [*_outputs.values()]:
        output.flush(seconds)


def _output(name: str, where: object, made: Callable[[], LogWriter]) -> LogWriter:
    """Return the current output of that name and target, or open one."""
    output = _outputs.get((name, where))
    if output is None:
        output = _outputs[name, where] = made()
    return output


def _sink(output: LogWriter) -> Callable[[str], None]:
    """Return a sink that passes on plain text: loguru's message type keeps the whole record alive."""
    return lambda message: output.put(str(message))


def _to_stream(name: str, stream: TextIO) -> LogWriter:
    return _output(name, stream, lambda: LogWriter(writing_to(stream), name=name))


def _to_file(path: Path) -> LogWriter:
    def opened() -> LogWriter:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _PrivateFile(
            path, maxBytes=ROTATION, backupCount=KEPT_FILES, encoding="utf-8", errors="backslashreplace"
        )
        file.terminator = ""
        return LogWriter(
            lambda text: file.emit(logging.makeLogRecord({"msg": text})), name=path.name, release=file.close
        )

    return _output(path.name, path, opened)


class _PrivateFile(RotatingFileHandler):
    """A rotated file that only its owner may read."""

    def _open(self) -> Any:
        return open(self.baseFilename, "a", encoding=self.encoding, errors=self.errors, opener=_private)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - inherited
        """Raise the error again, so that the writer counts the lost lines."""
        del record
        raise  # noqa: PLE0704 - called while the error is handled


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lost_line(render: Callable[[Record, str], str]) -> Callable[[int], str]:
    """Return a function that renders the line about lost lines, in the configured format."""

    def line(lost: int) -> str:
        text = f"{lost} log line{'' if lost == 1 else 's'} lost here: this output did not accept them in time"
        record = {
            "time": SystemClock().now(),
            "level": logger.level("WARNING"),
            "name": __name__,
            "extra": {},
            "message": text,
        }
        return f"{render(cast('Record', record), '')}\n"

    return line


def _formatter(render: Callable[[Record, str], str], redactor: Redactor) -> Callable[[Record], str]:
    """Return a function that renders the whole line and redacts it last; loguru only inserts it.

    The parts are also redacted beforehand: rendering may escape a secret so that it is no longer recognised.
    """

    def line(record: Record) -> str:
        record["message"] = _bounded(record["message"], LONGEST_MESSAGE, redactor)
        for name, value in record["extra"].items():
            record["extra"][name] = redacted(bounded_values(value, LONGEST_MESSAGE), redactor.redact)
        trace = _bounded(_traceback(record), LONGEST_TRACE, redactor) if record["exception"] else ""
        record["extra"]["_line"] = redactor.redact_long(render(record, trace))
        return "{extra[_line]}\n"

    return line


def _bounded(text: str, length: int, redactor: Redactor) -> str:
    """Redact, then cut, so that no part of a secret is left; text that is far too long is not searched to its end."""
    return bounded(redactor.redact(text[: 16 * length]), length)


def _render_text(record: Record, trace: str) -> str:
    """Return ``2026-01-01T12:00:00.123Z INFO    source=x symbol=BTCUSDT: message``, with the traceback indented below.

    The indent keeps lines of an error's text from being mistaken for lines of the log.
    """
    time = record["time"].astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    extra = record["extra"]
    where = " ".join(f"{name}={bounded_values(extra[name], 100)}" for name in WHERE if name in extra)
    text = f"{time}Z {record['level'].name:<7} {where}{': ' if where else ''}{record['message']}"
    below = "".join(f"\n    {printable(line)}" for line in trace.split("\n")) if trace else ""
    return printable(text) + below


def _render_json(record: Record, trace: str) -> str:
    data = {
        "time": record["time"].astimezone(UTC).isoformat(),
        "level": record["level"].name,
        "logger": record["extra"].get("logger") or record["name"],
        **{key: value for key, value in record["extra"].items() if key not in {"logger", "_line"}},
        "message": record["message"],
    }
    if trace:
        data["traceback"] = trace
    return printable_json(json.dumps(data, default=str, ensure_ascii=False))


def _traceback(record: Record) -> str:
    found = record["exception"]
    if found is None:
        return ""
    return "".join(traceback.format_exception(found.type, found.value, found.traceback)).rstrip()


class _Forward(logging.Handler):
    """Forwards records of ``logging`` to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError) as error:
            message = f"{record.msg!r} does not fit its arguments: {error}"
        level: str | int = record.levelname if record.levelname in _LEVELS else record.levelno
        bound = logger.bind(logger=record.name)
        bound.opt(exception=record.exc_info).log(level, "{}", message)


_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
