"""Evaluates a network: ranks its miners and combines what they hold. Pure; runs off the event loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import starmap

from te_signals_bittensor.combination import Opinion, PositionStake, combine, stakes, stakes_key
from te_signals_bittensor.entities import ranked_by_entity
from te_signals_bittensor.limits import SERVED, Limits
from te_signals_bittensor.network import Miner, Network, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Ranked, Strategy

Holdings = Mapping[str, Mapping[str, float]]
"""Symbol → hotkey → share that the miner holds, of all miners whether they count or not."""

_ASSET = Position._fields.index("asset")
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an evaluation depends on besides miners and strategy."""

    limits: Limits | None = None
    """None for positions as they are served."""
    eliminated: Collection[str] = ()
    """Hotkeys that are excluded."""
    per_entity: int | str = 0
    """See ``ranked_by_entity``."""


AS_SERVED = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamped:
    """A position that exceeds its limit: it counts as if it were at the limit."""

    hotkey: str
    symbol: str
    asset: str
    net: float
    limit: float
    of_account: bool
    """Whether the limit is that of the account; False for the constant served with every position of the pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result for one network."""

    ranked: tuple[Ranked, ...]
    """The miners that count, best first."""
    opinions: Mapping[str, Opinion]
    """By the engine's symbol."""
    holdings: Holdings
    """Compared with the last evaluation's, it shows what miners did, apart from how their ranks moved."""
    miners: int
    """How many miners the network has."""
    left_out: Mapping[str, int]
    """How many malformed records of each kind were left out."""
    clamped: tuple[Clamped, ...] = ()
    """Positions of the miners that count."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """How many miners were excluded, by reason."""
    traded_instead: str = ""
    """What miners trade, if none of them ever held a mapped asset."""


def evaluate(
    network: Network,
    strategy: Strategy,
    *,
    assets: Mapping[str, str],
    parameters: Parameters,
    now: datetime,
    terms: Terms = AS_SERVED,
) -> Evaluation:
    """Rank the miners and combine what they hold."""
    admitted = [miner for miner in network.miners if miner.hotkey not in terms.eliminated]
    ranked, capped = ranked_by_entity(
        admitted,
        lambda miners: strategy.rank(miners, assets=assets, parameters=parameters, now=now),
        terms.per_entity,
        lambda miner: _size_of(miner, terms.limits),
    )
    return Evaluation(
        ranked=ranked,
        opinions=combine(ranked, strategy, assets, terms.limits),
        holdings=_holdings(network, strategy, assets, terms.limits),
        miners=len(network.miners),
        left_out=network.left_out,
        clamped=_clamped(ranked, strategy, assets, terms.limits),
        excluded={
            reason: count
            for reason, count in (("eliminated", len(network.miners) - len(admitted)), ("entity", capped))
            if count
        },
        traded_instead="" if ranked or _trades(network.miners, assets) else _traded_instead(network.miners),
    )


def _size_of(miner: Miner, limits: Limits | None) -> float | None:
    """Return the size of a miner's account in USD; None if upstream does not state it."""
    account = limits.accounts.get(miner.hotkey) if limits is not None else None
    if account is not None and account.size is not None:
        return account.size
    served = [position.account_size for position in map(Position._make, miner.rows) if position.account_size]
    return served[-1] if served else None


def _trades(miners: Sequence[Miner], assets: Mapping[str, str]) -> bool:
    return any(row[_ASSET] in assets for miner in miners for row in (*miner.closed_prefix.rows, *miner.rows))


def _traded_instead(miners: Sequence[Miner]) -> str:
    """Return the assets that miners hold, most common first; those they held if none holds any; else an empty text."""
    held = Counter(row[_ASSET] for miner in miners for row in miner.rows)
    held = held or Counter(row[_ASSET] for miner in miners for row in miner.closed_prefix.rows)
    shown = ", ".join(asset for asset, _ in held.most_common(_SHOWN))
    return shown + (f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")


def _holdings(
    network: Network, strategy: Strategy, assets: Mapping[str, str], limits: Limits | None
) -> Holdings:
    holdings: dict[str, dict[str, float]] = {symbol: {} for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for miner in network.miners:
        for asset, share, *_ in stakes(miner, strategy, key, limits):
            held = holdings[assets[asset]]
            held[miner.hotkey] = held.get(miner.hotkey, 0.0) + share
    return holdings


def _clamped(
    ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str], limits: Limits | None
) -> tuple[Clamped, ...]:
    key = stakes_key(strategy, assets)
    return tuple(
        Clamped(
            hotkey=entry.miner.hotkey,
            symbol=assets[stake.asset],
            asset=stake.asset,
            net=stake.net,
            limit=stake.limit,
            of_account=stake.basis != SERVED,
        )
        for entry in ranked
        for stake in starmap(PositionStake, stakes(entry.miner, strategy, key, limits))
        if stake.net
    )


def acted(before: Evaluation, after: Evaluation, symbol: str) -> bool:
    """Return whether a miner that counts, or counted, opened, closed or resized a position on a symbol."""
    counting = {entry.miner.hotkey for entry in (*before.ranked, *after.ranked)}
    old, new = before.holdings.get(symbol, {}), after.holdings.get(symbol, {})
    return any(old.get(hotkey) != new.get(hotkey) for hotkey in counting)
