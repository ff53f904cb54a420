"""From ranked miners to one depth per symbol, and who made it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


def combine(ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str]) -> dict[str, Opinion]:
    """Give the opinion on every mapped symbol. Several upstream ids of one symbol are summed."""
    parts: dict[str, list[Contribution]] = {symbol: [] for symbol in assets.values()}
    for entry in ranked:
        for position in entry.miner.on(assets):
            stake = strategy.stake(position)
            if stake.share != 0:
                parts[assets[position.asset]].append(
                    Contribution(entry.miner.hotkey, position.asset, entry.weight, *stake)
                )
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
