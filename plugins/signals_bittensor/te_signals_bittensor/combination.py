"""From ranked miners to one depth per symbol, and which miners it comes from. Pure.

A depth is a target exposure: -1 … 1 of what this source may steer on a symbol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

from te_signals_bittensor.limits import Limits, MinerLimits
from te_signals_bittensor.network import Miner, Position
from te_signals_bittensor.strategy import Ranked, Strategy


class Contribution(NamedTuple):
    """A miner's part of a depth: ``weight`` times ``share``."""

    hotkey: str
    asset: str
    weight: float
    share: float
    price: float
    """Average entry price."""
    limit: float = 0.0
    """See ``PositionStake``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What the miners together hold of one symbol."""

    depth: float
    """Target exposure, -1 … 1."""
    price: float
    """Average entry price; 0 if no miner holds anything."""
    contributions: tuple[Contribution, ...]


class PositionStake(NamedTuple):
    """What a position asks for."""

    asset: str
    share: float
    price: float
    limit: float = 0.0
    """The largest net leverage, which the share is a share of; 0 without a limit."""
    net: float = 0.0
    """The position's net leverage if it exceeds the limit, so that the share was cut; else 0."""
    basis: str = ""
    """Where the limit comes from."""


Stakes = tuple[tuple[Any, ...], ...]
"""One ``PositionStake`` for each position, as plain tuples: see ``network.Row``."""

_ROUNDING = 1e-6
"""A net leverage that exceeds its limit by less than this share is at the limit."""


def stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...], limits: Limits | None = None) -> Stakes:
    """Return what a miner's positions ask for, without those that ask for nothing. ``key`` is from ``stakes_key``.

    Without ``limits`` every position has the ``max_leverage`` that is served with it.
    """
    own = None if limits is None else limits.of(miner.hotkey)
    return miner.once((key, own), lambda: _stakes(miner, strategy, key, own))


def _stakes(miner: Miner, strategy: Strategy, key: tuple[Any, ...], limits: MinerLimits | None) -> Stakes:
    prefix, mapped = miner.closed_prefix, key[-1]
    return prefix.once(key, lambda: _position_stakes(prefix.on(mapped), strategy, None)) + _position_stakes(
        miner.later(mapped), strategy, limits
    )


def _position_stakes(positions: Iterable[Position], strategy: Strategy, limits: MinerLimits | None) -> Stakes:
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
    return tuple(
        PositionStake(position.asset, share, price, limit or 0.0, position.net if beyond else 0.0, basis)
    )


def stakes_key(strategy: Strategy, assets: Iterable[str]) -> tuple[Any, ...]:
    """Return what stakes depend on besides the miner."""
    return (stakes, strategy, frozenset(assets))


def combine(
    ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str], limits: Limits | None = None
) -> dict[str, Opinion]:
    """Return the opinion on every mapped symbol. Several upstream ids of one symbol are summed."""
    parts: dict[str, list[Contribution]] = {symbol: [] for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for entry in ranked:
        for stake in starmap(PositionStake, stakes(entry.miner, strategy, key, limits)):
            asset, share, price, limit, *_ = stake
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
