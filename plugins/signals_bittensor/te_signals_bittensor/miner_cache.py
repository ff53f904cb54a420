"""What is cached of each miner's text, so that only what changed in it is parsed again.

Few objects are cached for each miner, because the garbage collector visits all of them while it holds the interpreter.

The list of positions begins with the closed ones, which are nearly all of the text and hardly ever change: one digest
shows that all of them are unchanged. If they are not, a digest of each shows which.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from xxhash import xxh3_64_intdigest as digest_of

from te_signals_bittensor import scanner
from te_signals_bittensor.json_parsing import loads
from te_signals_bittensor.network import EMPTY_PREFIX, ClosedPrefix, Miner, Position, Row
from te_signals_bittensor.record_parsing import Malformed, parse_miner, parse_position, parse_returns

_FEW = 4
_NEVER = 0
"""Replaces the digest of a position that has to be parsed every time: some of its orders were left out."""

_CLOSE_MS = Position._fields.index("close_ms")
_ORDERS = Position._fields.index("orders")
_MATH = slice(Position._fields.index("orders_net"), _ORDERS + 1)
_NO_ORDERS = b'"orders":[]'
_SIZED_OTHERWISE = re.compile(rb'"leverage"\s*:\s*null')
"""An order whose leverage follows from its value and the account's size, which is not in the text of the orders."""


@dataclass(slots=True, kw_only=True)
class CachedMiner:
    """One miner as it was parsed last. Digests are 64-bit numbers; ``bytes`` of them are arrays of type "Q"."""

    miner: Miner | None = None
    """None if it was malformed."""
    size: int = 0
    """Bytes of its text."""
    length: int = 0
    """Bytes of the text of its closed prefix."""
    digest: int = 0
    """Digest of the text of its closed prefix."""
    each: bytes = b""
    """A digest for every position of the closed prefix."""
    orders: bytes = b""
    """A digest of the orders of every other position."""
    rest: int | None = None
    """Digest of everything else; None if nothing can be reused."""
    closed_prefix: ClosedPrefix = EMPTY_PREFIX
    closed_left_out: Mapping[str, int] | None = None
    """Malformed records in the closed prefix, by kind."""
    left_out: Mapping[str, int] | None = None
    """Malformed records in the rest."""
    parsed: int = 0
    """Positions that were parsed for the last payload."""


class Spans(NamedTuple):
    """Offsets of a miner in the text."""

    begin: int
    start: int
    """Where its list of positions begins."""
    matched: int
    """Where the unchanged part of the list ends."""
    end: int


def unchanged_length(former: CachedMiner, data: bytearray, start: int) -> int:
    """Return the length of the closed prefix's text if it is unchanged, else 0."""
    if not former.length or _digest(data, start, start + former.length) != former.digest:
        return 0
    return former.length


def _digest(data: bytearray, begin: int, end: int) -> int:
    with memoryview(data) as view, view[begin:end] as part:
        return digest_of(part)


def parse_whole(hotkey: str, record: Any, size: int) -> CachedMiner:
    """Parse a miner from its whole JSON value."""
    left_out: Counter[str] = Counter()
    listed = record.get("positions") if isinstance(record, dict) else None
    parsed = len(listed) if isinstance(listed, list) else 0
    try:
        miner = parse_miner(hotkey, record, left_out)
    except Malformed:
        return CachedMiner(size=size, left_out={"miners": 1}, parsed=parsed)
    return CachedMiner(miner=miner, size=size, left_out=left_out or None, parsed=parsed)


def parse_changes(hotkey: str, data: bytearray, spans: Spans, former: CachedMiner) -> CachedMiner | None:
    """Parse what changed of a miner; None if its text has an unexpected shape."""
    begin, start, matched, end = spans
    head, tail = bytes(data[begin:start]), bytes(data[matched:end])
    if former.rest == digest_of(head + tail) and matched - start == former.length:
        former.parsed = 0
        return former
    try:
        positions, closing = scanner.position_spans(tail, first=matched == start)
        frame = loads(head + tail[closing:])
        if not isinstance(frame, dict) or frame.get("positions") != []:
            return None
        changes = _Changes(former, prefix_unchanged=matched > start, ahead=len(positions))
        for span in positions:
            changes.add(tail, span)
    except (scanner.ScanFailed, ValueError):
        return None
    cached = changes.result(hotkey, frame)
    cached.size = end - begin
    cached.rest = digest_of(head + tail[changes.reached :])
    if changes.reached:
        cached.length = matched - start + changes.reached
        cached.digest = _digest(data, start, start + cached.length)
    return cached


class _Changes:
    """Collects a miner's positions, one after the other, and reuses those that are cached.

    ``prefix_unchanged``: whether the former closed prefix precedes the first of them. ``ahead``: how many there are.
    """

    def __init__(self, former: CachedMiner, *, prefix_unchanged: bool, ahead: int) -> None:
        self.reached = 0
        """Where the closed prefix ends in the text that is parsed; 0 as long as the text adds nothing to it."""
        self._former = former
        self._prefix_unchanged = prefix_unchanged
        self._reusable = {} if prefix_unchanged else _reusable_rows(former)
        self._before = former.closed_prefix.rows if prefix_unchanged else ()
        self._seen = {row[0] for row in self._before} if ahead > _FEW else None
        self._closed: list[Row] = []
        self._each = array("Q")
        self._closed_left_out: Counter[str] | None = None
        self._open: list[Row] = []
        self._left_out: Counter[str] = Counter()
        self._parsed = 0
        self._reusable_math = _reusable_math(former)
        self._orders = array("Q")
        self._orders_digest = _NEVER

    def add(self, text: bytes, span: tuple[int, int]) -> None:
        """Parse or recognise one position. Raises ``ValueError`` if it is not JSON."""
        raw = text[span[0] : span[1]]
        digest = digest_of(raw)
        row = self._reusable.get(digest)
        self._orders_digest = _NEVER
        if row is None:
            row, digest = self._parse(raw, digest)
        if row is None:
            return
        if self._is_seen(row[0]):
            self._left_out["positions"] += 1
        elif self._open or row[_CLOSE_MS] is None:
            self._open.append(row)
            self._orders.append(self._orders_digest)
        else:
            self._extend_prefix(row, digest, span[1])

    def _is_seen(self, uuid: str) -> bool:
        if self._seen is None:  # a set costs more than a few comparisons
            return any(uuid in [row[0] for row in rows] for rows in (self._before, self._closed, self._open))
        if uuid in self._seen:
            return True
        self._seen.add(uuid)
        return False

    def _parse(self, raw: bytes, digest: int) -> tuple[Row | None, int]:
        self._parsed += 1
        begin, end = scanner.orders_span(raw)
        self._orders_digest = _NEVER
        if end and _SIZED_OTHERWISE.search(raw, begin, end) is None:
            self._orders_digest = digest_of(raw[begin:end])
        cached_math = self._reusable_math.get(self._orders_digest)
        entry = loads(raw if cached_math is None else raw[:begin] + _NO_ORDERS + raw[end:])
        malformed = self._left_out["orders"]
        try:
            row = tuple(parse_position(entry, self._left_out, cached_math))
        except Malformed:
            self._left_out["positions"] += 1
            return None, _NEVER
        if self._left_out["orders"] != malformed or not row[_ORDERS]:
            self._orders_digest = digest = _NEVER
        return row, digest

    def _extend_prefix(self, row: Row, digest: int, end: int) -> None:
        self._closed.append(row)
        self._each.append(digest)
        if self._left_out:
            self._closed_left_out = (self._closed_left_out or Counter()) + self._left_out
            self._left_out.clear()
        self.reached = end

    def result(self, hotkey: str, frame: Mapping[str, Any]) -> CachedMiner:
        """Return the miner with all positions that were added. ``frame`` is its JSON value without them."""
        cached = self._with_closed_prefix()
        cached.parsed = self._parsed
        cached.orders = self._orders.tobytes()
        try:
            recent, ever = parse_returns(frame)
        except Malformed:
            cached.closed_left_out, cached.left_out = None, {"miners": 1}
            return cached
        cached.left_out = self._left_out or None
        cached.miner = Miner(
            hotkey=hotkey,
            recent=recent,
            ever=ever,
            closed_prefix=cached.closed_prefix,
            rows=tuple(self._open),
        )
        return cached

    def _with_closed_prefix(self) -> CachedMiner:
        former = self._former
        if self._prefix_unchanged and not self._closed:
            return CachedMiner(
                length=former.length,
                digest=former.digest,
                each=former.each,
                closed_prefix=former.closed_prefix,
                closed_left_out=former.closed_left_out,
            )
        rows = (*self._before, *self._closed)
        left_out = Counter(former.closed_left_out if self._prefix_unchanged else None)
        left_out.update(self._closed_left_out)
        same = rows == former.closed_prefix.rows
        return CachedMiner(
            each=(former.each if self._prefix_unchanged else b"") + self._each.tobytes(),
            closed_prefix=former.closed_prefix if same else ClosedPrefix(rows=rows),
            closed_left_out=left_out or None,
        )


def _reusable_rows(former: CachedMiner) -> dict[int, Row]:
    """Return the positions of the closed prefix, by the digest of their text."""
    rows = dict(zip(array("Q", former.each), former.closed_prefix.rows, strict=True))
    rows.pop(_NEVER, None)
    return rows


def _reusable_math(former: CachedMiner) -> dict[int, Row]:
    """Return what the orders of the other positions amount to, by the digest of their text."""
    if former.miner is None or not former.orders:
        return {}
    math = {
        digest: row[_MATH] for digest, row in zip(array("Q", former.orders), former.miner.rows, strict=True)
    }
    math.pop(_NEVER, None)
    return math
