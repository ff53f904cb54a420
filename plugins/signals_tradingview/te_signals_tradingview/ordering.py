"""Where an alert belongs among those that came before it: the rules of ``ordering = "trust"``.

All evidence is asked in the order in which it can be trusted, and the first that says something decides. Nothing waits:
the alert in force has acted; the new one takes over, or is placed before it and is only kept (``docs/tradingview.md``
has the table). Pure: what it needs to know of the past stands in the signals that the journal gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from te_core.api import Signal
from te_signals_tradingview.evidence import by_event_id, by_position, by_sequence, by_time, same_moment
from te_signals_tradingview.message import Message
from te_signals_tradingview.position import Stance

RESENDS = timedelta(seconds=30)
"""TradingView sends a message that got a 5xx again for the last time some 15 to 25 s after the first try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """How far two alerts may be apart to be a close and a reopening, or (from flat) an opening and its close."""

    reopening: timedelta = timedelta(seconds=5)
    from_flat: timedelta = timedelta(seconds=1)


_WINDOWS = Windows()


class Placement(NamedTuple):
    """``current``: the new one takes over. ``rule``: what decided that. ``memory``: for the decisions to come."""

    current: bool
    rule: str
    memory: Mapping[str, Any] = MappingProxyType({})


def place(
    new: Message,
    *,
    latest: Signal | None,
    arrived: Signal | None = None,
    symbol: str = "",
    windows: Windows = _WINDOWS,
) -> Placement:
    """Decide whether a message that has just arrived takes over from the latest current signal of its symbol.

    ``arrived``: what came last of all; if that is not ``latest``, it was placed before it, so that ``latest`` has its
    counterpart already. The rules, by name:

    - ``first``: there is nothing to take over from.
    - ``other_side``: it closes a long while a short is in force, or the reverse: that has nothing to close.
    - ``sequence``, ``event_id`` (of a pair, numbers only), ``previous_position``, ``time``: evidence in the alerts.
    - ``close_then_open``, ``exit``, ``open_then_close``: a flat and a position within the window, by the state before.
    - ``arrival``: otherwise what arrives later is the newer.
    """
    del symbol  # all symbols go by the same rules
    if latest is None:
        return Placement(current=True, rule="first")
    if new.closes and latest.depth * new.closes < 0:
        return Placement(current=False, rule="other_side")
    current, rule = _decide(new, latest, arrived is None or arrived is latest, windows)
    return Placement(current=current, rule=rule, memory=_memory(latest) if current else {})


def _decide(new: Message, latest: Signal, single: bool, windows: Windows) -> tuple[bool, str]:
    order = by_sequence(new.sequence, latest.sequence)
    if order:
        return order > 0, "sequence"
    before = _before(latest)
    pair = (
        (new.depth == 0) != (latest.depth == 0)
        and single
        and _within(new, latest, windows.from_flat if before == 0 else windows.reopening)
    )
    order = by_event_id(new, latest) if pair else 0
    if order:
        return order > 0, "event_id"
    if new.came_from is not None:
        order = by_position(new, latest, _stance_before(latest, before), single=single)
        if order > 0 or (order < 0 and new.received_at - latest.received_at <= RESENDS):
            return order > 0, "previous_position"
    order = by_time(new, latest)
    if order:
        return order > 0, "time"
    # Two alerts that say where they started, and do not fit together, have others between them: they are no pair.
    stated = new.came_from is not None and "from" in latest.detail
    return _by_state(latest, before) if pair and not stated else (True, "arrival")


def _by_state(latest: Signal, before: Decimal | None) -> tuple[bool, str]:
    """Order a position and a flat by what was held before both."""
    if before is None:
        return True, "arrival"
    if before == 0:
        return latest.depth != 0, "open_then_close"
    if before * latest.depth > 0:
        return True, "exit"
    return latest.depth == 0, "close_then_open"


def _before(latest: Signal) -> Decimal | None:
    """Give the depth that was in force before the latest signal; None where nobody knows."""
    kept = latest.detail.get("before")
    return None if kept is None else Decimal(kept)


def _stance_before(latest: Signal, before: Decimal | None) -> Stance | None:
    """Give the strategy's own position before the latest signal, or what the depth says of it."""
    stated = Stance.recall(latest.detail.get("was"))
    return stated if stated is not None or before is None else Stance((before > 0) - (before < 0))


def _memory(latest: Signal) -> dict[str, Any]:
    """What the next alert will need to know of the one that is now taken over from."""
    stated = latest.detail.get("position")
    return {"before": f"{latest.depth:f}", **({} if stated is None else {"was": stated})}


def _within(new: Message, latest: Signal, window: timedelta) -> bool:
    apart = abs(new.received_at - latest.received_at)
    return apart <= window or (apart <= RESENDS and same_moment(new, latest))
