"""Tracebacks in a few lines: the frames of one's own code, and what was raised."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_BEGIN = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<where>.+))?')
_MARKS = re.compile(r"\s*[~^]+\s*")


class Shortener:
    """Accepts lines as they come and returns what is shown: everything but tracebacks as it is.

    ``own``: the folder whose frames are shown. Where none is in it, the last frame is.
    """

    def __init__(self, own: Path) -> None:
        self._own = own
        self._block: list[str] | None = None
        self._indent = 0

    def feed(self, line: str) -> Sequence[str]:
        """Accept the next line."""
        if self._block is None:
            if line.strip() == _BEGIN:
                self._block, self._indent = [], _indent_of(line)
                return ()
            return (line,)
        self._block.append(line)
        if line.strip() and _indent_of(line) <= self._indent and not _FRAME.fullmatch(line):
            return self.end()  # what was raised stands under the word "Traceback"
        return ()

    def end(self) -> Sequence[str]:
        """Return what is left when there are no more lines."""
        block, self._block = self._block, None
        return () if block is None else list(shortened(block, self._own))


def shorten(text: str, own: Path) -> list[str]:
    """Shorten a whole text."""
    shortener = Shortener(own)
    shown = [line for part in text.splitlines() for line in shortener.feed(part)]
    return [line for line in (*shown, *shortener.end()) if line.strip()]


def shortened(block: Sequence[str], own: Path) -> Iterator[str]:
    """Shorten the lines below the word "Traceback"."""
    frames: list[tuple[Path, str]] = []
    rest: list[str] = []
    for line in block:
        if found := _FRAME.fullmatch(line):
            where = f" in {found['where']}" if found["where"] else ""
            frames.append((Path(found["file"]), f"{found['line']}{where}"))
            rest.clear()
        elif not frames or not _MARKS.fullmatch(line):
            rest.append(line)
    code = rest[:-1] if frames else rest
    ours = [(path, place) for path, place in frames if path.is_relative_to(own)] or frames[-1:]
    for path, place in ours:
        shown = path.relative_to(own) if path.is_relative_to(own) else path
        yield f"  {shown}:{place}"
    if ours and ours[-1] == frames[-1]:
        yield from (f"      {line.strip()}" for line in code[:1])
    yield from (f"  {line.strip()}" for line in rest[-1:])


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip())
