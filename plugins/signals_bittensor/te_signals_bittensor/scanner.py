"""Finds where miners and positions begin and end in a payload's text, without parsing it. Pure.

A boundary is only a guess: the caller parses the text between two of them, and with a wrong one it does not parse.
"""

from __future__ import annotations

import re

_KEY = rb'"([1-9A-HJ-NP-Za-km-z]{46,48}(?:_\d{1,6})?)("\s*:\s*\{)'
"""An SS58 address as a key, also of a subaccount (``<address>_3``). Elsewhere addresses are values only."""

FIRST = re.compile(rb"\s*\{\s*" + _KEY)
NEXT = re.compile(rb"\s*,\s*" + _KEY)
LAST = re.compile(rb"\s*\}\s*\Z")
POSITIONS = re.compile(rb'"positions"\s*:\s*\[\s*')

_BARE_KEY = re.compile(_KEY)
_OPENING = re.compile(rb'\{\s*"[^"\\]*"\s*:')
_CLOSING = re.compile(rb"\}\s*\]")
_BLANK = b" \t\r\n"
LONGEST_KEY = 60
LONGEST_HEAD = 2048


class ScanFailed(Exception):
    """The text has another shape."""


def list_start(data: bytearray, begin: int) -> int:
    """Return where the first position of the miner at ``begin`` starts; ``begin`` itself if it has no list."""
    found = POSITIONS.search(data, begin, begin + LONGEST_HEAD)
    return found.end() if found is not None else begin


def next_key(data: bytearray, mark: bytes, start: int, begin: int) -> int:
    """Return where the next miner's key begins; -1 if there is none.

    ``mark`` is the text between a key and an object's content, ``": {``; objects are rare as values, so few are found.
    ``start`` is where to search from, ``begin`` where the current value begins.
    """
    at = data.find(mark, start)
    while at >= 0:
        begin_of_key = data.rfind(b'"', max(begin, at - LONGEST_KEY), at)
        if begin_of_key >= 0 and _BARE_KEY.match(data, begin_of_key):
            return begin_of_key
        at = data.find(mark, at + 1)
    return -1


def value_end(data: bytearray, key: int) -> int:
    """Return where the value before the next key ends. Raises ``ScanFailed`` without a comma between the two."""
    comma = _back(data, key)
    if data[comma - 1 : comma] != b",":
        raise ScanFailed
    return _back(data, comma - 1)


def last_value_end(data: bytearray) -> int:
    """Return where the last value of the whole text ends. Raises ``ScanFailed`` if the text does not end in a brace."""
    brace = _back(data, len(data))
    if data[brace - 1 : brace] != b"}":
        raise ScanFailed
    return _back(data, brace - 1)


def _back(data: bytearray, end: int) -> int:
    while end > 0 and data[end - 1] in _BLANK:
        end -= 1
    return end


def position_spans(text: bytes, *, first: bool) -> tuple[list[tuple[int, int]], int]:
    """Return the spans of the objects in the rest of a list of positions, and where the list's ``]`` is.

    ``first``: whether ``text`` is the beginning of the list. Every object begins with the same key as the first one.
    Raises ``ScanFailed``.
    """
    start = _blanks(text, 0)
    if text[start : start + 1] == b"]":
        return [], start
    if not first:
        if text[start : start + 1] != b",":
            raise ScanFailed
        start = _blanks(text, start + 1)
    opening = _OPENING.match(text, start)
    if opening is None:
        raise ScanFailed
    begins = _all(text, opening[0], start)
    ends = [_object_end(text, begin) for begin in begins[1:]]
    end = text.rfind(b"}]", begins[-1]) + 1 or _last_closing(text, begins[-1])
    return list(zip(begins, [*ends, end], strict=True)), _blanks(text, end)


def _all(text: bytes, pattern: bytes, start: int) -> list[int]:
    found = []
    while start >= 0:
        found.append(start)
        start = text.find(pattern, start + 1)
    return found


def _object_end(text: bytes, following: int) -> int:
    end = following
    while text[end - 1] in _BLANK:
        end -= 1
    if text[end - 1] != ord(","):
        raise ScanFailed
    return end - 1


def _last_closing(text: bytes, start: int) -> int:
    end = max((match.start() + 1 for match in _CLOSING.finditer(text, start)), default=0)
    if not end:
        raise ScanFailed
    return end


def _blanks(text: bytes, start: int) -> int:
    while start < len(text) and text[start] in _BLANK:
        start += 1
    return start


def orders_span(position: bytes) -> tuple[int, int]:
    """Return the span that contains a position's list of orders: from its key to the last bracket before the pair.

    (0, 0) if it cannot be found. In upstream's format only numbers and texts are between the two; anything else there
    becomes part of the span, and so of its digest.
    """
    start = position.find(b'"orders"')
    end = position.rfind(b"]", start, position.rfind(b'"trade_pair"')) + 1 if start >= 0 else 0
    return (start, end) if end else (0, 0)
