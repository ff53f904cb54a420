"""Whether what arrives is newer than what is in force. All ordering rules stand here and nowhere else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from te_core.api import Signal
from te_signals_tradingview.message import Message
from te_signals_tradingview.number import to_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """``current``: the new one takes over. ``rule``: what decided that."""

    current: bool
    rule: str


def place(new: Message, latest: Signal | None) -> Placement:
    """Decide whether a message that has just arrived takes over from the latest current signal of its symbol.

    - ``first``: there is none to take over from.
    - ``sequence``: both carry a sequence, and they differ: the higher one is the newer. Numbers compare as numbers;
      texts compare piece by piece, runs of digits as numbers (``run-9`` < ``run-10``).
    - ``arrival``: otherwise, also where a number meets a text: what arrives later is the newer.
    """
    if latest is None:
        return Placement(current=True, rule="first")
    order = _compare(new.sequence, latest.sequence)
    if order == 0:
        return Placement(current=True, rule="arrival")
    return Placement(current=order > 0, rule="sequence")


def _compare(new: str | None, old: str | None) -> int:
    """Give +1, -1, or 0 where sequences say nothing."""
    if new is None or old is None:
        return 0
    new_number, old_number = to_number(new), to_number(old)
    if new_number is not None and old_number is not None:
        return (new_number > old_number) - (new_number < old_number)
    if new_number is not None or old_number is not None:
        return 0
    new_pieces, old_pieces = _pieces(new), _pieces(old)
    return (new_pieces > old_pieces) - (new_pieces < old_pieces)


def _pieces(text: str) -> list[str | int]:
    """Split into texts and numbers by turns, always beginning with a text, so that like compares with like."""
    return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"([0-9]+)", text))]
