"""Statistics that the scores are made of. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FLAT_SPREAD = 1e-12
"""A standard deviation below this is rounding: all values are equal."""


def mean(values: Sequence[float]) -> float:
    """Return the average; 0 without values."""
    return sum(values) / len(values) if values else 0.0


def spread(values: Sequence[float]) -> float:
    """Return the population standard deviation; 0 without values."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values]))


def sharpe(returns: Sequence[float]) -> float:
    """Return mean over standard deviation; 0 with fewer than two returns or without any spread."""
    wide = spread(returns)
    return mean(returns) / wide if len(returns) > 1 and wide > FLAT_SPREAD else 0.0


def win_rate(returns: Sequence[float]) -> float:
    """Return the share of returns above zero; 0 without returns."""
    return sum(value > 0 for value in returns) / len(returns) if returns else 0.0


def regularity(gaps: Sequence[float]) -> float:
    """Return 1 - spread/mean of the pauses between trades; 0 without pauses, 1 if their mean is 0."""
    if not gaps:
        return 0.0
    middle = mean(gaps)
    return 1.0 if middle == 0 else 1.0 - spread(gaps) / middle


def ordered_percentiles(values: Sequence[float]) -> list[float]:
    """Return percentiles: 1 for the largest value, 0 for the smallest; equal values keep their order."""
    if len(values) == 1:
        return [1.0]
    percentiles = [0.0] * len(values)
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i], reverse=True)):
        percentiles[index] = 1.0 - rank / (len(values) - 1)
    return percentiles


def average_ranks(values: Sequence[float]) -> list[float]:
    """Return ranks from 1, the largest value first; equal values share the average of their ranks."""
    ranks = [0.0] * len(values)
    order = sorted(range(len(values)), key=lambda i: values[i], reverse=True)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        start = end
    return ranks


def average_percentiles(values: Sequence[float]) -> list[float]:
    """Return percentiles: 1 for the largest value, 0 for the smallest; equal values have equal ones."""
    if len(values) == 1:
        return [1.0]
    return [1.0 - (rank - 1) / (len(values) - 1) for rank in average_ranks(values)]


def counts(found: Iterable[str], names: Sequence[str]) -> tuple[int, ...]:
    """Return how often each name was found, in the order of the names."""
    times = Counter(found)
    return tuple(times[name] for name in names)


class Curve(NamedTuple):
    """An equity curve: the product of the factors so far."""

    level: float = 1.0
    height: float = 1.0
    """Its highest level."""
    worst: float = 0.0
    """Its deepest fall from a highest level: -1 … 0."""

    def after(self, factors: Iterable[float]) -> Curve:
        """Return the curve after more factors."""
        level, height, worst = self
        for factor in factors:
            level *= factor
            height = max(height, level)
            worst = min(worst, level / height - 1.0)
        return Curve(level, height, max(-1.0, worst))
