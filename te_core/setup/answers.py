"""Answers to `te init` as values, and the rules for its suggestions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any

SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
STEP = Decimal("0.01")
LARGEST_SUGGESTED = Decimal("0.30")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One section below ``[sources]`` or ``[accounts]``, named like its plugin."""

    name: str
    summary: str = ""
    """The plugin's summary, written as a comment."""
    options: Mapping[str, Any] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Options that belong in ``.secrets.toml``."""
    missing: Sequence[str] = ()
    """Required options that were skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource(Instance):
    """A source's section."""

    spellings: Mapping[str, str]
    """The source's spelling -> the engine's symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """All answers."""

    sources: Sequence[NewSource]
    accounts: Sequence[Instance]
    symbols: Sequence[str]
    leverage: int
    weight: Decimal
    """Share of an account that each source may steer per symbol, 0 … 1."""


def words(text: str) -> list[str]:
    """Return the names in an answer, separated by commas or spaces, without duplicates."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


def suggested_weight(*, symbols: int, sources: int) -> Decimal:
    """Return a weight that leaves a tenth of the account free if every source is at full depth on every symbol.

    Never more than 0.30; rounded down to hundredths, at least 0.01.
    """
    share = Decimal("0.9") / (max(symbols, 1) * max(sources, 1))
    return max(STEP, min(LARGEST_SUGGESTED, share.quantize(STEP, rounding=ROUND_DOWN)))
