"""Figures that the scores are made of. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FLAT_SPREAD = 1e-12
"""A standard deviation below this is rounding: all values are the same."""


def mean(values: Sequence[float]) -> float:
    """Give the average; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def spread(values: Sequence[float]) -> float:
    """Give the population's standard deviation; 0 of nothing."""
    middle = mean(values)
    return math.sqrt(mean([(value - middle) ** 2 for value in values]))


def sharpe(returns: Sequence[float]) -> float:
    """Give mean over standard deviation; 0 with fewer than two returns or without any spread."""
    wide = spread(returns)
    return mean(returns) / wide if len(returns) > 1 and wide > FLAT_SPREAD else 0.0


def win_rate(returns: Sequence[float]) -> float:
    """Give the share of returns above zero."""
    return sum(value > 0 for value in returns) / len(returns) if returns else 0.0


def regularity(gaps: Sequence[float]) -> float:
    """Give 1 - spread/mean of the pauses between trades; 0 without pauses, 1 where their mean is 0."""
    if not gaps:
        return 0.0
    middle = mean(gaps)
    return 1.0 if middle == 0 else 1.0 - spread(gaps) / middle


def ordered_percentiles(values: Sequence[float]) -> list[float]:
    """Give 1 to the largest and 0 to the smallest; equal values keep their order."""
    if len(values) == 1:
        return [1.0]
    places = [0.0] * len(values)
    for rank, index in enumerate(sorted(range(len(values)), key=lambda i: values[i], reverse=True)):
        places[index] = 1.0 - rank / (len(values) - 1)
    return places


def average_ranks(values: Sequence[float]) -> list[float]:
    """Give ranks from 1, the largest value first; equal values share the average of their ranks."""
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
    """Give 1 to the largest and 0 to the smallest; equal values get the same."""
    if len(values) == 1:
        return [1.0]
    return [1.0 - (rank - 1) / (len(values) - 1) for rank in average_ranks(values)]


def counts(found: Iterable[str], names: Sequence[str]) -> tuple[int, ...]:
    """Give how often each name was found, in the order of the names."""
    times = Counter(found)
    return tuple(times[name] for name in names)


class Curve(NamedTuple):
    """The product of factors so far, its greatest height, and its deepest fall from a height: -1 … 0."""

    level: float = 1.0
    height: float = 1.0
    worst: float = 0.0

    def after(self, factors: Iterable[float]) -> Curve:
        """Give the curve with more factors."""
        level, height, worst = self
        for factor in factors:
            level *= factor
            height = max(height, level)
            worst = min(worst, level / height - 1.0)
        return Curve(level, height, max(-1.0, worst))
