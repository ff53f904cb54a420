"""A whole payload: bytes in, validated network out. Runs in a thread.

Text is looked at piece by piece, so that no step keeps the interpreter for longer than one miner takes: one parse of
hundreds of MB would hold up the event loop even from a thread.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from te_signals_bittensor import cutting
from te_signals_bittensor.cutting import Uncut
from te_signals_bittensor.known import Known, known_of, reread, unchanged
from te_signals_bittensor.network import Network
from te_signals_bittensor.parsing import loads
from te_signals_bittensor.unpacking import Text, UnusablePayload, unpacked

_ROOM = 4096
"""Bytes beyond a miner's former end that are surely enough to see where it ends now, mostly."""


@dataclass(slots=True)
class PayloadReader:
    """Reads one payload after the other, and of each only what changed.

    ``parsed``: positions that were parsed for the last one.
    """

    parsed: int = 0
    _known: dict[str, Known] = field(default_factory=dict)

    def read(self, *body: bytes) -> Network:
        """Read a body, gzipped or not, that came in pieces. Raises ``UnusablePayload``: nothing is kept of it then."""
        self.parsed = 0
        try:
            known = self._miners(Text(unpacked(body)))
        except (Uncut, ValueError, RecursionError):
            known = self._whole(body)
        former, self._known = self._known, known
        while former:  # one by one: to free everything at once would hold up the event loop
            former.popitem()
        left_out: Counter[str] = Counter()
        for entry in known.values():
            for counts in (entry.left_out, entry.settled_left_out):
                if counts:
                    left_out.update(counts)
        return Network(
            miners=tuple(entry.miner for entry in known.values() if entry.miner is not None),
            left_out=dict(left_out),
        )

    def _miners(self, text: Text) -> dict[str, Known]:
        """Walk through ``{"key": {…}, "key": {…}}`` and check that nothing else stands between."""
        known: dict[str, Known] = {}
        text.reach(_ROOM, drop=0)
        at, key = 0, cutting.FIRST.match(text.data)
        while key is not None:
            hotkey, mark, at = key[1].decode(), key[2], key.end() - 1
            key = None  # it holds the buffer
            former = self._known.get(hotkey) or Known()
            at = text.reach(at + former.size + _ROOM, drop=at)
            entry, at = self._miner(text, hotkey, mark, at, former)
            known[hotkey] = entry
            key = cutting.NEXT.match(text.data, at)
        if not known or not cutting.LAST.match(text.data, at) or text.more():
            raise Uncut
        return known

    def _miner(self, text: Text, hotkey: str, mark: bytes, begin: int, former: Known) -> tuple[Known, int]:
        """Read the miner whose value begins there; give where it ends, too."""
        start = cutting.list_start(text.data, begin)
        settled = unchanged(former, text.data, start)
        end = _value_end(text, mark, start + settled)
        entry = reread(hotkey, text.data, (begin, start, start + settled, end), former)
        if entry is None:
            entry = known_of(hotkey, loads(bytes(text.data[begin:end])), end - begin)
        self.parsed += entry.parsed
        return entry, end

    def _whole(self, body: tuple[bytes, ...]) -> dict[str, Known]:
        """Parse in one go what cannot be cut at its hotkeys: small, or of a shape that is not known."""
        try:
            tree = loads(b"".join(unpacked(body)))
        except (ValueError, RecursionError) as error:
            raise UnusablePayload(f"{type(error).__name__}: {error}"[:200]) from None
        if not isinstance(tree, dict):
            raise UnusablePayload(f"an object of miners is expected, not {type(tree).__name__}")
        known = {str(hotkey): known_of(str(hotkey), record, 0) for hotkey, record in tree.items()}
        self.parsed = sum(entry.parsed for entry in known.values())
        return known


def _value_end(text: Text, mark: bytes, start: int) -> int:
    """Give where the present miner's value ends: before the next key, or before the end of the whole."""
    searched = start
    while (key := cutting.next_key(text.data, mark, searched, start)) < 0:
        searched = max(start, len(text.data) - cutting.LONGEST_KEY)
        if not text.more():
            return cutting.last_value_end(text.data)
    return cutting.value_end(text.data, key)
