"""The parameters of every scoring strategy, with the names, meanings and defaults of the predecessor."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Exponent = Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)]


class Parameters(BaseModel):
    """``[sources.<name>.scoring]``. The first six decide which miners count, the others how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_trades: Annotated[int, Field(ge=0)] = 10
    """fewest trades of a miner"""
    min_trades_per_asset: Annotated[int, Field(ge=0)] = 0
    """fewest positions on every mapped asset; 0 does not require any"""
    max_drawdown_threshold: Annotated[float, Field(ge=-1000, le=0)] = -0.5
    """deepest drawdown: -0.5 is a loss of half"""
    min_profitable_rate: Annotated[float, Field(ge=0, le=1)] = 0.6
    """smallest share of winning trades"""
    min_total_return: Annotated[float, Field(ge=-1, allow_inf_nan=False)] = 0.0
    """the total return must be above this: 0.05 is 5 %"""
    max_trade_age_days: Annotated[float, Field(gt=0)] = 14.0
    """days without a trade after which a miner is stale; inf: never"""
    drawdown_exponent: Exponent = 6.0
    """weight of a shallow drawdown (on a squared term)"""
    sharpe_exponent: Exponent = 2.0
    """exponent of the Sharpe percentile"""
    profitable_rate_exponent: Exponent = 5.0
    """exponent of the share of winning trades"""
    position_count_divisor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 5.0
    """the larger, the less many trades count"""
