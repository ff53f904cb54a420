"""The ranking at length, for ``te bittensor miners``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from te_signals_bittensor.evaluation import Evaluation
from te_signals_bittensor.wording import Moment, depth_of

LONGEST = 1000
"""Miners that are shown at most."""


def report_of(evaluation: Evaluation, moment: Moment, strategy: str) -> dict[str, Any]:
    """Give every miner that counts, best first: weight, score with its terms, and what it holds by symbol."""
    return {
        "strategy": strategy,
        "said_at": moment.said_at.isoformat(),
        "received_at": moment.received_at.isoformat(),
        "miners": evaluation.miners,
        "left_out": dict(evaluation.left_out),
        "ranked": len(evaluation.ranked),
        "depths": {symbol: f"{depth_of(opinion):f}" for symbol, opinion in evaluation.opinions.items()},
        "ranking": [
            {
                "rank": rank,
                "miner": entry.miner.hotkey,
                "weight": _digits(entry.weight),
                "score": _digits(entry.score),
                "terms": {name: _digits(value) for name, value in entry.terms.items()},
                "holds": _holds(evaluation, entry.miner.hotkey),
            }
            for rank, entry in enumerate(evaluation.ranked[:LONGEST], 1)
        ],
    }


def _holds(evaluation: Evaluation, hotkey: str) -> Mapping[str, str]:
    return {symbol: _digits(held[hotkey]) for symbol, held in evaluation.book.items() if hotkey in held}


def _digits(value: float) -> str:
    return f"{value:.6g}"
