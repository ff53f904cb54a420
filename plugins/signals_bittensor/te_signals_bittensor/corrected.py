"""The default scoring: the predecessor's formula on figures that mean what their names say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

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
        key = (standing_of, tuple(assets))
        found = []
        for miner in miners:
            standing = Standing._make(miner.once(key, lambda: tuple(standing_of(miner, key[1]))))  # noqa: B023 - called at once
            figures = Figures._make(standing.figures)
            if _admitted(miner, standing, assets, parameters, now) and figures.qualify(parameters):
                found.append((miner, figures))
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
        net = position.net
        if abs(net) < _DUST:
            return Stake(0.0, 0.0)
        return Stake(max(-1.0, min(1.0, net / position.max_leverage)), position.holding.price)


class Past(NamedTuple):
    """What closed positions amount to, which stays as it is until another one closes. ``counts``: by asset."""

    trades: int
    win: float
    sharpe: float
    regularity: float
    worst: float
    level: float
    height: float
    fall: float
    newest_ms: int
    counts: tuple[int, ...]


def past_of(positions: Sequence[Position], assets: Sequence[str]) -> Past:
    """Measure closed positions."""
    closed = sorted(positions, key=lambda p: (p.close_ms or 0, p.id))
    returns = [position.value - 1 for position in closed]
    by_opening = sorted(closed, key=lambda p: (p.open_ms, p.id))
    gaps = [float(max(0, after.open_ms - (before.close_ms or 0))) for before, after in pairwise(by_opening)]
    curve = measures.Curve().after(position.value for position in closed)
    return Past(
        len(closed),
        measures.win_rate(returns),
        measures.sharpe(returns),
        max(0.0, measures.regularity(gaps)),
        min((position.drawdown for position in closed), default=0.0),
        *curve,
        newest_ms=max((max(p.last_ms, p.close_ms or 0) for p in closed), default=0),
        counts=measures.counts((position.asset for position in closed), assets),
    )


def figures_of(past: Past, still_open: Sequence[Position]) -> Figures:
    """Measure a miner: trades are closed positions; open ones count for return and drawdown as they stand."""
    values = (position.value for position in still_open)
    curve = measures.Curve(past.level, past.height, past.fall).after(values)
    worst = min((position.drawdown for position in still_open), default=0.0)
    return Figures(
        drawdown=max(-1.0, min(worst, past.worst, curve.worst)),
        sharpe=past.sharpe,
        total=curve.level - 1.0,
        win=past.win,
        trades=past.trades,
        regularity=past.regularity,
    )


class Standing(NamedTuple):
    """What decides about a miner. ``newest_ms``: its last activity. ``counts``: its positions, by asset."""

    figures: tuple[Any, ...]
    newest_ms: int
    counts: tuple[int, ...]


def standing_of(miner: Miner, assets: tuple[str, ...]) -> Standing:
    """Measure a miner on these assets. What its settled positions amount to is worked out once for all payloads."""
    later = miner.later(assets)
    still_open = [position for position in later if not position.closed]
    if len(still_open) == len(later):
        key = (past_of, assets)
        past = Past._make(miner.settled.once(key, lambda: tuple(past_of(miner.settled.on(assets), assets))))
    else:
        past = past_of([position for position in miner.on(assets) if position.closed], assets)
    counts, newest_ms = list(past.counts), past.newest_ms
    for position in still_open:
        counts[assets.index(position.asset)] += 1
        newest_ms = max(newest_ms, position.last_ms)
    return Standing(tuple(figures_of(past, still_open)), newest_ms, tuple(counts))


def _admitted(
    miner: Miner, standing: Standing, assets: Mapping[str, str], parameters: Parameters, now: datetime
) -> bool:
    if miner.recent <= _BREAK_EVEN or miner.ever <= _BREAK_EVEN or not any(standing.counts):
        return False
    if parameters.min_trades_per_asset > 0:
        held = dict.fromkeys(assets.values(), 0)
        for symbol, count in zip(assets.values(), standing.counts, strict=True):
            held[symbol] += count
        if min(held.values()) < parameters.min_trades_per_asset:
            return False
    age_ms = now.timestamp() * 1000 - standing.newest_ms
    return math.isinf(parameters.max_trade_age_days) or age_ms <= parameters.max_trade_age_days * _DAY_MS
