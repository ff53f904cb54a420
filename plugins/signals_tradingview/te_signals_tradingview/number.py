"""Numbers as people and scripts write them."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from te_core.api import SignalRejected

_NUMBER = re.compile(r"[+-]?(?:\d{1,100}(?:\.\d{0,100})?|\.\d{1,100})(?:[eE][+-]?\d{1,2})?", re.ASCII)


_SHORT = 64


def to_number(text: str) -> Decimal | None:
    """Read a finite decimal number (``-14.08``, ``.5``, ``1e-7``); None for anything else."""
    return _known(text) if len(text) <= _SHORT else _read(text)


def _read(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


_known = lru_cache(maxsize=512)(_read)
"""Sizes, leverages and the last sequence come again and again."""


def number(text: str, field: str) -> Decimal:
    """Read a finite decimal number. Raises ``SignalRejected`` naming the field."""
    value = to_number(text)
    if value is None:
        raise SignalRejected(
            f"{quoted(text)} is not a number", field=field, hint="write it like 12.5, without units"
        )
    return value


def quoted(text: str) -> str:
    """Show somebody's text in a message: on one line, and not all of it if it is long."""
    shown = text if len(text) <= 64 else text[:63] + "…"
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
