"""The default scoring: the predecessor's formula on figures that mean what their names say. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from te_signals_bittensor import metrics
from te_signals_bittensor.formula import Figures, score_all
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Ranked, Stake

_DAY_MS = 86_400_000
_BREAK_EVEN = 1.0
_DUST = 1e-9
"""Net leverage. Upstream allows none below 0.001, so anything smaller is rounding."""


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
        """Rank by score. Weights fall with the rank as in ``parity``; equal scores share their weights."""
        key = (standing_of, tuple(assets))
        found = []
        for miner in miners:
            standing = Standing._make(miner.once(key, lambda: tuple(standing_of(miner, key[1]))))  # noqa: B023 - called before the next iteration
            figures = Figures._make(standing.figures)
            if _admitted(miner, standing, assets, parameters, now) and figures.qualify(parameters):
                found.append((miner, figures))
        terms = score_all([figures for _, figures in found], metrics.average_percentiles, parameters)
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
                found, terms, scores, metrics.average_ranks(scores), strict=True
            )
        ]
        return tuple(sorted(ranked, key=lambda entry: (-entry.score, entry.miner.hotkey)))

    def stake(self, position: Position) -> Stake:
        """Return upstream's net leverage as a share of the largest allowed; nothing for a closed position.

        If upstream states no net leverage, it is the sum of the orders.
        """
        if position.closed or position.max_leverage is None:
            return Stake(0.0, 0.0)
        net = position.net
        if abs(net) < _DUST:
            return Stake(0.0, 0.0)
        return Stake(max(-1.0, min(1.0, net / position.max_leverage)), position.holding.price)


class Past(NamedTuple):
    """What closed positions amount to. It stays the same until another one closes."""

    trades: int
    win: float
    sharpe: float
    regularity: float
    worst: float
    """The deepest drawdown of a position."""
    level: float
    """This and the next two: the fields of ``metrics.Curve``."""
    height: float
    fall: float
    newest_ms: int
    counts: tuple[int, ...]
    """Positions by asset."""


def past_of(positions: Sequence[Position], assets: Sequence[str]) -> Past:
    """Compute what closed positions amount to."""
    closed = sorted(positions, key=lambda p: (p.close_ms or 0, p.id))
    returns = [position.value - 1 for position in closed]
    by_opening = sorted(closed, key=lambda p: (p.open_ms, p.id))
    gaps = [float(max(0, after.open_ms - (before.close_ms or 0))) for before, after in pairwise(by_opening)]
    curve = metrics.Curve().after(position.value for position in closed)
    return Past(
        len(closed),
        metrics.win_rate(returns),
        metrics.sharpe(returns),
        max(0.0, metrics.regularity(gaps)),
        min((position.drawdown for position in closed), default=0.0),
        *curve,
        newest_ms=max((max(p.last_ms, p.close_ms or 0) for p in closed), default=0),
        counts=metrics.counts((position.asset for position in closed), assets),
    )


def figures_of(past: Past, still_open: Sequence[Position]) -> Figures:
    """Compute figures: trades are closed positions; open ones count for return and drawdown as they are now."""
    values = (position.value for position in still_open)
    curve = metrics.Curve(past.level, past.height, past.fall).after(values)
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
    """What decides whether and how much a miner counts."""

    figures: tuple[Any, ...]
    """``Figures`` as a plain tuple: see ``network.Row``."""
    newest_ms: int
    """Its last activity, epoch ms."""
    counts: tuple[int, ...]
    """Its positions by asset."""


def standing_of(miner: Miner, assets: tuple[str, ...]) -> Standing:
    """Compute a miner's standing on these assets. That of its closed prefix is computed once for all payloads."""
    later = miner.later(assets)
    still_open = [position for position in later if not position.closed]
    if len(still_open) == len(later):
        key = (past_of, assets)
        prefix = miner.closed_prefix
        past = Past._make(prefix.once(key, lambda: tuple(past_of(prefix.on(assets), assets))))
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
