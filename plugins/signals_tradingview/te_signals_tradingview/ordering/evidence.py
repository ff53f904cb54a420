"""What two alerts state about their own order: +1 if the new one is the later, -1 if the earlier, 0 if unknown."""

from __future__ import annotations

import re

from te_core.api import Signal
from te_signals_tradingview.formats.alert import Alert
from te_signals_tradingview.formats.numbers import to_number
from te_signals_tradingview.formats.stated_position import StatedPosition

_WHOLE_NUMBER = re.compile(r"[0-9]{1,100}")


def by_sequence(new: str | None, old: str | None) -> int:
    """Compare two sequences. Numbers compare as numbers, texts piece by piece (``run-9`` < ``run-10``).

    A number and a text are not comparable.
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


def by_event_id(new: Alert, old: Signal) -> int:
    """Compare two event ids if both are whole numbers; other ids may be random."""
    event_id = old.detail.get("event_id")
    if new.event_id is None or event_id is None:
        return 0
    if not (_WHOLE_NUMBER.fullmatch(new.event_id) and _WHOLE_NUMBER.fullmatch(event_id)):
        return 0
    return (int(new.event_id) > int(event_id)) - (int(new.event_id) < int(event_id))


def by_position(new: Alert, old: Signal, before: StatedPosition | None, *, single: bool) -> int:
    """Compare the position that each order started from with the one that the other ended with.

    The new alert is the earlier if it leads from the position before both to where the old one started; this requires
    an old alert without a counterpart (``single``). If it also fits after the old one, as with long to flat and flat to
    long, it is the earlier unless the old one starts from the position before both as well.
    """
    previous, started = new.previous_position, StatedPosition.from_detail(old.detail.get("from"))
    held = StatedPosition.from_detail(old.detail.get("position"))
    if previous is None or held is None:
        return 0
    follows = previous.matches(held)
    leads = single and started is not None and started.matches(new.position)
    leads = leads and (before is None or previous.matches(before))
    if follows != leads:
        return 1 if follows else -1
    if not follows or started is None:
        return 0
    return 1 if before is None or started.matches(before) else -1


def by_time(new: Alert, old: Signal) -> int:
    """Compare the times at which the alerts fired, if both state it in the same field."""
    if new.time is None or new.fired_field is None or old.detail.get("clock") != new.fired_field:
        return 0
    return (new.time > old.time) - (new.time < old.time)


def same_second(new: Alert, old: Signal) -> bool:
    """Return whether both state the same time of firing in the same field."""
    return new.fired_field is not None and old.detail.get("clock") == new.fired_field and new.time == old.time


def _pieces(text: str) -> list[str | int]:
    """Split into alternating texts and numbers, starting with a text, so that like compares with like."""
    return [int(piece) if index % 2 else piece for index, piece in enumerate(re.split(r"([0-9]+)", text))]
