"""Makes external text fit for a log line, an event or a table: one line, bounded, without dumped JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

LONGEST_TEXT = 4096
"""Maximum length in characters of a text from a plugin."""

LARGEST_DETAIL = 128 * 1024
"""Maximum characters of all texts and numbers in one JSON structure; a signal with a thousand contributors fits."""

LONGEST_NAME = 200
"""Maximum length in characters of a key in a JSON structure."""

DEEPEST = 8
"""Maximum depth of a JSON structure."""

LONGEST_REASON = 300
"""Maximum length in characters of the reason for a failure, as shown in tables and notices."""

_PRINTABLE = {int, float, bool, type(None), Decimal, datetime, date, timedelta}

_DUMP = re.compile(r"[\[{].*[\]}]", re.S)
_MESSAGE = re.compile(r'"(?:retMsg|msg|message|error|desc)"\s*:\s*"([^"]+)"')
_CODE = re.compile(r'"(?:retCode|code)"\s*:\s*"?(-?\w+)')
_SMALL = 60
"""Brackets up to this length are readable as they are."""


def bounded(text: str, length: int = LONGEST_TEXT) -> str:
    """Return a text of at most ``length`` characters; a text that was cut ends with its original length."""
    if len(text) <= length:
        return text
    note = f"… ({len(text)} characters)"
    return text[: max(length - len(note), 0)] + note


def plain(reason: str, length: int = LONGEST_REASON) -> str:
    """Return the first line of a reason, with an exchange's JSON reduced to its message and code."""
    text = _DUMP.sub(_essence, reason.strip()).strip()
    first = text.splitlines()[0] if text else "no reason given"
    return bounded(" ".join(first.split()), length)


def printable(text: str) -> str:
    """Return one line that is safe for a terminal: every non-printable character is escaped.

    That is every control character (ESC and so OSC 52 and OSC 8, C1 such as U+009B, line breaks) and every format
    character (bidi controls such as U+202E), which may hide text or make it read differently. Nothing else changes, so
    escaping twice has no further effect.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_json(text: str) -> str:
    """Escape non-printable characters in JSON as ``\\u``; the result parses to the same values.

    JSON itself requires that only below U+0020, so a bidi control or U+009B in a string would reach a terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _json_escape(c) for c in text)


def bounded_values(value: Any, size: int = LARGEST_DETAIL) -> Any:
    """Return a copy of JSON values with bounded size and depth; anything that is not a JSON value becomes text."""
    return _Copy(size).of(value, DEEPEST)


class _Copy:
    """Copies until its budget of characters is used up; every value costs at least one."""

    def __init__(self, left: int) -> None:
        self._left = left

    def of(self, value: Any, levels: int) -> Any:
        kind = type(value)
        if kind is str and len(value) <= LONGEST_TEXT and len(value) < self._left:
            self._left -= len(value) + 1
            return value
        if value is None or kind is bool:
            self._left -= 1
            return value
        if kind is int or kind is float:
            return self._number(value)
        if kind is Decimal and len(digits := str(value)) <= LONGEST_NAME:
            self._left -= len(digits)
            return value
        if isinstance(value, Mapping | list | tuple):
            if levels == 0:
                return "…"
            return self._mapping(value, levels) if isinstance(value, Mapping) else self._list(value, levels)
        return self._text(_as_text(value))

    def _text(self, value: str) -> str:
        text = bounded(value, max(min(LONGEST_TEXT, self._left), 1))
        self._left -= len(text) + 1
        return text

    def _number(self, value: float) -> Any:
        self._left -= 8
        if isinstance(value, int):
            return value if abs(value) < 1 << 63 else self._text(f"a number of {value.bit_length()} bits")
        return value if value - value == 0 else self._text(repr(value))  # not JSON: not finite

    def _mapping(self, value: Mapping[Any, Any], levels: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for key, item in value.items():
            if self._left <= 0:
                copy["…"] = f"{len(value) - len(copy)} more"
                break
            name = (
                key if type(key) is str and len(key) <= LONGEST_NAME else bounded(_as_text(key), LONGEST_NAME)
            )
            self._left -= len(name)
            copy[name] = self.of(item, levels - 1)
        return copy

    def _list(self, value: list[Any] | tuple[Any, ...], levels: int) -> list[Any]:
        copy: list[Any] = []
        for item in islice(value, len(value)):
            if self._left <= 0:
                copy.append(f"… {len(value) - len(copy)} more")
                break
            copy.append(self.of(item, levels - 1))
        return copy


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _as_text(value: object) -> str:
    """Return the text of a value of a known type, else only the type's name: a plugin's ``__str__`` may do anything."""
    kind = type(value)
    if isinstance(value, str):
        return str.__str__(value)
    return str(value) if kind in _PRINTABLE else f"<{kind.__name__}>"


def _essence(dump: re.Match[str]) -> str:
    text = dump.group()
    if '"' not in text or (len(text) <= _SMALL and ":" not in text):
        return text
    message, code = _MESSAGE.search(text), _CODE.search(text)
    found = [*(message.groups() if message else ()), *((f"[{code.group(1)}]",) if code else ())]
    return " ".join(found) or "…"
