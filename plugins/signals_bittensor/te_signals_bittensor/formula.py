"""The formula of both scoring strategies: the figures of a miner, and the terms that its score is the sum of. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from te_signals_bittensor.parameters import Parameters


class Figures(NamedTuple):
    """What the formula knows about one miner."""

    drawdown: float
    """At most 0; -0.5 is a loss of half."""
    sharpe: float
    total: float
    """Total return; 0.05 is 5 %."""
    win: float
    """Share of winning trades."""
    trades: int
    regularity: float
    """At most 1, for equal pauses between trades."""

    def qualify(self, parameters: Parameters) -> bool:
        """Return whether a miner with these figures counts."""
        return (
            self.drawdown >= parameters.max_drawdown_threshold
            and self.trades >= parameters.min_trades
            and self.win >= parameters.min_profitable_rate
            and self.total > parameters.min_total_return
        )


def score_terms(
    figures: Figures, sharpe: float, trades: float, regularity: float, p: Parameters
) -> dict[str, float]:
    """Return the terms of a score, by name. ``sharpe``, ``trades`` and ``regularity`` are percentiles, 0 … 1."""
    return {
        "drawdown": ((1 + figures.drawdown) ** 2) ** p.drawdown_exponent,
        "sharpe": sharpe**p.sharpe_exponent,
        "total_return": 1 + figures.total,
        "profitable_rate": figures.win**p.profitable_rate_exponent,
        "trades": trades * math.log1p(figures.trades) / p.position_count_divisor,
        "consistency": regularity,
    }


def score_all(
    figures: Sequence[Figures], percentiles: Callable[[Sequence[float]], Sequence[float]], p: Parameters
) -> list[dict[str, float]]:
    """Return the terms of each miner's score. ``percentiles``: of one figure of all miners, 0 … 1."""
    ranked = zip(
        percentiles([one.sharpe for one in figures]),
        percentiles([one.trades for one in figures]),
        percentiles([one.regularity for one in figures]),
        strict=True,
    )
    return [score_terms(one, *ranks, p) for one, ranks in zip(figures, ranked, strict=True)]
