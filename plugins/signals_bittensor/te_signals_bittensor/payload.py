"""A whole payload: bytes in, validated network out. Runs in a thread.

The body is unpacked piece by piece and cut at the hotkeys, so that no step keeps the interpreter for longer than one
miner takes (a single parse of hundreds of MB would hold up the event loop even from a thread), and a miner whose
bytes did not change is not parsed again.
"""

from __future__ import annotations

import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from te_signals_bittensor.network import Miner, Network, Position
from te_signals_bittensor.reading import Malformed, read_miner

HOTKEY = re.compile(rb'"([1-9A-HJ-NP-Za-km-z]{46,48}(?:_\d{1,6})?)"\s*:\s*\{')
"""An SS58 address as a key, also of a subaccount (``<address>_3``); elsewhere addresses stand as values only."""

_LONGEST_KEY = 60
_PIECE = 1 << 16
_BUFFER = 1 << 20
LARGEST = 4 << 30


class UnusablePayload(Exception):
    """A payload that is wrong as a whole."""


def _fast_loads() -> Callable[[bytes], Any]:
    try:
        import orjson  # late and optional: several times faster where it is installed
    except ImportError:
        return json.loads
    return orjson.loads


def loads(raw: bytes) -> Any:
    """Parse JSON; Python's own parser is asked where the fast one refuses (``NaN``)."""
    try:
        return _fast_loads()(raw)
    except ValueError:
        return json.loads(raw)


@dataclass(slots=True)
class _Known:
    digest: bytes
    miner: Miner | None
    left_out: Counter[str]


@dataclass(slots=True)
class PayloadReader:
    """Reads one payload after the other and remembers what did not change. ``parsed``: miners parsed by the last."""

    parsed: int = 0
    _known: dict[str, _Known] = field(default_factory=dict)

    def read(self, body: bytes) -> Network:
        """Read a body, gzipped or not. Raises ``UnusablePayload``; then nothing is remembered of it."""
        known: dict[str, _Known] = {}
        self.parsed = 0
        try:
            for hotkey, raw in _miners(_unpacked(body)):
                known[hotkey] = self._one(hotkey, raw)
        except (_Unsplittable, ValueError):
            known = self._whole(body)
        except (zlib.error, RecursionError) as error:
            raise UnusablePayload(f"{type(error).__name__}: {error}"[:200]) from None
        former, self._known = self._known, known
        while former:  # one by one: to free everything at once would hold up the event loop
            former.popitem()
        left_out: Counter[str] = Counter()
        for entry in known.values():
            left_out.update(entry.left_out)
        return Network(
            miners=tuple(entry.miner for entry in known.values() if entry.miner is not None),
            left_out=dict(left_out),
        )

    def _one(self, hotkey: str, raw: bytes) -> _Known:
        digest = blake2b(raw, digest_size=16).digest()
        before = self._known.get(hotkey)
        if before is not None and before.digest == digest:
            return before
        self.parsed += 1
        return self._read(hotkey, loads(raw), digest)

    def _read(self, hotkey: str, record: Any, digest: bytes) -> _Known:
        left_out: Counter[str] = Counter()
        try:
            miner = read_miner(hotkey, record, left_out, self._closed(hotkey))
        except Malformed:
            return _Known(digest, None, Counter(miners=1))
        return _Known(digest, miner, left_out)

    def _closed(self, hotkey: str) -> Mapping[str, Position]:
        known = self._known.get(hotkey)
        if known is None or known.miner is None or known.left_out:
            return {}
        return {position.id: position for position in known.miner.positions if position.closed}

    def _whole(self, body: bytes) -> dict[str, _Known]:
        """Parse in one go what cannot be cut at its hotkeys: small, or of a shape that is not known."""
        try:
            tree = loads(b"".join(_unpacked(body)))
        except (ValueError, zlib.error, RecursionError) as error:
            raise UnusablePayload(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(tree, dict):
            raise UnusablePayload(f"an object of miners is expected, not {type(tree).__name__}")
        return {str(hotkey): self._read(str(hotkey), record, b"") for hotkey, record in tree.items()}


class _Unsplittable(Exception):
    """The body is not a plain object of hotkeys."""


def _unpacked(body: bytes) -> Iterator[bytes]:
    if body[:2] != b"\x1f\x8b":
        for start in range(0, len(body), _BUFFER):
            yield body[start : start + _BUFFER]
        return
    unpack = zlib.decompressobj(wbits=31)
    total = 0
    for start in range(0, len(body), _PIECE):
        piece = unpack.decompress(body[start : start + _PIECE])
        total += len(piece)
        if total > LARGEST:
            raise UnusablePayload(f"unpacked it is larger than {LARGEST >> 30} GiB")
        if piece:
            yield piece
    if not unpack.eof:
        raise UnusablePayload("the compressed body is cut off")


def _miners(pieces: Iterator[bytes]) -> Iterator[tuple[str, bytes]]:
    """Cut ``{"key": {…}, "key": {…}}`` at its keys, and check that nothing else stands between."""
    buffer = bytearray()
    hotkey: str | None = None
    last = False
    while not last:
        piece = next(pieces, None)
        last = piece is None
        buffer += piece or b""
        if len(buffer) < _BUFFER and not last:
            continue
        begin = 0  # of the present miner's value
        for found, start, end in _keys(buffer):
            if hotkey is None:
                if buffer[:start].strip() != b"{":
                    raise _Unsplittable
            else:
                yield hotkey, _value(bytes(buffer[begin:start]), b",")
            hotkey, begin = found, end
        if hotkey is None:
            raise _Unsplittable
        del buffer[:begin]
    yield hotkey or "", _value(bytes(buffer), b"}")


def _keys(buffer: bytearray) -> Iterator[tuple[str, int, int]]:
    """Give every hotkey with where its key begins and its value does. Objects as values are rare: find those first."""
    for mark in (b'": {', b'":{'):
        at = buffer.find(mark)
        while at >= 0:
            begin = buffer.rfind(b'"', max(0, at - _LONGEST_KEY), at)
            match = HOTKEY.match(buffer, begin) if begin >= 0 else None
            if match is not None:
                yield match[1].decode(), begin, match.end() - 1
            at = buffer.find(mark, at + 1)


def _value(raw: bytes, end: bytes) -> bytes:
    stripped = raw.rstrip()
    if not stripped.endswith(end):
        raise _Unsplittable
    return stripped[:-1]
