"""Everything that one network means, calculated off the event loop. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import starmap

from te_signals_bittensor.combination import Opinion, Stated, combine, stakes, stakes_key
from te_signals_bittensor.entities import ranked_by_entity
from te_signals_bittensor.limits import SERVED, Limits
from te_signals_bittensor.network import Miner, Network, Position
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Ranked, Strategy

Book = Mapping[str, Mapping[str, float]]
"""Symbol → hotkey → what the miner holds of it, of all miners whether they count or not."""

_ASSET = Position._fields.index("asset")
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an evaluation depends on beside miners and strategy. ``limits``: None for positions as they are served.

    ``eliminated``: hotkeys that take no part. ``per_entity``: see ``ranked_by_entity``.
    """

    limits: Limits | None = None
    eliminated: Collection[str] = ()
    per_entity: int | str = 0


AS_SERVED = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamped:
    """A position beyond its limit: it counts as one that is at it."""

    hotkey: str
    symbol: str
    asset: str
    net: float
    limit: float
    known: bool
    """Whether the limit is the account's own; False for the constant that is served with every position of the pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """``book`` tells what miners did since the last one, apart from how their ranks moved."""

    ranked: tuple[Ranked, ...]
    opinions: Mapping[str, Opinion]
    book: Book
    miners: int
    left_out: Mapping[str, int]
    clamped: tuple[Clamped, ...] = ()
    """Of the miners that count."""
    excluded: Mapping[str, int] = field(default_factory=dict)
    """How many miners took no part, by reason."""
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
        book=_book(network, strategy, assets, terms.limits),
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
    """Return the size of a miner's account in USD, as far as upstream states it."""
    account = limits.accounts.get(miner.hotkey) if limits is not None else None
    if account is not None and account.size is not None:
        return account.size
    served = [position.account_size for position in map(Position._make, miner.rows) if position.account_size]
    return served[-1] if served else None


def _trades(miners: Sequence[Miner], assets: Mapping[str, str]) -> bool:
    return any(row[_ASSET] in assets for miner in miners for row in (*miner.settled.rows, *miner.rows))


def _traded_instead(miners: Sequence[Miner]) -> str:
    """Return what miners hold, or held if none holds anything, the commonest first; "" if they never did."""
    held = Counter(row[_ASSET] for miner in miners for row in miner.rows)
    held = held or Counter(row[_ASSET] for miner in miners for row in miner.settled.rows)
    shown = ", ".join(asset for asset, _ in held.most_common(_SHOWN))
    return shown + (f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else "")


def _book(network: Network, strategy: Strategy, assets: Mapping[str, str], limits: Limits | None) -> Book:
    book: dict[str, dict[str, float]] = {symbol: {} for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for miner in network.miners:
        for asset, share, *_ in stakes(miner, strategy, key, limits):
            held = book[assets[asset]]
            held[miner.hotkey] = held.get(miner.hotkey, 0.0) + share
    return book


def _clamped(
    ranked: Sequence[Ranked], strategy: Strategy, assets: Mapping[str, str], limits: Limits | None
) -> tuple[Clamped, ...]:
    key = stakes_key(strategy, assets)
    return tuple(
        Clamped(
            hotkey=entry.miner.hotkey,
            symbol=assets[stated.asset],
            asset=stated.asset,
            net=stated.net,
            limit=stated.limit,
            known=stated.basis != SERVED,
        )
        for entry in ranked
        for stated in starmap(Stated, stakes(entry.miner, strategy, key, limits))
        if stated.net
    )


def acted(before: Evaluation, after: Evaluation, symbol: str) -> bool:
    """Tell whether a miner that counts, or counted, opened, closed or resized something on a symbol."""
    counting = {entry.miner.hotkey for entry in (*before.ranked, *after.ranked)}
    old, new = before.book.get(symbol, {}), after.book.get(symbol, {})
    return any(old.get(hotkey) != new.get(hotkey) for hotkey in counting)
