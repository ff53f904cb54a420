"""The scoring of the predecessor (the earlier program), rule for rule, flaws included; docs/bittensor.md lists them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from operator import add
from typing import NamedTuple

from te_signals_bittensor import metrics
from te_signals_bittensor.formula import Figures, score_all
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Ranked, Stake

_DAY_MS = 86_400_000


class Parity:
    """The strategy ``parity``."""

    as_served = True
    """Positions count as upstream serves them: no limits of accounts, no eliminations, no entities."""

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
        all_terms = score_all([figures for _, figures in found], metrics.ordered_percentiles, parameters)
        scored = [(miner, terms) for (miner, _), terms in zip(found, all_terms, strict=True)]
        scored.sort(key=lambda entry: sum(entry[1].values()), reverse=True)
        count = len(scored)
        return tuple(
            Ranked(
                miner=miner,
                weight=(count - index) / (count * (count + 1) / 2),
                score=sum(terms.values()),
                terms=terms,
            )
            for index, (miner, terms) in enumerate(scored)
        )

    def stake(self, position: Position) -> Stake:
        """Return the raw net leverage of the orders, also for a closed position."""
        return Stake(*position.holding)


class Record(NamedTuple):
    """What positions amount to. Times are epoch ms; 0 if there is none."""

    returns: tuple[float, ...]
    drawdown: float
    gaps: tuple[float, ...]
    """Pauses between positions in the order of their opening, in ms."""
    first_open: int
    last_open: int
    last_close: int
    newest_close: int
    counts: tuple[int, ...]
    """Positions by asset."""


def record_of(positions: Sequence[Position], assets: Sequence[str]) -> Record:
    """Compute the record of positions, open and closed alike."""
    by_opening = sorted(positions, key=lambda position: position.open_ms)
    return Record(
        returns=tuple(position.value - 1 for position in positions),
        drawdown=min((position.parity_drawdown for position in positions), default=0.0),
        gaps=tuple(float(after.open_ms - (before.close_ms or 0)) for before, after in pairwise(by_opening)),
        first_open=by_opening[0].open_ms if by_opening else 0,
        last_open=by_opening[-1].open_ms if by_opening else 0,
        last_close=(by_opening[-1].close_ms or 0) if by_opening else 0,
        newest_close=max((position.close_ms or 0 for position in positions), default=0),
        counts=metrics.counts((position.asset for position in positions), assets),
    )


def joined(before: Record, after: Record) -> Record | None:
    """Return the combined record; None if a position of the second was opened before one of the first."""
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
    """Compute the record of a miner on these assets. That of its closed prefix is computed once for all payloads."""
    prefix = miner.closed_prefix.once(
        (record_of, assets), lambda: tuple(record_of(miner.closed_prefix.on(assets), assets))
    )
    whole = joined(Record._make(prefix), record_of(miner.later(assets), assets))
    return record_of(miner.on(assets), assets) if whole is None else whole


def figures_of(record: Record) -> Figures:
    """Compute the figures of a record."""
    returns = record.returns
    return Figures(
        drawdown=record.drawdown,
        sharpe=metrics.sharpe(returns),
        total=sum(returns),
        win=metrics.win_rate(returns),
        trades=len(returns),
        regularity=metrics.regularity(record.gaps),
    )


def _admitted(miner: Miner, record: Record, parameters: Parameters, now: datetime) -> bool:
    if miner.recent <= 0 or miner.ever <= 0 or not record.returns:
        return False
    if min(record.counts) < parameters.min_trades_per_asset:
        return False
    if math.isinf(parameters.max_trade_age_days):
        return True
    return record.newest_close >= now.timestamp() * 1000 - parameters.max_trade_age_days * _DAY_MS
