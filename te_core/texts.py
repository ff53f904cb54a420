"""Text from outside, made fit for a log line, an event or a table: one line, bounded, without dumped JSON."""

from __future__ import annotations

import re

LONGEST_TEXT = 4096
"""Characters of a text that a plugin hands over."""

LONGEST_REASON = 300
"""Characters of a reason why something fails: it stands in tables and notices."""

_DUMP = re.compile(r"[\[{].*[\]}]", re.S)
_MESSAGE = re.compile(r'"(?:retMsg|msg|message|error|desc)"\s*:\s*"([^"]+)"')
_CODE = re.compile(r'"(?:retCode|code)"\s*:\s*"?(-?\w+)')
_SMALL = 60
"""A bracket of this length reads well as it is."""


def bounded(text: str, length: int = LONGEST_TEXT) -> str:
    """Return a text of at most that many characters; what is cut off is counted at its end."""
    if len(text) <= length:
        return text
    note = f"… ({len(text)} characters)"
    return text[: max(length - len(note), 0)] + note


def plain(reason: str, length: int = LONGEST_REASON) -> str:
    """Return the first line of a reason; of an exchange's JSON only its message and code."""
    text = _DUMP.sub(_essence, reason.strip()).strip()
    first = text.splitlines()[0] if text else "no reason given"
    return bounded(" ".join(first.split()), length)


def _essence(dump: re.Match[str]) -> str:
    text = dump.group()
    if '"' not in text or (len(text) <= _SMALL and ":" not in text):
        return text
    message, code = _MESSAGE.search(text), _CODE.search(text)
    found = [*(message.groups() if message else ()), *((f"[{code.group(1)}]",) if code else ())]
    return " ".join(found) or "…"
