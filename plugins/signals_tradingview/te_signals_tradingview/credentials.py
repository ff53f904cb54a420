"""Fields whose name says that they hold a secret: messages made for other receivers carry theirs. None is kept."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

HIDDEN = "***"

_NAMED = re.compile(
    r"secret|token|passw|passphrase|credential|api_?key|private_?key|signature|licen[cs]e|bot_uuid|^code$",
    re.IGNORECASE,
)

# Possessive (``*+``), so that the time stays proportional to the text, whatever stands in it.
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_FIELD = re.compile(rf'({_STRING})(?:(\s*+:\s*+)({_STRING}|[^\s"{{}}\[\],]++))?', re.DOTALL)


_MAYBE = re.compile(_NAMED.pattern.replace("^code$", '"code"'), re.IGNORECASE)

_CODE = re.compile(r"((?:ENTER|EXIT)-[A-Z]{1,10}+_[^\s\"]{0,300}_)[^\s\"_]++", re.IGNORECASE)
"""A code of WunderTrading: its last piece is a secret, wherever it stands."""

_PLAIN = (
    re.compile(r"()\A\s*+[^\s,(){}]{4,}+(?=\s*+[,(])"),  # PineConnector's licence, Alertatron's key set
    re.compile(r"(\A|[\s,;=])[0-9]{9,}+"),  # a licence in a wrong place
    re.compile(r"(_)[^\W_]{8,}(?![^\W])"),  # the end of something like a code
    re.compile(
        r"(\b\w{0,40}(?:secret|token|passw|key|licen[cs]e)\w{0,40}\s{0,9}[=:]\s{0,9})[^\s,;]++", re.IGNORECASE
    ),
)
"""What is likely to be a secret in a text that is no JSON, and what stands before it."""


_OWN, _OWN_CLOSE = f'"token": "{HIDDEN}"', f'"token":"{HIDDEN}"'
_HINTS = (
    *(
        "secret",
        "token",
        "passw",
        "passphrase",
        "credential",
        "apikey",
        "api_key",
        "privatekey",
        "private_key",
    ),
    *("signature", "licence", "license", "bot_uuid", '"code"', "enter-", "exit-"),
)
"""One of these stands in every JSON text in which there is anything to hide."""


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    """Alerts have the same fields every time."""
    return _NAMED.search(name) is not None


def hide(name: str, value: Any) -> Any:
    """Give a field's value as it may be kept, fields within it included."""
    if _is_secret(name):
        return HIDDEN
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {key: hide(key, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [hide("", inner) for inner in value]
    return value


def hide_in_text(text: str) -> str:
    """Do the same for single values in a text that may be no valid JSON."""
    text = _CODE.sub(rf"\1{HIDDEN}", text)
    if text.lstrip().startswith(("{", "[", '"')):
        return _FIELD.sub(_hidden, text) if _MAYBE.search(text) else text
    for pattern in _PLAIN:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def hide_in_message(text: str) -> str:
    """Do the same for an accepted message. Few hold any but our own token, which has been removed."""
    rest = text.lower().replace(_OWN, "", 1).replace(_OWN_CLOSE, "", 1)
    if text.lstrip().startswith("{") and not any(hint in rest for hint in _HINTS):
        return text
    return hide_in_text(text)


def _hidden(found: re.Match[str]) -> str:
    name, colon, value = found.groups()
    return f'{name}{colon}"{HIDDEN}"' if value and _NAMED.search(name.strip('"')) else found[0]
