"""Fields whose name says that they hold a secret: messages made for other receivers carry theirs. None is kept."""

from __future__ import annotations

import re
from typing import Any

HIDDEN = "***"

_NAMED = re.compile(
    r"secret|token|passw|passphrase|credential|api_?key|private_?key|signature", re.IGNORECASE
)

# Possessive (``*+``), so that the time stays proportional to the text, whatever stands in it.
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_FIELD = re.compile(rf'({_STRING})(?:(\s*+:\s*+)({_STRING}|[^\s"{{}}\[\],]++))?', re.DOTALL)


def hide(name: str, value: Any) -> Any:
    """Give a field's value as it may be kept, fields within it included."""
    if _NAMED.search(name):
        return HIDDEN
    if isinstance(value, dict):
        return {key: hide(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hide("", inner) for inner in value]
    return value


def hide_in_text(text: str) -> str:
    """Do the same for single values in a text that may be no valid JSON."""
    return _FIELD.sub(_hidden, text) if _NAMED.search(text) else text


def _hidden(found: re.Match[str]) -> str:
    name, colon, value = found.groups()
    return f'{name}{colon}"{HIDDEN}"' if value and _NAMED.search(name) else found[0]
