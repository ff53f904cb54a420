"""The predecessor's scoring, rule for rule, with its flaws; docs/bittensor.md lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from te_signals_bittensor import measures
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Figures, Ranked, Stake

_DAY_MS = 86_400_000


def formula(
    figures: Figures, sharpe: float, trades: float, regularity: float, p: Parameters
) -> dict[str, float]:
    """Give the terms of a score; the last three arguments before the parameters are percentiles."""
    return {
        "drawdown": ((1 + figures.drawdown) ** 2) ** p.drawdown_exponent,
        "sharpe": sharpe**p.sharpe_exponent,
        "total_return": 1 + figures.total,
        "profitable_rate": figures.win**p.profitable_rate_exponent,
        "trades": trades * math.log1p(figures.trades) / p.position_count_divisor,
        "consistency": regularity,
    }


class Parity:
    """The strategy ``parity``."""

    def rank(
        self,
        miners: Sequence[Miner],
        *,
        assets: Mapping[str, str],
        parameters: Parameters,
        now: datetime,
    ) -> tuple[Ranked, ...]:
        """Rank by score; the n-th best of N has weight (N + 1 - n) / (N(N + 1)/2)."""
        found = [
            (miner, figures)
            for miner in miners
            if _admitted(miner, assets, parameters, now)
            and (figures := figures_of(miner.on(assets))).qualify(parameters)
        ]
        percentiles = zip(
            measures.ordered_percentiles([figures.sharpe for _, figures in found]),
            measures.ordered_percentiles([figures.trades for _, figures in found]),
            measures.ordered_percentiles([figures.regularity for _, figures in found]),
            strict=True,
        )
        scored = [
            (miner, formula(figures, *places, parameters))
            for (miner, figures), places in zip(found, percentiles, strict=True)
        ]
        scored.sort(key=lambda entry: sum(entry[1].values()), reverse=True)
        count = len(scored)
        return tuple(
            Ranked(
                miner=miner,
                weight=(count - place) / (count * (count + 1) / 2),
                score=sum(terms.values()),
                terms=terms,
            )
            for place, (miner, terms) in enumerate(scored)
        )

    def stake(self, position: Position) -> Stake:
        """Give the raw net leverage of the orders, of closed positions too."""
        return Stake(*position.holding)


def _admitted(miner: Miner, assets: Mapping[str, str], parameters: Parameters, now: datetime) -> bool:
    if miner.recent <= 0 or miner.ever <= 0:
        return False
    positions = miner.on(assets)
    if parameters.min_trades_per_asset > 0:
        counts = dict.fromkeys(assets, 0)
        for position in positions:
            counts[position.asset] += 1
        if min(counts.values(), default=0) < parameters.min_trades_per_asset:
            return False
    if not math.isinf(parameters.max_trade_age_days):
        newest = max((position.close_ms or 0 for position in positions if position.closed), default=0)
        if newest < now.timestamp() * 1000 - parameters.max_trade_age_days * _DAY_MS:
            return False
    return bool(positions)


def figures_of(positions: Sequence[Position]) -> Figures:
    """Measure a miner by its positions, open and closed alike."""
    returns = [position.value - 1 for position in positions]
    by_opening = sorted(positions, key=lambda position: position.open_ms)
    gaps = [float(after.open_ms - (before.close_ms or 0)) for before, after in pairwise(by_opening)]
    return Figures(
        drawdown=min((position.parity_drawdown for position in positions), default=0.0),
        sharpe=measures.sharpe(returns),
        total=sum(returns),
        win=measures.win_rate(returns),
        trades=len(returns),
        regularity=measures.regularity(gaps),
    )
