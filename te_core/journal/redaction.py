"""Takes secrets out of what came from outside, before it is written (I12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Redact = Callable[[str], str]


def redacted(value: Any, redact: Redact) -> Any:
    """Apply ``redact`` to every text in a JSON value, names of fields included; other values become text."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict | Mapping):  # a plain dict is told far quicker than any mapping
        return {
            redact(str(key)): redact(item) if type(item) is str else redacted(item, redact)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return redact(str(value))
