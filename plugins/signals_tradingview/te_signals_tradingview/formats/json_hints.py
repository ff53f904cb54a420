"""What to change in a body that is not valid JSON, by the mistakes that people make."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain

_CLOSING = ("}", "]")
_SMART = frozenset("\u201c\u201d\u201e\u201f\u2018\u2019\u00ab\u00bb\u2033")
_TRAILING = re.compile(r",\s*[}\]]")
_PYTHON = re.compile(r"'|(?:None|True|False)\b")
_FORM = re.compile(r"[\w.%+\[\]-]{1,200}=[^\s{}]*")


def hint_for(text: str, error: json.JSONDecodeError) -> str:
    """Return what to change in a text that failed to decode with this error."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    return next(chain(_not_json_at_all(text.strip()), _slips(before, after, error.msg), _rest(text, after)))


def _not_json_at_all(text: str) -> Iterator[str]:
    if not text:
        yield "the message is empty: paste the one that te tradingview template prints"
    elif _FORM.fullmatch(text):
        yield "this is a form: send the JSON itself as the body; with curl: -d '{…}', without --data-urlencode"
    elif not text.startswith(("{", "[", '"')):
        yield (
            "this is plain text, as of an alert without a message of yours: paste the one that te tradingview"
            " template prints"
        )


def _slips(before: str, after: str, message: str) -> Iterator[str]:
    """Name a single wrong character. ``message`` is the decoder's, about the place between ``before`` and ``after``."""
    if message.startswith("Invalid control character"):
        yield "a line break inside a text: write it as \\n, or leave it out of the comment"
    elif after[:1] in _SMART or before[-1:] in _SMART:
        yield "curly quotes: replace them with straight ones; a word processor or a chat made them"
    elif _TRAILING.match(after) or (after[:1] in _CLOSING and before.endswith(",")):
        yield "a comma too many before the closing bracket: remove it"
    elif message.startswith("Expecting ',' delimiter") and after.startswith('"'):
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
    yield "every text needs straight double quotes, also around placeholders that may be empty or NaN"
