"""The interface of scoring strategies. Other packages implement it too; ``strategy_registry`` finds one by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.parameters import Parameters


class Stake(NamedTuple):
    """What an open position asks for."""

    share: float
    """Signed share of the symbol's depth (target exposure); 0 asks for nothing."""
    price: float
    """Entry price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A miner that counts."""

    miner: Miner
    weight: float
    """The weights of all ranked miners add up to 1."""
    score: float
    terms: Mapping[str, float]
    """What the score is the sum of, by name."""


class Strategy(Protocol):
    """A pure function from miners to weights, and one from a position to what it asks for.

    Before ``rank`` is called, miners that upstream eliminated are left out and the subaccounts of each entity are
    limited. Before ``stake`` is called, a position's ``max_leverage`` is replaced by the limit of its miner's account.
    A strategy with a true attribute ``as_served`` gets everything as upstream serves it.
    """

    def rank(
        self,
        miners: Sequence[Miner],
        *,
        assets: Mapping[str, str],
        parameters: Parameters,
        now: datetime,
    ) -> tuple[Ranked, ...]:
        """Return the miners that count, best first. ``assets`` maps upstream's ids to the engine's symbols."""
        ...

    def stake(self, position: Position) -> Stake:
        """Return what one position asks for."""
        ...
