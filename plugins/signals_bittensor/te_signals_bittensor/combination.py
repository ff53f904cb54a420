"""From ranked miners to one depth per symbol, and who made it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

from te_signals_bittensor.limits import Limits, MinerLimits
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.strategy import Ranked, Strategy


class Contribution(NamedTuple):
    """A miner's part: ``weight`` x ``share``; ``price`` is its average entry. ``limit``: see ``Stated``."""

    hotkey: str
    asset: str
    weight: float
    share: float
    price: float
    limit: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the miners together say of one symbol: depth -1 … 1; ``price`` 0 where nobody holds anything."""

    depth: float
    price: float
    contributions: tuple[Contribution, ...]


class Stated(NamedTuple):
    """What a position asks for. ``limit``: the largest net leverage that its share is of; 0 if there is none.

    ``net``: the position's net leverage if it is beyond the limit, so that the share was cut; else 0.
    ``basis``: where the limit comes from.
    """

    asset: str
    share: float
    price: float
    limit: float = 0.0
    net: float = 0.0
    basis: str = ""


Asked = tuple[tuple[Any, ...], ...]
"""One ``Stated`` for each position, as plain tuples: see ``Row``."""

_ROUNDING = 1e-6
"""A net leverage beyond its limit by less than this share is at it."""


def stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...], limits: Limits | None = None) -> Asked:
    """Return what a miner's positions ask for; those that ask for nothing are left out. ``key``: see ``stakes_key``.

    ``limits``: None leaves every position its own ``max_leverage``.
    """
    own = None if limits is None else limits.of(miner.hotkey)
    return miner.once((key, own), lambda: _stakes(miner, strategy, key, own))


def _stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...], limits: MinerLimits | None) -> Asked:
    settled, mapped = miner.settled, key[-1]
    return settled.once(key, lambda: _asked(settled.on(mapped), strategy, None)) + _asked(
        miner.later(mapped), strategy, limits
    )


def _asked(positions: Iterable[Position], strategy: Strategy, limits: MinerLimits | None) -> Asked:
    found = [
        (position.asset, *strategy.stake(position))
        if limits is None or position.closed
        else _limited(position, strategy, limits)
        for position in positions
    ]
    return tuple([entry for entry in found if entry[1] != 0])


def _limited(position: Position, strategy: Strategy, limits: MinerLimits) -> tuple[Any, ...]:
    limit, basis = limits.on(position)
    share, price = strategy.stake(position._replace(max_leverage=limit))
    beyond = limit is not None and abs(position.net) > limit * (1 + _ROUNDING)
    return tuple(Stated(position.asset, share, price, limit or 0.0, position.net if beyond else 0.0, basis))


def stakes_key(strategy: Strategy, assets: Iterable[str]) -> tuple[Any, ...]:
    """Give what stakes depend on beside the miner."""
    return (stakes, strategy, frozenset(assets))


def combine(
    ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str], limits: Limits | None = None
) -> dict[str, Opinion]:
    """Return the opinion on every mapped symbol. Several upstream ids of one symbol are summed."""
    parts: dict[str, list[Contribution]] = {symbol: [] for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for entry in ranked:
        for stated in starmap(Stated, stakes(entry.miner, strategy, key, limits)):
            asset, share, price, limit, *_ = stated
            parts[assets[asset]].append(
                Contribution(entry.miner.hotkey, asset, entry.weight, share, price, limit)
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
