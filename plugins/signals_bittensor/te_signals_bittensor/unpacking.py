"""From the bytes of a response to text, piece by piece: a payload is hundreds of MB, and never held as a whole."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from types import ModuleType


def _fastest() -> ModuleType:
    try:
        from isal import isal_zlib
    except ImportError:  # not built for this machine
        return zlib
    return isal_zlib


inflaters: ModuleType = _fastest()
"""The decompression module. ISA-L takes a third of zlib's time, which is most of what a payload costs."""

LARGEST = 4 << 30
"""Bytes of text; a larger payload is refused."""

_PIECE = 1 << 16
_TEXT = 1 << 20
_GZIP = 31
_MAGIC = b"\x1f\x8b"


class UnusablePayload(Exception):
    """A payload that cannot be used at all."""


def unpacked(body: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the text of a body, gzipped or not, in pieces of at most 1 MiB. Raises ``UnusablePayload``."""
    packed = b"".join(body[:2])[:2] == _MAGIC
    total = 0
    for text in _inflated(_small(body)) if packed else _small(body):
        total += len(text)
        if total > LARGEST:
            raise UnusablePayload(f"it is larger than {LARGEST >> 30} GiB when unpacked")
        yield text


def _small(body: Iterable[bytes]) -> Iterator[bytes]:
    for part in body:
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE]


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    inflater = inflaters.decompressobj(wbits=_GZIP)
    try:
        for piece in pieces:
            yield inflater.decompress(piece, _TEXT)
            while inflater.unconsumed_tail:
                yield inflater.decompress(inflater.unconsumed_tail, _TEXT)
    except (zlib.error, inflaters.error) as error:
        raise UnusablePayload(f"{type(error).__name__}: {error}"[:200]) from None
    if not inflater.eof:
        raise UnusablePayload("the compressed body is truncated")


class Text:
    """A window of the text: ``data`` grows at its end on request, and is dropped from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.data = bytearray()
        self._pieces = pieces

    def more(self) -> bool:
        """Append a piece; False at the end of the text."""
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self.data += piece
        return True

    def reach(self, end: int, *, drop: int) -> int:
        """Append pieces until ``data`` has ``end`` bytes or the text ends.

        The first ``drop`` bytes may be dropped; returns the new offset of the byte after them.
        """
        if len(self.data) >= end:
            return drop
        del self.data[:drop]
        while len(self.data) < end - drop and self.more():
            pass
        return 0
