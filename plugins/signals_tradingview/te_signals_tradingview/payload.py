"""From the text of a request to a JSON object.

TradingView sends ``text/plain`` as soon as it finds the message no valid JSON, so the Content-Type says nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

from te_core.api import SignalRejected

Payload = dict[str, Any]
"""Values are text (numbers keep the digits that were written), bool, None, lists and objects of these."""

DEEPEST = 8
_LONGEST_NAME = 64
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""Lone surrogates have no UTF-8, and not every database keeps a NUL."""

_EXPECTED = 'send one object, such as {"symbol": "BTCUSDT", "direction": "long", "size": "10/100"}'


class MalformedBody(SignalRejected):
    """The body is no JSON object that can be kept."""


class _NonFinite(str):
    """``NaN`` or ``Infinity`` standing where JSON wants a number."""

    __slots__ = ()


class _Ambiguous(dict[str, Any]):
    """An object in which a key stands twice."""

    twice: str


def decode(text: str) -> Payload:
    """Read a JSON object, not looking into it. Raises ``MalformedBody``."""
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        reason = f"no valid JSON: {error.msg.removesuffix(' at')} at character {error.pos}"
        raise MalformedBody(reason, field="body", hint=_hint(text, error)) from None
    except RecursionError:
        raise _too_deep("body") from None
    if not isinstance(value, dict):
        raise MalformedBody("a JSON object is expected", field="body", hint=_EXPECTED)
    return value


def parse(text: str) -> Payload:
    """Read a JSON object that can be kept.

    Raises ``MalformedBody`` naming the field that is no JSON number, stands there twice, is nested too deeply or
    cannot be stored.
    """
    payload = decode(text)
    _refuse_ambiguous(payload)
    for field, value in payload.items():
        if type(value) is not str:
            _check(value, field, 2)
    if "\\u" in text:
        _check_storable(payload, "body")
    return payload


def _check(value: Any, field: str, depth: int) -> None:
    if isinstance(value, _NonFinite):
        raise MalformedBody(f"{value!s} is not a number", field=_shown(field))
    if not isinstance(value, dict | list):
        return
    if depth > DEEPEST:
        raise _too_deep(_shown(field))
    _refuse_ambiguous(value)
    for inner in value.values() if isinstance(value, dict) else value:
        _check(inner, field, depth + 1)


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
        raise MalformedBody("stands in the message twice", field=_shown(value.twice))


def _object(pairs: list[tuple[str, Any]]) -> Payload:
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


def _hint(text: str, error: json.JSONDecodeError) -> str:
    """Return what to change, by what people send instead of JSON."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    return next(chain(_other_kinds(text.strip()), _slips(before, after, error.msg), _rest(text, after)))


def _other_kinds(text: str) -> Iterator[str]:
    if not text:
        yield "the message is empty: paste the one that te tradingview template prints"
    elif _FORM.fullmatch(text):
        yield "this is a form: send the JSON itself as the body; with curl: -d '{…}', without --data-urlencode"
    elif not text.startswith(("{", "[", '"')):
        yield (
            "this is plain text, as of an alert without a message of yours: paste the one that te tradingview"
            " template prints"
        )


def _slips(before: str, after: str, found: str) -> Iterator[str]:
    """Name a single wrong character. ``found``: what the decoder says of the place between the two."""
    if found.startswith("Invalid control character"):
        yield "a line break inside a text: write it as \\n, or leave it out of the comment"
    elif after[:1] in _SMART or before[-1:] in _SMART:
        yield "curly quotes: replace them with straight ones; a word processor or a chat made them"
    elif _TRAILING.match(after) or (after[:1] in _CLOSING and before.endswith(",")):
        yield "a comma too many before the closing bracket: remove it"
    elif found.startswith("Expecting ',' delimiter") and after.startswith('"'):
        yield "a comma is missing between two fields"


def _rest(text: str, after: str) -> Iterator[str]:
    if "{{" in text:
        yield "a placeholder was not filled in: check its spelling, and that the alert is a strategy's"
    if _PYTHON.match(after):
        yield "this is a Python dict: send json.dumps(…) of it, with double quotes, true, false and null"
    if not after or text.count('"') % 2:
        yield "the message ends too early: is the closing quote or bracket there?"
    if after[0].isalpha() and text.count('"') > text.count(":") * 2:
        yield 'a double quote inside a text: leave it out, or write it as \\"'
    yield "every text needs straight double quotes, also round placeholders that may be empty or NaN"


_CLOSING = ("}", "]")
_SMART = frozenset("\u201c\u201d\u201e\u201f\u2018\u2019\u00ab\u00bb\u2033")
_TRAILING = re.compile(r",\s*[}\]]")
_PYTHON = re.compile(r"'|(?:None|True|False)\b")
_FORM = re.compile(r"[\w.%+\[\]-]{1,200}=[^\s{}]*")
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_NonFinite
)
