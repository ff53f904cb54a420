"""Unexpected values: generated once by hypothesis, then drawn a hundred thousand times by a seeded generator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_ANY_CHARACTER = st.characters(exclude_categories=())
"""Lone surrogates too."""

_TEXTS = st.text(_ANY_CHARACTER, min_size=1, max_size=30)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_EXAMPLES = 600
"""Values of each kind; generating them takes a second or two."""


@dataclass(frozen=True, slots=True)
class OddValues:
    """Pools of values."""

    texts: list[str]
    values: list[Any]
    """Everything that JSON can express, and NaN."""
    containers: list[Any]
    """Lists and objects."""
    binaries: list[bytes]

    @classmethod
    def make(cls, number: int) -> OddValues:
        """Generate the pools; the same seed generates the same pools."""
        values = _examples(_VALUES, number)
        return cls(
            texts=_examples(_TEXTS, number),
            values=values,
            containers=[value for value in values if isinstance(value, list | dict)],
            binaries=_examples(st.binary(min_size=1, max_size=300), number),
        )


def _examples(strategy: st.SearchStrategy[Any], number: int) -> list[Any]:
    found: list[Any] = []

    @seed(number)
    @settings(
        max_examples=_EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def spelt(value: Any, random: Random) -> bytes:
    """Return a value as JSON, escaped or not; lone surrogates are then not UTF-8."""
    return json.dumps(value, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
