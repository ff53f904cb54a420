"""What every scoring strategy is steered by; names, meanings and defaults are the predecessor's."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Exponent = Annotated[float, Field(ge=0, le=50, allow_inf_nan=False)]


class Parameters(BaseModel):
    """``[sources.<name>.scoring]``. The first six decide who counts, the others how much."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_trades: Annotated[int, Field(ge=0)] = Field(10, description="fewest trades of a miner")
    min_trades_per_asset: Annotated[int, Field(ge=0)] = Field(
        0, description="fewest positions on every mapped asset; 0: not asked"
    )
    max_drawdown_threshold: Annotated[float, Field(ge=-1000, le=0)] = Field(
        -0.5, description="deepest drawdown: -0.5 is a loss of half"
    )
    min_profitable_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        0.6, description="smallest share of winning trades"
    )
    min_total_return: Annotated[float, Field(ge=-1, allow_inf_nan=False)] = Field(
        0.0, description="the total return must be above this: 0.05 is 5 %"
    )
    max_trade_age_days: Annotated[float, Field(gt=0)] = Field(
        14.0, description="days since the last trade after which a miner is stale; inf: never"
    )
    drawdown_exponent: Exponent = Field(6.0, description="weight of a shallow drawdown (on a squared term)")
    sharpe_exponent: Exponent = Field(2.0, description="exponent of the Sharpe percentile")
    profitable_rate_exponent: Exponent = Field(5.0, description="exponent of the share of winning trades")
    position_count_divisor: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        5.0, description="the larger, the less many trades count"
    )
