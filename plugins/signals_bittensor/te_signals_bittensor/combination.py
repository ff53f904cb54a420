"""From ranked miners to one depth per symbol, and who made it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.strategy import Ranked, Strategy


class Contribution(NamedTuple):
    """A miner's part: ``weight`` x ``share``; ``price`` is its average entry."""

    hotkey: str
    asset: str
    weight: float
    share: float
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the miners together say of one symbol: depth -1 … 1; ``price`` 0 where nobody holds anything."""

    depth: float
    price: float
    contributions: tuple[Contribution, ...]


Asked = tuple[tuple[str, float, float], ...]
"""Asset, share and price of positions."""


def stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...]) -> Asked:
    """Give what a miner's positions ask for; those that ask for nothing are left out. ``key``: see ``stakes_key``."""
    return miner.once(key, lambda: _stakes(miner, strategy, key))


def _stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...]) -> Asked:
    settled, mapped = miner.settled, key[-1]
    return settled.once(key, lambda: _asked(settled.on(mapped), strategy)) + _asked(
        miner.later(mapped), strategy
    )


def _asked(positions: Iterable[Position], strategy: Strategy) -> Asked:
    found = [(position.asset, *strategy.stake(position)) for position in positions]
    return tuple([entry for entry in found if entry[1] != 0])


def stakes_key(strategy: Strategy, assets: Iterable[str]) -> tuple[Any, ...]:
    """Give what stakes depend on beside the miner."""
    return (stakes, strategy, frozenset(assets))


def combine(ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str]) -> dict[str, Opinion]:
    """Give the opinion on every mapped symbol. Several upstream ids of one symbol are summed."""
    parts: dict[str, list[Contribution]] = {symbol: [] for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for entry in ranked:
        for asset, share, price in stakes(entry.miner, strategy, key):
            parts[assets[asset]].append(Contribution(entry.miner.hotkey, asset, entry.weight, share, price))
    return {symbol: _opinion(contributions) for symbol, contributions in parts.items()}


def _opinion(parts: Sequence[Contribution]) -> Opinion:
    depth = sum(part.weight * part.share for part in parts)
    total = sum(abs(part.weight * part.share) for part in parts)
    value = sum(part.price * abs(part.weight * part.share) for part in parts)
    ordered = sorted(parts, key=lambda part: (-abs(part.weight * part.share), part.hotkey, part.asset))
    return Opinion(
        depth=max(-1.0, min(1.0, depth)),
        price=value / total if total > 0 else 0.0,
        contributions=tuple(ordered),
    )
