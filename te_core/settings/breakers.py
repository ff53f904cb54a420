"""Settings of circuit breakers: ``[breakers]`` for all accounts together, and the same table in each account."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from te_core.contracts.options import Duration, Positive
from te_core.settings.section import Section, Zone

Act = Literal["warn", "halt", "flatten"]
Percent = Annotated[Decimal, Field(gt=0, le=100, allow_inf_nan=False)]


class LossSettings(Section):
    """A loss in percent of the value before it, or as an amount; whichever comes first. Neither: not armed."""

    percent: Percent | None = None
    """loss in percent of the value before it: 5 is 5 %"""
    amount: Positive | None = None
    """loss as an amount in quote currency; whichever comes first"""
    action: Act = "halt"
    """what the breaker does: warn reports, halt allows reductions only, flatten closes everything first"""


class StreakSettings(Section):
    """A number of consecutive occurrences. None: not armed."""

    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    """how many trip the breaker"""
    action: Act = "halt"
    """what the breaker does: warn reports, halt allows reductions only, flatten closes everything first"""


class RejectionSettings(StreakSettings):
    """A number of occurrences within the time ``within``."""

    within: Duration = timedelta(minutes=10)
    """the time within which they are counted"""


class SlippageSettings(Section):
    """How much worse than the signal's price an order was filled, in percent of that price."""

    percent: Percent | None = None
    """how much worse, in percent of the signal's price"""
    action: Act = "warn"
    """what the breaker does, for that symbol only"""


class JumpSettings(LossSettings):
    """A change of the balance, up or down, that no order explains."""

    action: Act = "warn"
    """what the breaker does: warn reports, halt allows reductions only, flatten closes everything first"""


class BreakerSettings(Section):
    """Circuit breakers of an account. One that does more than warn stays tripped until ``te resume`` with a reason."""

    daily_loss: LossSettings = LossSettings()
    drawdown: LossSettings = LossSettings()
    symbol_loss: LossSettings = LossSettings()
    losing_trades: StreakSettings = StreakSettings()
    rejections: RejectionSettings = RejectionSettings()
    slippage: SlippageSettings = SlippageSettings()
    equity_jump: JumpSettings = JumpSettings()


class GlobalBreakerSettings(BreakerSettings):
    """Circuit breakers over all accounts together. ``reset_at`` in ``zone`` starts the day for each account as well."""

    reset_at: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "00:00"
    zone: Zone = "UTC"
