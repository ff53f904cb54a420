"""From a message to a signal: a pure function of the message, the mapping and the signals before it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import partial
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from te_core.api import Signal
from te_signals_tradingview import ordering, parity
from te_signals_tradingview.message import Message
from te_signals_tradingview.options import TradingViewOptions
from te_signals_tradingview.ordering import Placement
from te_signals_tradingview.position import Stance
from te_signals_tradingview.symbols import SymbolMap


class Place(Protocol):
    """One of the two orderings."""

    def __call__(
        self, new: Message, *, symbol: str, latest: Signal | None, arrived: Signal | None
    ) -> Placement:
        """Place a message among the latest current signal of its symbol and the one that arrived last."""
        ...


def ordering_of(options: TradingViewOptions) -> Place:
    """Give the rules that a source's settings ask for."""
    if options.ordering == "trust":
        windows = ordering.Windows(reopening=options.window, from_flat=options.window_from_flat)
        return partial(ordering.place, windows=windows)
    told = options.parity
    prior = {symbol: state == "open" for symbol, state in told.prior.items()}
    zone = UTC if told.zone == "UTC" else ZoneInfo(told.zone)  # UTC needs no database of time zones
    return partial(parity.place, habits=parity.Habits(poll=told.poll, zone=zone, prior=prior))


def interpret(
    message: Message,
    *,
    source: str,
    symbols: SymbolMap,
    latest: Callable[[str], Signal | None],
    arrived: Callable[[str], Signal | None],
    place: Place,
    delivery_id: str,
    raw: str = "",
) -> Signal:
    """Build the signal and place it among those that came before. Raises ``SignalRejected``.

    ``raw``: the message as it came, without secrets, for the record.
    """
    symbol = symbols.resolve(message.symbol, field=message.symbol_field)
    current = latest(symbol)
    placement = place(message, symbol=symbol, latest=current, arrived=arrived(symbol))
    detail = _detail(message)
    detail.update(placement.memory)
    if raw:
        detail["raw"] = raw
    if placement.current and (missed := _missed(message, current)):
        detail["note"] = missed
    return Signal(
        source=source,
        symbol=symbol,
        depth=message.depth,
        time=message.time or message.received_at,
        received_at=message.received_at,
        leverage=message.leverage,
        price=message.price,
        sequence=message.sequence,
        delivery_id=delivery_id,
        current=placement.current,
        rule=placement.rule,
        exits=message.exits,
        detail=detail,
    )


def _missed(message: Message, current: Signal | None) -> str:
    """Say what does not fit, where an order started from another position than the last alert ended with."""
    if message.came_from is None or current is None:
        return ""
    side = (current.depth > 0) - (current.depth < 0)
    held = Stance.recall(current.detail.get("position")) or Stance(side)
    return (
        ""
        if message.came_from.matches(held)
        else f"its order started from {message.came_from}, the last alert ended {held}"
    )


def _detail(message: Message) -> dict[str, Any]:
    detail: dict[str, Any] = {"spelling": message.symbol}
    if message.product:
        detail["format"] = message.product
    if message.clock is not None:
        detail["clock"] = message.clock
    if message.came_from is not None:
        detail["from"] = message.came_from.kept()
        detail["position"] = message.stance.kept()
    if message.event_id is not None:
        detail["event_id"] = message.event_id
    if message.exits_unread:
        detail["exits_unread"] = list(message.exits_unread)
    if message.extra:
        detail["extra"] = message.extra
    if message.dropped:
        detail["extra_dropped"] = message.dropped
    return detail
