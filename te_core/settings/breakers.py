"""Settings of circuit breakers: what ``[breakers]`` says of all accounts together, and an account of itself."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from te_core.contracts.options import Duration, Positive
from te_core.settings.section import Section

Act = Literal["warn", "halt", "flatten"]
Percent = Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)]


class LossSettings(Section):
    """A loss in percent of what was there before it, or as an amount; whichever comes first. Neither: not armed."""

    percent: Percent | None = None
    """loss in percent of what was there before it: 5 is 5 %"""
    amount: Positive | None = None
    """loss as an amount in quote currency; whichever comes first"""
    action: Act = "halt"
    """what follows: warn reports, halt allows reductions only, flatten closes everything first"""


class StreakSettings(Section):
    """So many in a row. None: not armed."""

    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    """how many it takes"""
    action: Act = "halt"
    """what follows: warn reports, halt allows reductions only, flatten closes everything first"""


class RejectionSettings(StreakSettings):
    """So many within ``within``."""

    within: Duration = timedelta(minutes=10)
    """the time within which they count"""


class SlippageSettings(Section):
    """Percent of the signal's price by which an order was filled worse."""

    percent: Percent | None = None
    """how much worse, in percent of the signal's price"""
    action: Act = "warn"
    """what follows, for that symbol alone"""


class JumpSettings(LossSettings):
    """A change of the balance that no order explains, either way."""

    action: Act = "warn"
    """what follows: warn reports, halt allows reductions only, flatten closes everything first"""


class BreakerSettings(Section):
    """Circuit breakers of an account. What trips and does not only warn holds until ``te resume`` with a reason."""

    daily_loss: LossSettings = LossSettings()
    drawdown: LossSettings = LossSettings()
    symbol_loss: LossSettings = LossSettings()
    losing_trades: StreakSettings = StreakSettings()
    rejections: RejectionSettings = RejectionSettings()
    slippage: SlippageSettings = SlippageSettings()
    equity_jump: JumpSettings = JumpSettings()


class GlobalBreakerSettings(BreakerSettings):
    """Circuit breakers over all accounts together. Days begin at ``reset_at`` in ``zone``, for each account, too."""

    reset_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{zone} is not a time zone known here: write UTC, or one like Europe/Berlin"
            ) from None
        return zone
