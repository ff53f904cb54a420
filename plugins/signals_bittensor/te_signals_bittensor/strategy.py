"""The interface of scoring strategies, and finding one by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import entry_points
from typing import NamedTuple, Protocol

from te_core.api import ConfigError
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters

GROUP = "trade_engine.bittensor_strategies"
"""Entry points of this group are strategies of other packages: name = "module:object"."""


class Stake(NamedTuple):
    """What an open position asks for: ``share`` of the symbol's depth (signed; 0: nothing), and its entry price."""

    share: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A miner that counts. ``weight``: all together 1. ``terms``: what the score is the sum of, by name."""

    miner: Miner
    weight: float
    score: float
    terms: Mapping[str, float]


class Strategy(Protocol):
    """A pure function from miners to weights, and one from a position to what it asks for.

    Before ``rank`` sees them, miners that upstream eliminated are left out and subaccounts are capped by entity; before
    ``stake`` does, a position's ``max_leverage`` is replaced by the limit of its miner's account. A strategy with a
    true attribute ``as_served`` gets everything as upstream serves it.
    """

    def rank(
        self,
        miners: Sequence[Miner],
        *,
        assets: Mapping[str, str],
        parameters: Parameters,
        now: datetime,
    ) -> tuple[Ranked, ...]:
        """Give the miners that count, best first. ``assets`` maps upstream's ids to the engine's symbols."""
        ...

    def stake(self, position: Position) -> Stake:
        """Give what one position asks for."""
        ...


class Figures(NamedTuple):
    """What a formula knows of one miner. ``drawdown`` ≤ 0; ``total`` is a return, 0.05 for 5 %."""

    drawdown: float
    sharpe: float
    total: float
    win: float
    trades: int
    regularity: float

    def qualify(self, parameters: Parameters) -> bool:
        """Tell whether a miner with these figures counts."""
        return (
            self.drawdown >= parameters.max_drawdown_threshold
            and self.trades >= parameters.min_trades
            and self.win >= parameters.min_profitable_rate
            and self.total > parameters.min_total_return
        )


def find_strategy(name: str) -> Strategy:
    """Give a strategy. Raises ``ConfigError`` naming the known ones."""
    from te_signals_bittensor.corrected import Corrected  # late: both are built on this module
    from te_signals_bittensor.parity import Parity

    own: dict[str, Strategy] = {"corrected": Corrected(), "parity": Parity()}
    if name in own:
        return own[name]
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name not in others:
        known = ", ".join([*own, *sorted(others)])
        raise ConfigError(f"there is no such strategy (known: {known})", key="strategy", value=name)
    found: Strategy = others[name].load()
    return found
