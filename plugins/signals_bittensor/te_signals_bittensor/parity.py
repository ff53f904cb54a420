"""The predecessor's scoring, rule for rule, with its flaws; docs/bittensor.md lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from operator import add
from typing import NamedTuple

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

    as_served = True

    def rank(
        self,
        miners: Sequence[Miner],
        *,
        assets: Mapping[str, str],
        parameters: Parameters,
        now: datetime,
    ) -> tuple[Ranked, ...]:
        """Rank by score; the n-th best of N has weight (N + 1 - n) / (N(N + 1)/2)."""
        mapped = tuple(assets)
        found = []
        for miner in miners:
            record = record_of_miner(miner, mapped)
            if _admitted(miner, record, parameters, now):
                figures = figures_of(record)
                if figures.qualify(parameters):
                    found.append((miner, figures))
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


class Record(NamedTuple):
    """What positions amount to. ``gaps``: the pauses between them, by opening."""

    returns: tuple[float, ...]
    drawdown: float
    gaps: tuple[float, ...]
    first_open: int
    last_open: int
    last_close: int
    newest_close: int
    counts: tuple[int, ...]


def record_of(positions: Sequence[Position], assets: Sequence[str]) -> Record:
    """Measure positions, open and closed alike."""
    by_opening = sorted(positions, key=lambda position: position.open_ms)
    return Record(
        returns=tuple(position.value - 1 for position in positions),
        drawdown=min((position.parity_drawdown for position in positions), default=0.0),
        gaps=tuple(float(after.open_ms - (before.close_ms or 0)) for before, after in pairwise(by_opening)),
        first_open=by_opening[0].open_ms if by_opening else 0,
        last_open=by_opening[-1].open_ms if by_opening else 0,
        last_close=(by_opening[-1].close_ms or 0) if by_opening else 0,
        newest_close=max((position.close_ms or 0 for position in positions), default=0),
        counts=measures.counts((position.asset for position in positions), assets),
    )


def joined(before: Record, after: Record) -> Record | None:
    """Give the record of both together; None where the second's positions were not all opened after the first's."""
    if not before.returns or not after.returns:
        return before if before.returns else after
    if after.first_open < before.last_open:
        return None
    return Record(
        returns=before.returns + after.returns,
        drawdown=min(before.drawdown, after.drawdown),
        gaps=(*before.gaps, float(after.first_open - before.last_close), *after.gaps),
        first_open=before.first_open,
        last_open=after.last_open,
        last_close=after.last_close,
        newest_close=max(before.newest_close, after.newest_close),
        counts=tuple(map(add, before.counts, after.counts)),
    )


def record_of_miner(miner: Miner, assets: tuple[str, ...]) -> Record:
    """Measure a miner on these assets. Its settled positions are measured once for all payloads."""
    settled = miner.settled.once(
        (record_of, assets), lambda: tuple(record_of(miner.settled.on(assets), assets))
    )
    whole = joined(Record._make(settled), record_of(miner.later(assets), assets))
    return record_of(miner.on(assets), assets) if whole is None else whole


def figures_of(record: Record) -> Figures:
    """Give what the formula needs."""
    returns = record.returns
    return Figures(
        drawdown=record.drawdown,
        sharpe=measures.sharpe(returns),
        total=sum(returns),
        win=measures.win_rate(returns),
        trades=len(returns),
        regularity=measures.regularity(record.gaps),
    )


def _admitted(miner: Miner, record: Record, parameters: Parameters, now: datetime) -> bool:
    if miner.recent <= 0 or miner.ever <= 0 or not record.returns:
        return False
    if min(record.counts) < parameters.min_trades_per_asset:
        return False
    if math.isinf(parameters.max_trade_age_days):
        return True
    return record.newest_close >= now.timestamp() * 1000 - parameters.max_trade_age_days * _DAY_MS
