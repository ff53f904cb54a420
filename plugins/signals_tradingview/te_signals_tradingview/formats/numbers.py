"""Numbers as people and scripts write them, and other people's text quoted in messages."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from te_core.api import SignalRejected

_NUMBER = re.compile(r"[+-]?(?:\d{1,100}(?:\.\d{0,100})?|\.\d{1,100})(?:[eE][+-]?\d{1,2})?", re.ASCII)
_LONGEST_CACHED = 64
_LONGEST_QUOTED = 64


def to_number(text: str) -> Decimal | None:
    """Parse a finite decimal number (``-14.08``, ``.5``, ``1e-7``); None for anything else."""
    return _cached(text) if len(text) <= _LONGEST_CACHED else _parse(text)


def _parse(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


_cached = lru_cache(maxsize=512)(_parse)
"""Sizes, leverages and the last sequence recur in every alert."""


def number(text: str, field: str) -> Decimal:
    """Parse a finite decimal number. Raises ``SignalRejected`` naming the field."""
    value = to_number(text)
    if value is None:
        raise SignalRejected(
            f"{quoted(text)} is not a number", field=field, hint="write it like 12.5, without units"
        )
    return value


def quoted(text: str) -> str:
    """Return somebody's text quoted for a message: on one line, shortened if it is long."""
    shown = text if len(text) <= _LONGEST_QUOTED else text[: _LONGEST_QUOTED - 1] + "…"
    return (
        '"'
        + "".join(char if char.isprintable() and char not in '"\\' else _escaped(char) for char in shown)
        + '"'
    )


def _escaped(char: str) -> str:
    return (
        "\\" + char
        if char in '"\\'
        else f"\\u{ord(char):04x}"
        if ord(char) < 0x10000
        else f"\\U{ord(char):08x}"
    )
