"""What is remembered of a miner's text, so that only what changed in it is parsed again.

Few objects are kept for each miner: the garbage collector looks at all of them with the interpreter held.

The list of positions begins with the closed ones, which are nearly all of the text and hardly ever change: one digest
tells that all of them stand there as before. Where they do not, a digest of each tells which.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_64_intdigest as digest_of

from te_signals_bittensor import cutting
from te_signals_bittensor.network import NOTHING_SETTLED, Miner, Position, Row, Settled
from te_signals_bittensor.parsing import loads
from te_signals_bittensor.reading import Malformed, read_miner, read_position, read_returns

_FEW = 4
_NEVER = 0
"""Stands for the digest of a position that has to be parsed again: some of its orders were left out."""

_CLOSE_MS = Position._fields.index("close_ms")
_ORDERS = Position._fields.index("orders")
_COURSE = slice(Position._fields.index("orders_net"), _ORDERS + 1)
_NO_ORDERS = b'"orders":[]'
_SIZED_OTHERWISE = re.compile(rb'"leverage"\s*:\s*null')
"""An order whose leverage follows from its value and the account's size, which is not in the text of the orders."""


@dataclass(slots=True, kw_only=True)
class Known:
    """One miner. ``size``: of its text, in bytes. ``length``, ``digest``: of the text of its settled positions.

    ``each``: a digest for every settled position, ``orders``: one of the orders of every other; both as 64-bit numbers.
    ``rest``: digest of all else; None where nothing may be reused. ``parsed``: positions that were parsed this time.
    """

    miner: Miner | None = None
    size: int = 0
    length: int = 0
    digest: int = 0
    each: bytes = b""
    orders: bytes = b""
    rest: int | None = None
    settled: Settled = NOTHING_SETTLED
    settled_left_out: Mapping[str, int] | None = None
    left_out: Mapping[str, int] | None = None
    parsed: int = 0


Places = tuple[int, int, int, int]
"""Where a miner's text begins, its list of positions does, what was matched of that ends, and the text ends."""


def unchanged(former: Known, data: bytearray, start: int) -> int:
    """Give the length of the settled positions' text where it stands as before, else 0."""
    if not former.length or _digest(data, start, start + former.length) != former.digest:
        return 0
    return former.length


def _digest(data: bytearray, begin: int, end: int) -> int:
    with memoryview(data) as view, view[begin:end] as part:
        return digest_of(part)


def known_of(hotkey: str, record: Any, size: int) -> Known:
    """Read a miner from its JSON value as a whole."""
    left_out: Counter[str] = Counter()
    listed = record.get("positions") if isinstance(record, dict) else None
    parsed = len(listed) if isinstance(listed, list) else 0
    try:
        miner = read_miner(hotkey, record, left_out)
    except Malformed:
        return Known(size=size, left_out={"miners": 1}, parsed=parsed)
    return Known(miner=miner, size=size, left_out=left_out or None, parsed=parsed)


def reread(hotkey: str, data: bytearray, places: Places, former: Known) -> Known | None:
    """Read what changed of a miner; None where its text has another shape than is known here."""
    begin, start, matched, end = places
    head, tail = bytes(data[begin:start]), bytes(data[matched:end])
    if former.rest == digest_of(head + tail) and matched - start == former.length:
        former.parsed = 0
        return former
    try:
        spans, closing = cutting.positions(tail, first=matched == start)
        frame = loads(head + tail[closing:])
        if not isinstance(frame, dict) or frame.get("positions") != []:
            return None
        reading = _Reading(former, kept=matched > start, ahead=len(spans))
        for span in spans:
            reading.take(tail, span)
    except (cutting.Uncut, ValueError):
        return None
    known = reading.known(hotkey, frame)
    known.size = end - begin
    known.rest = digest_of(head + tail[reading.reached :])
    if reading.reached:
        known.length = matched - start + reading.reached
        known.digest = _digest(data, start, start + known.length)
    return known


class _Reading:
    """Takes one position after the other. ``kept``: the former's settled positions are those before the first.

    ``reached``: where, in the text that is read, the settled positions end; 0 as long as it has none.
    """

    def __init__(self, former: Known, *, kept: bool, ahead: int) -> None:
        self.reached = 0
        self._former = former
        self._kept = kept
        self._known = {} if kept else _reusable(former)
        self._before = former.settled.rows if kept else ()
        self._seen = {row[0] for row in self._before} if ahead > _FEW else None
        self._settled: list[Row] = []
        self._each = array("Q")
        self._settled_left_out: Counter[str] | None = None
        self._open: list[Row] = []
        self._left_out: Counter[str] = Counter()
        self._parsed = 0
        self._courses = _courses(former)
        self._orders = array("Q")
        self._orders_digest = _NEVER

    def take(self, text: bytes, span: tuple[int, int]) -> None:
        """Use one position: parse it, or recognise it. Raises ``ValueError`` where that is no JSON."""
        raw = text[span[0] : span[1]]
        digest = digest_of(raw)
        row = self._known.get(digest)
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
            self._settle(row, digest, span[1])

    def _is_seen(self, uuid: str) -> bool:
        if self._seen is None:  # a set costs more than a few looks
            return any(uuid in [row[0] for row in rows] for rows in (self._before, self._settled, self._open))
        if uuid in self._seen:
            return True
        self._seen.add(uuid)
        return False

    def _parse(self, raw: bytes, digest: int) -> tuple[Row | None, int]:
        self._parsed += 1
        begin, end = cutting.orders_of(raw)
        self._orders_digest = _NEVER
        if end and _SIZED_OTHERWISE.search(raw, begin, end) is None:
            self._orders_digest = digest_of(raw[begin:end])
        course = self._courses.get(self._orders_digest)
        entry = loads(raw if course is None else raw[:begin] + _NO_ORDERS + raw[end:])
        malformed = self._left_out["orders"]
        try:
            row = tuple(read_position(entry, self._left_out, course))
        except Malformed:
            self._left_out["positions"] += 1
            return None, _NEVER
        if self._left_out["orders"] != malformed or not row[_ORDERS]:
            self._orders_digest = digest = _NEVER
        return row, digest

    def _settle(self, row: Row, digest: int, end: int) -> None:
        self._settled.append(row)
        self._each.append(digest)
        if self._left_out:
            self._settled_left_out = (self._settled_left_out or Counter()) + self._left_out
            self._left_out.clear()
        self.reached = end

    def known(self, hotkey: str, frame: Mapping[str, Any]) -> Known:
        """Give all that was read."""
        known = self._settled_ones()
        known.parsed = self._parsed
        known.orders = self._orders.tobytes()
        try:
            recent, ever = read_returns(frame)
        except Malformed:
            known.settled_left_out, known.left_out = None, {"miners": 1}
            return known
        known.left_out = self._left_out or None
        known.miner = Miner(
            hotkey=hotkey, recent=recent, ever=ever, settled=known.settled, rows=tuple(self._open)
        )
        return known

    def _settled_ones(self) -> Known:
        former = self._former
        if self._kept and not self._settled:
            return Known(
                length=former.length,
                digest=former.digest,
                each=former.each,
                settled=former.settled,
                settled_left_out=former.settled_left_out,
            )
        rows = (*self._before, *self._settled)
        left_out = Counter(former.settled_left_out if self._kept else None)
        left_out.update(self._settled_left_out)
        return Known(
            each=(former.each if self._kept else b"") + self._each.tobytes(),
            settled=former.settled if rows == former.settled.rows else Settled(rows=rows),
            settled_left_out=left_out or None,
        )


def _reusable(former: Known) -> dict[int, Row]:
    known = dict(zip(array("Q", former.each), former.settled.rows, strict=True))
    known.pop(_NEVER, None)
    return known


def _courses(former: Known) -> dict[int, Row]:
    """Give what the orders of the other positions amounted to, by the digest of their text."""
    if former.miner is None or not former.orders:
        return {}
    known = {
        digest: row[_COURSE] for digest, row in zip(array("Q", former.orders), former.miner.rows, strict=True)
    }
    known.pop(_NEVER, None)
    return known
