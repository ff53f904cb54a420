"""Work that may be left after each step: a generator that yields nothing and returns what it made."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]


def at_once(steps: Steps[T]) -> T:
    """Return what the work makes, without leaving it."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: T = end.value
            return made
