"""The default scoring: the predecessor's formula on figures that mean what their names say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from te_signals_bittensor import measures
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.parity import formula
from te_signals_bittensor.strategy import Figures, Ranked, Stake

_DAY_MS = 86_400_000
_BREAK_EVEN = 1.0
_DUST = 1e-9
"""Upstream allows no leverage below 0.001: what is smaller is rounding."""


class Corrected:
    """The strategy ``corrected``."""

    def rank(
        self,
        miners: Sequence[Miner],
        *,
        assets: Mapping[str, str],
        parameters: Parameters,
        now: datetime,
    ) -> tuple[Ranked, ...]:
        """Rank by score. Weights fall with the rank as in ``parity``; equal scores share theirs."""
        found = [
            (miner, figures)
            for miner in miners
            if _admitted(miner, assets, parameters, now)
            and (figures := figures_of(miner.on(assets))).qualify(parameters)
        ]
        percentiles = zip(
            measures.average_percentiles([figures.sharpe for _, figures in found]),
            measures.average_percentiles([figures.trades for _, figures in found]),
            measures.average_percentiles([figures.regularity for _, figures in found]),
            strict=True,
        )
        terms = [
            formula(figures, *places, parameters)
            for (_, figures), places in zip(found, percentiles, strict=True)
        ]
        scores = [sum(parts.values()) for parts in terms]
        count = len(found)
        ranked = [
            Ranked(
                miner=miner,
                weight=(count + 1 - rank) / (count * (count + 1) / 2),
                score=score,
                terms=parts,
            )
            for (miner, _), parts, score, rank in zip(
                found, terms, scores, measures.average_ranks(scores), strict=True
            )
        ]
        return tuple(sorted(ranked, key=lambda entry: (-entry.score, entry.miner.hotkey)))

    def stake(self, position: Position) -> Stake:
        """Give upstream's own net leverage as a share of the pair's largest; nothing of a closed position.

        The orders' sum stands in where upstream states none.
        """
        if position.closed or position.max_leverage is None:
            return Stake(0.0, 0.0)
        net = position.holding.net if position.stated_net is None else position.stated_net
        if abs(net) < _DUST:
            return Stake(0.0, 0.0)
        return Stake(max(-1.0, min(1.0, net / position.max_leverage)), position.holding.price)


def _admitted(miner: Miner, assets: Mapping[str, str], parameters: Parameters, now: datetime) -> bool:
    if miner.recent <= _BREAK_EVEN or miner.ever <= _BREAK_EVEN:
        return False
    positions = miner.on(assets)
    if not positions:
        return False
    if parameters.min_trades_per_asset > 0:
        counts = Counter(assets[position.asset] for position in positions)
        if any(counts[symbol] < parameters.min_trades_per_asset for symbol in set(assets.values())):
            return False
    newest = max(max(position.last_ms, position.close_ms or 0) for position in positions)
    age_ms = now.timestamp() * 1000 - newest
    return math.isinf(parameters.max_trade_age_days) or age_ms <= parameters.max_trade_age_days * _DAY_MS


def figures_of(positions: Sequence[Position]) -> Figures:
    """Measure a miner: trades are closed positions; open ones count for return and drawdown as they stand."""
    closed = sorted((p for p in positions if p.closed), key=lambda p: (p.close_ms or 0, p.id))
    still_open = [p for p in positions if not p.closed]
    factors = [position.value for position in (*closed, *still_open)]
    returns = [position.value - 1 for position in closed]
    by_opening = sorted(closed, key=lambda p: (p.open_ms, p.id))
    gaps = [float(max(0, after.open_ms - (before.close_ms or 0))) for before, after in pairwise(by_opening)]
    worst = min((position.drawdown for position in positions), default=0.0)
    return Figures(
        drawdown=max(-1.0, min(worst, measures.curve_drawdown(factors))),
        sharpe=measures.sharpe(returns),
        total=measures.compounded(factors),
        win=measures.win_rate(returns),
        trades=len(closed),
        regularity=max(0.0, measures.regularity(gaps)),
    )
