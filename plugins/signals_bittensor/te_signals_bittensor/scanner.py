"""Where miners and positions begin and end in a payload's text, found without parsing it. Pure.

A cut is only ever a guess: whoever uses it parses what lies between two cuts, and a wrong one does not parse.
"""

from __future__ import annotations

import re

_KEY = rb'"([1-9A-HJ-NP-Za-km-z]{46,48}(?:_\d{1,6})?)("\s*:\s*\{)'
"""An SS58 address as a key, also of a subaccount (``<address>_3``); elsewhere addresses stand as values only."""

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


class Uncut(Exception):
    """The text has no such shape."""


def list_start(data: bytearray, begin: int) -> int:
    """Give where the first position of the miner stands that begins there; its own begin where there is no list."""
    found = POSITIONS.search(data, begin, begin + LONGEST_HEAD)
    return found.end() if found is not None else begin


def next_key(data: bytearray, mark: bytes, start: int, begin: int) -> int:
    """Give where the next miner's key begins, -1 where none does.

    ``mark``: what stands between a key and an object's content, ``": {``. Objects as values are rare: few are found.
    ``start``: where to search from. ``begin``: where the present value does.
    """
    at = data.find(mark, start)
    while at >= 0:
        begin_of_key = data.rfind(b'"', max(begin, at - LONGEST_KEY), at)
        if begin_of_key >= 0 and _BARE_KEY.match(data, begin_of_key):
            return begin_of_key
        at = data.find(mark, at + 1)
    return -1


def value_end(data: bytearray, key: int) -> int:
    """Give where the value before the next key ends. Raises ``Uncut`` where no comma stands between."""
    comma = _back(data, key)
    if data[comma - 1 : comma] != b",":
        raise Uncut
    return _back(data, comma - 1)


def last_value_end(data: bytearray) -> int:
    """Give where the last value of the whole text ends. Raises ``Uncut`` where the text does not end in a brace."""
    brace = _back(data, len(data))
    if data[brace - 1 : brace] != b"}":
        raise Uncut
    return _back(data, brace - 1)


def _back(data: bytearray, end: int) -> int:
    while end > 0 and data[end - 1] in _BLANK:
        end -= 1
    return end


def positions(text: bytes, *, first: bool) -> tuple[list[tuple[int, int]], int]:
    """Cut what follows in a list of positions: begins and ends of the objects, and where the list's ``]`` stands.

    ``first``: whether nothing of the list stands before ``text``. Objects begin with the key that the first one
    begins with. Raises ``Uncut``.
    """
    start = _blanks(text, 0)
    if text[start : start + 1] == b"]":
        return [], start
    if not first:
        if text[start : start + 1] != b",":
            raise Uncut
        start = _blanks(text, start + 1)
    opening = _OPENING.match(text, start)
    if opening is None:
        raise Uncut
    begins = _all(text, opening[0], start)
    ends = [_object_end(text, begin) for begin in begins[1:]]
    end = text.rfind(b"}]", begins[-1]) + 1 or _last_closing(text, begins[-1])
    return list(zip(begins, [*ends, end], strict=True)), _blanks(text, end)


def _all(text: bytes, what: bytes, start: int) -> list[int]:
    places = []
    while start >= 0:
        places.append(start)
        start = text.find(what, start + 1)
    return places


def _object_end(text: bytes, following: int) -> int:
    end = following
    while text[end - 1] in _BLANK:
        end -= 1
    if text[end - 1] != ord(","):
        raise Uncut
    return end - 1


def _last_closing(text: bytes, start: int) -> int:
    end = max((match.start() + 1 for match in _CLOSING.finditer(text, start)), default=0)
    if not end:
        raise Uncut
    return end


def _blanks(text: bytes, start: int) -> int:
    while start < len(text) and text[start] in _BLANK:
        start += 1
    return start


def orders_of(position: bytes) -> tuple[int, int]:
    """Give where the list of orders of a position surely is: from its key to the last bracket before the pair's list.

    (0, 0) where that cannot be told. Between the two stand numbers and texts only, as far as upstream's shape is known;
    whatever else does belongs to what has to be the same.
    """
    start = position.find(b'"orders"')
    end = position.rfind(b"]", start, position.rfind(b'"trade_pair"')) + 1 if start >= 0 else 0
    return (start, end) if end else (0, 0)
