"""Everything that one network means, calculated off the event loop. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from te_signals_bittensor.combination import Opinion, combine, stakes, stakes_key
from te_signals_bittensor.network import Network
from te_signals_bittensor.parameters import Parameters
from te_signals_bittensor.strategy import Ranked, Strategy

Book = Mapping[str, Mapping[str, float]]
"""Symbol → hotkey → what the miner holds of it, of all miners whether they count or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """``book`` tells what miners did since the last one, apart from how their ranks moved."""

    ranked: tuple[Ranked, ...]
    opinions: Mapping[str, Opinion]
    book: Book
    miners: int
    left_out: Mapping[str, int]


def evaluate(
    network: Network, strategy: Strategy, *, assets: Mapping[str, str], parameters: Parameters, now: datetime
) -> Evaluation:
    """Rank the miners and combine what they hold."""
    ranked = strategy.rank(network.miners, assets=assets, parameters=parameters, now=now)
    return Evaluation(
        ranked=ranked,
        opinions=combine(ranked, strategy, assets),
        book=_book(network, strategy, assets),
        miners=len(network.miners),
        left_out=network.left_out,
    )


def _book(network: Network, strategy: Strategy, assets: Mapping[str, str]) -> Book:
    book: dict[str, dict[str, float]] = {symbol: {} for symbol in assets.values()}
    key = stakes_key(strategy, assets)
    for miner in network.miners:
        for asset, share, _ in stakes(miner, strategy, key):
            held = book[assets[asset]]
            held[miner.hotkey] = held.get(miner.hotkey, 0.0) + share
    return book


def acted(before: Evaluation, after: Evaluation, symbol: str) -> bool:
    """Tell whether a miner that counts, or counted, opened, closed or resized something on a symbol."""
    counting = {entry.miner.hotkey for entry in (*before.ranked, *after.ranked)}
    old, new = before.book.get(symbol, {}), after.book.get(symbol, {})
    return any(old.get(hotkey) != new.get(hotkey) for hotkey in counting)
