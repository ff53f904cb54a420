"""What two alerts say about their own order: +1 if the new one is the later, -1 if the earlier, 0 for nothing."""

from __future__ import annotations

import re

from te_core.api import Signal
from te_signals_tradingview.message import Message
from te_signals_tradingview.number import to_number
from te_signals_tradingview.position import Stance

_COUNT = re.compile(r"[0-9]{1,100}")


def by_sequence(new: str | None, old: str | None) -> int:
    """Compare two sequences. Numbers compare as numbers, texts piece by piece (``run-9`` < ``run-10``).

    A number and a text say nothing about each other.
    """
    if new is None or old is None:
        return 0
    new_number, old_number = to_number(new), to_number(old)
    if new_number is not None and old_number is not None:
        return (new_number > old_number) - (new_number < old_number)
    if new_number is not None or old_number is not None:
        return 0
    new_pieces, old_pieces = _pieces(new), _pieces(old)
    return (new_pieces > old_pieces) - (new_pieces < old_pieces)


def by_event_id(new: Message, old: Signal) -> int:
    """Compare two event ids, if both are whole numbers: other ids may be random."""
    event_id = old.detail.get("event_id")
    if new.event_id is None or event_id is None:
        return 0
    if not (_COUNT.fullmatch(new.event_id) and _COUNT.fullmatch(event_id)):
        return 0
    return (int(new.event_id) > int(event_id)) - (int(new.event_id) < int(event_id))


def by_position(new: Message, old: Signal, before: Stance | None, *, single: bool) -> int:
    """Compare the position that each started from with the one that the other ended with.

    The new one is the earlier if it leads from the state before both to where the old one started; that takes an old
    one without a counterpart (``single``). Where it fits behind the old one too, as with long to flat and flat to long,
    it is the earlier unless the old one starts from the state before both as well.
    """
    came_from, started = new.came_from, Stance.recall(old.detail.get("from"))
    held = Stance.recall(old.detail.get("position"))
    if came_from is None or held is None:
        return 0
    follows = came_from.matches(held)
    leads = single and started is not None and started.matches(new.stance)
    leads = leads and (before is None or came_from.matches(before))
    if follows != leads:
        return 1 if follows else -1
    if not follows or started is None:
        return 0
    return 1 if before is None or started.matches(before) else -1


def by_time(new: Message, old: Signal) -> int:
    """Compare the times at which the alerts say that they fired, if the same field says so in both."""
    if new.time is None or new.clock is None or old.detail.get("clock") != new.clock:
        return 0
    return (new.time > old.time) - (new.time < old.time)


def same_moment(new: Message, old: Signal) -> bool:
    """Tell whether both say that they fired in the same second."""
    return new.clock is not None and old.detail.get("clock") == new.clock and new.time == old.time


def _pieces(text: str) -> list[str | int]:
    """Split into texts and numbers by turns, always beginning with a text, so that like compares with like."""
    return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"([0-9]+)", text))]
