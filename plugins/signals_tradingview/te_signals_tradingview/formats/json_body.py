"""From the text of a body to a JSON object.

TradingView sends ``text/plain`` as soon as a message is not valid JSON, so the Content-Type is ignored.
"""

from __future__ import annotations

import json
import re
from typing import Any

from te_signals_tradingview.auth import tokens
from te_signals_tradingview.formats.body_text import MalformedBody, decode_text
from te_signals_tradingview.formats.json_hints import hint_for

JsonObject = dict[str, Any]
"""Values are text (numbers keep the digits as written), bool, None, and lists and objects of these."""

DEEPEST = 8
"""Levels of nesting that are accepted."""

_LONGEST_NAME = 64
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Lone surrogates have no UTF-8 encoding, and not every database stores a NUL."""

_EXPECTED = 'send one object, such as {"symbol": "BTCUSDT", "direction": "long", "size": "10/100"}'


class _NonFinite(str):
    """``NaN`` or ``Infinity`` where JSON requires a number."""

    __slots__ = ()


class _Ambiguous(dict[str, Any]):
    """An object with a duplicate key."""

    twice: str


def token_in(body: bytes) -> str:
    """Return the token in a body; empty, which no token is, without one."""
    try:
        text = decode_text(body)
    except MalformedBody:
        return ""
    try:
        token = _decode(text).get(tokens.FIELD)
    except MalformedBody:
        return tokens.in_text(text)
    return token if isinstance(token, str) else ""


def parse(text: str) -> JsonObject:
    """Parse a JSON object that can be persisted.

    Raises ``MalformedBody`` naming the field that is not a JSON number, has a duplicate, is nested too deeply or
    cannot be stored.
    """
    value = _decode(text)
    _refuse_ambiguous(value)
    for field, inner in value.items():
        if type(inner) is not str:
            _check(inner, field, 2)
    if "\\u" in text:
        _check_storable(value, "body")
    return value


def _decode(text: str) -> JsonObject:
    """Decode a JSON object without checking what is in it. Raises ``MalformedBody``."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"invalid JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
        raise MalformedBody(reason, field="body", hint=hint_for(text, error)) from None
    except RecursionError:
        raise _too_deep("body") from None
    if not isinstance(value, dict):
        raise MalformedBody("a JSON object is expected", field="body", hint=_EXPECTED)
    return value


def _check(value: Any, field: str, level: int) -> None:
    if isinstance(value, _NonFinite):
        raise MalformedBody(f"{value!s} is not a number", field=_shown(field))
    if not isinstance(value, dict | list):
        return
    if level > DEEPEST:
        raise _too_deep(_shown(field))
    _refuse_ambiguous(value)
    for inner in value.values() if isinstance(value, dict) else value:
        _check(inner, field, level + 1)


def _check_storable(value: Any, field: str) -> None:
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise MalformedBody("contains a NUL or half of a surrogate pair", field=_shown(field))
    elif isinstance(value, list):
        for inner in value:
            _check_storable(inner, field)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_storable(key, key)
            _check_storable(inner, key)


def _refuse_ambiguous(value: object) -> None:
    if isinstance(value, _Ambiguous):
        raise MalformedBody("appears in the message twice", field=_shown(value.twice))


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    ambiguous = _Ambiguous(value)
    seen: set[str] = set()
    ambiguous.twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    return ambiguous


def _too_deep(field: str) -> MalformedBody:
    return MalformedBody(f"is nested more than {DEEPEST} levels deep", field=field)


def _shown(field: str) -> str:
    return _UNSTORABLE.sub("\ufffd", field[:_LONGEST_NAME])


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_NonFinite
)
