"""From a message to a signal: a pure function of the message, the mapping and the latest signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from te_core.api import Signal
from te_signals_tradingview.message import Message
from te_signals_tradingview.ordering import place
from te_signals_tradingview.symbols import SymbolMap


def interpret(
    message: Message,
    *,
    source: str,
    symbols: SymbolMap,
    latest: Callable[[str], Signal | None],
    delivery_id: str,
) -> Signal:
    """Build the signal and place it among those that came before. Raises ``SignalRejected``."""
    symbol = symbols.resolve(message.symbol)
    placement = place(message, latest(symbol))
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
        detail=_detail(message),
    )


def _detail(message: Message) -> dict[str, Any]:
    detail: dict[str, Any] = {"spelling": message.symbol}
    if message.event_id is not None:
        detail["event_id"] = message.event_id
    if message.extra:
        detail["extra"] = message.extra
    if message.dropped:
        detail["extra_dropped"] = message.dropped
    return detail
