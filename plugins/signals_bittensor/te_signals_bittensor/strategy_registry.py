"""Finds a scoring strategy by its name: our own, or one of another package."""

from __future__ import annotations

from importlib.metadata import entry_points

from te_core.api import ConfigError
from te_signals_bittensor.corrected import Corrected
from te_signals_bittensor.parity import Parity
from te_signals_bittensor.strategy import Strategy

GROUP = "trade_engine.bittensor_strategies"
"""Entry points of this group are strategies of other packages: name = "module:object"."""


def find_strategy(name: str) -> Strategy:
    """Return a strategy. Raises ``ConfigError`` naming the available ones."""
    own: dict[str, Strategy] = {"corrected": Corrected(), "parity": Parity()}
    if name in own:
        return own[name]
    others = {point.name: point for point in entry_points(group=GROUP)}
    if name not in others:
        available = ", ".join([*own, *sorted(others)])
        raise ConfigError(f"there is no such strategy (known: {available})", key="strategy", value=name)
    found: Strategy = others[name].load()
    return found
