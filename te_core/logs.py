"""Logging: one readable line per event, or one JSON object; no line leaves without passing the redactor."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from te_core.secrets import Redactor
from te_core.settings.schema import LogSettings
from te_core.texts import bounded, bounded_values

if TYPE_CHECKING:
    from loguru import Record

WHERE = ("source", "account", "symbol", "notifier")
ROTATION = "10 MB"
KEPT_FILES = 5

LONGEST_MESSAGE = 8 * 1024
"""Characters of a message: plugins log too, and what they got from somewhere."""

LONGEST_TRACE = 64 * 1024
"""Characters of a traceback."""


def configure_logs(
    settings: LogSettings, redactor: Redactor, *, folder: Path, stream: TextIO = sys.stderr
) -> None:
    """Send every log line to ``stream`` and to the settings' file (relative to ``folder``), redacted.

    Replaces what was configured before, so it also applies changed settings. Lines of ``logging`` (aiohttp,
    asyncio, sqlalchemy) and warnings go the same way.
    """
    render = _render_json if settings.format == "json" else _render_text
    line = _formatter(render, redactor)
    # ``diagnose`` would print the values of variables; ``catch`` keeps a full disk from stopping a trade.
    common: dict[str, Any] = {"level": settings.level, "format": line, "diagnose": False, "catch": True}
    logger.remove()
    logger.add(stream, colorize=False, **common)
    if settings.file:
        path = folder / settings.file
        logger.add(path, rotation=ROTATION, retention=KEPT_FILES, encoding="utf-8", opener=_private, **common)
    logging.captureWarnings(True)  # noqa: FBT003 - its only parameter
    logging.basicConfig(handlers=[_Forward()], level=logger.level(settings.level).no, force=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _formatter(render: Callable[[Record, str], str], redactor: Redactor) -> Callable[[Record], str]:
    """Make the whole line here and redact it last; loguru only puts it in place.

    The parts are redacted before, too: rendering may escape a secret beyond recognition.
    """

    def line(record: Record) -> str:
        record["message"] = _bounded(record["message"], LONGEST_MESSAGE, redactor)
        trace = _bounded(_traceback(record), LONGEST_TRACE, redactor) if record["exception"] else ""
        record["extra"]["_line"] = redactor.redact(render(record, trace))
        return "{extra[_line]}\n"

    return line


def _bounded(text: str, length: int, redactor: Redactor) -> str:
    """Redact, then cut, so that no half of a secret is left; what is far too long is not searched to its end."""
    return bounded(redactor.redact(text[: 16 * length]), length)


def _render_text(record: Record, trace: str) -> str:
    """``2026-01-01T12:00:00.123Z INFO    source=x symbol=BTCUSDT: message``, and the traceback below it."""
    time = record["time"].astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    extra = record["extra"]
    where = " ".join(f"{name}={bounded(str(extra[name]), 100)}" for name in WHERE if name in extra)
    text = f"{time}Z {record['level'].name:<7} {where}{': ' if where else ''}{_printable(record['message'])}"
    return f"{text}\n{trace}" if trace else text


def _render_json(record: Record, trace: str) -> str:
    data = {
        "time": record["time"].astimezone(UTC).isoformat(),
        "level": record["level"].name,
        "logger": record["extra"].get("logger") or record["name"],
        **{
            key: bounded_values(value, LONGEST_MESSAGE)
            for key, value in record["extra"].items()
            if key not in {"logger", "_line"}
        },
        "message": record["message"],
    }
    if trace:
        data["traceback"] = trace
    return json.dumps(data, default=str, ensure_ascii=False)


def _traceback(record: Record) -> str:
    found = record["exception"]
    if found is None:
        return ""
    return "".join(traceback.format_exception(found.type, found.value, found.traceback)).rstrip()


def _printable(message: str) -> str:
    """Keep an event on one line, whatever was sent to us: control characters are written as escapes."""
    if message.isprintable():
        return message
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


class _Forward(logging.Handler):
    """Hands what ``logging`` collects to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError, KeyError) as error:
            message = f"{record.msg!r} does not fit its arguments: {error}"
        level: str | int = record.levelname if record.levelname in _LEVELS else record.levelno
        bound = logger.bind(logger=record.name)
        bound.opt(exception=record.exc_info).log(level, "{}", message)


_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
