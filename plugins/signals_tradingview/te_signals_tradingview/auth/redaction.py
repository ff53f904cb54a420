"""Hides secrets of other products in alerts: alerts made for them carry their tokens, licences and keys.

A field is a secret by its name. Nothing hidden here reaches the journal, the quarantine or the log.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

HIDDEN = "***"

_NAMED = re.compile(
    r"secret|token|passw|passphrase|credential|api_?key|private_?key|signature|licen[cs]e|bot_uuid|^code$",
    re.IGNORECASE,
)

# Possessive (``*+``): matching takes time proportional to the length of the text, whatever the text is.
_STRING = r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)'
_FIELD = re.compile(rf'({_STRING})(?:(\s*+:\s*+)({_STRING}|[^\s"{{}}\[\],]++))?', re.DOTALL)
_MAYBE = re.compile(_NAMED.pattern.replace("^code$", '"code"'), re.IGNORECASE)

_CODE = re.compile(r"((?:ENTER|EXIT)-[A-Z]{1,10}+_[^\s\"]{0,300}_)[^\s\"_]++", re.IGNORECASE)
"""A WunderTrading code: its last piece is a secret, wherever the code appears."""

_PLAIN = (
    re.compile(r"()\A\s*+[^\s,(){}]{4,}+(?=\s*+[,(])"),  # PineConnector's licence, Alertatron's key set
    re.compile(r"(\A|[\s,;=])[0-9]{9,}+"),  # a licence in the wrong place
    re.compile(r"(_)[^\W_]{8,}(?![^\W])"),  # the last piece of something like a code
    re.compile(
        r"(\b\w{0,40}(?:secret|token|passw|key|licen[cs]e)\w{0,40}\s{0,9}[=:]\s{0,9})[^\s,;]++", re.IGNORECASE
    ),
)
"""Likely secrets in a text that is not JSON, each with what precedes it as its first group."""

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
"""Every JSON text with something to hide contains one of these."""


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    """Cached: a source's alerts have the same fields every time."""
    return _NAMED.search(name) is not None


def hide(name: str, value: Any) -> Any:
    """Return a field's value as it may be persisted; fields nested in it are hidden too."""
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
    """Hide secret values in a text, whether or not it is valid JSON."""
    text = _CODE.sub(rf"\1{HIDDEN}", text)
    if text.lstrip().startswith(("{", "[", '"')):
        return _FIELD.sub(_hidden, text) if _MAYBE.search(text) else text
    for pattern in _PLAIN:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def hide_in_alert(text: str) -> str:
    """Hide secret values in an accepted alert. Most have none but our own token, which is already removed."""
    rest = text.lower().replace(_OWN, "", 1).replace(_OWN_CLOSE, "", 1)
    if text.lstrip().startswith("{") and not any(hint in rest for hint in _HINTS):
        return text
    return hide_in_text(text)


def _hidden(found: re.Match[str]) -> str:
    name, colon, value = found.groups()
    return f'{name}{colon}"{HIDDEN}"' if value and _NAMED.search(name.strip('"')) else found[0]
