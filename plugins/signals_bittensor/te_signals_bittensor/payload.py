"""A whole payload: bytes in, validated network out. Runs in a thread.

The text is processed piece by piece, so that no step holds the interpreter for longer than one miner takes: parsing
hundreds of MB in one call would stall the event loop even from a thread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from te_signals_bittensor import scanner
from te_signals_bittensor.json_parsing import loads
from te_signals_bittensor.miner_cache import (
    CachedMiner,
    Spans,
    parse_changes,
    parse_whole,
    unchanged_length,
)
from te_signals_bittensor.network import Network
from te_signals_bittensor.scanner import ScanFailed
from te_signals_bittensor.unpacking import Text, UnusablePayload, unpacked

_MARGIN = 4096
"""Bytes to read beyond a miner's former end; mostly enough to find where it ends now."""


@dataclass(slots=True)
class PayloadReader:
    """Reads payloads one after the other, and parses only what changed."""

    parsed: int = 0
    """Positions that were parsed for the last payload."""
    _cache: dict[str, CachedMiner] = field(default_factory=dict)

    def read(self, *body: bytes) -> Network:
        """Read a body in pieces, gzipped or not. Raises ``UnusablePayload``, and then caches nothing of it."""
        self.parsed = 0
        try:
            cache = self._scan(Text(unpacked(body)))
        except (ScanFailed, ValueError, RecursionError):
            cache = self._whole(body)
        former, self._cache = self._cache, cache
        while former:  # one by one: freeing everything at once would stall the event loop
            former.popitem()
        left_out: Counter[str] = Counter()
        for entry in cache.values():
            for counts in (entry.left_out, entry.closed_left_out):
                if counts:
                    left_out.update(counts)
        return Network(
            miners=tuple(entry.miner for entry in cache.values() if entry.miner is not None),
            left_out=dict(left_out),
        )

    def _scan(self, text: Text) -> dict[str, CachedMiner]:
        """Walk through ``{"key": {…}, "key": {…}}`` and verify that there is nothing else between the miners."""
        cache: dict[str, CachedMiner] = {}
        text.reach(_MARGIN, drop=0)
        at, key = 0, scanner.FIRST.match(text.data)
        while key is not None:
            hotkey, mark, at = key[1].decode(), key[2], key.end() - 1
            key = None  # the match object keeps the buffer locked
            former = self._cache.get(hotkey) or CachedMiner()
            at = text.reach(at + former.size + _MARGIN, drop=at)
            entry, at = self._miner(text, hotkey, mark, at, former)
            cache[hotkey] = entry
            key = scanner.NEXT.match(text.data, at)
        if not cache or not scanner.LAST.match(text.data, at) or text.more():
            raise ScanFailed
        return cache

    def _miner(
        self, text: Text, hotkey: str, mark: bytes, begin: int, former: CachedMiner
    ) -> tuple[CachedMiner, int]:
        """Read the miner whose value begins there; return it and where its value ends."""
        start = scanner.list_start(text.data, begin)
        matched = start + unchanged_length(former, text.data, start)
        end = _value_end(text, mark, matched)
        entry = parse_changes(hotkey, text.data, Spans(begin, start, matched, end), former)
        if entry is None:
            entry = parse_whole(hotkey, loads(bytes(text.data[begin:end])), end - begin)
        self.parsed += entry.parsed
        return entry, end

    def _whole(self, body: tuple[bytes, ...]) -> dict[str, CachedMiner]:
        """Parse in one call what cannot be split at its hotkeys: a small payload, or one of an unexpected shape."""
        try:
            tree = loads(b"".join(unpacked(body)))
        except (ValueError, RecursionError) as error:
            raise UnusablePayload(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(tree, dict):
            raise UnusablePayload(f"an object of miners is expected, not {type(tree).__name__}")
        cache = {str(hotkey): parse_whole(str(hotkey), record, 0) for hotkey, record in tree.items()}
        self.parsed = sum(entry.parsed for entry in cache.values())
        return cache


def _value_end(text: Text, mark: bytes, start: int) -> int:
    """Return where the current miner's value ends: before the next key, or before the end of the text."""
    searched = start
    while (key := scanner.next_key(text.data, mark, searched, start)) < 0:
        searched = max(start, len(text.data) - scanner.LONGEST_KEY)
        if not text.more():
            return scanner.last_value_end(text.data)
    return scanner.value_end(text.data, key)
