"""What an adapter makes of a message, and what adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from te_core.api import SignalRejected
from te_signals_tradingview.number import quoted, to_number
from te_signals_tradingview.payload import Payload

SIDES = {"long": 1, "short": -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A message in our fields. ``names``: what the sender calls them, for errors.

    ``closes``: 1 closes a long and nothing else, -1 a short.
    """

    product: str
    fields: Payload
    names: Mapping[str, str] = field(default_factory=dict)
    closes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What an action word asks for: the position that results (None: it does not say) and what it closes."""

    direction: str | None = None
    closes: int = 0


ENTER_EXIT = {
    "enter_long": Act(direction="long"),
    "enter_short": Act(direction="short"),
    "exit_long": Act(direction="flat", closes=1),
    "exit_short": Act(direction="flat", closes=-1),
}
"""The words of bots that hold one position per pair: entering the one side leaves the other."""


def word(payload: Payload, name: str) -> str:
    """Give a field in lower case; empty where there is none."""
    value = payload.get(name)
    return value.strip().lower() if isinstance(value, str) else ""


def inner(payload: Payload, name: str) -> Payload:
    """Give an object within a message; an empty one where there is none."""
    value = payload.get(name)
    return value if isinstance(value, dict) else {}


def without(payload: Payload, *names: str) -> Payload:
    """Give a message without some of its fields."""
    return {name: value for name, value in payload.items() if name not in names}


def present(**fields: Any) -> Payload:
    """Give those fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "")}


def exchange_and(ticker: Any, exchange: Any) -> Any:
    """Give ``BYBIT:BTCUSDT.P``, or the ticker alone where no exchange is stated."""
    if isinstance(ticker, str) and isinstance(exchange, str) and exchange.strip() and ":" not in ticker:
        return f"{exchange.strip()}:{ticker.strip()}"
    return ticker


def whole(text: object, *, of: str) -> bool:
    """Tell whether an amount is all of something: 100 (``of="100"``), perhaps with a percent sign."""
    number = to_number(text.strip().removesuffix("%")) if isinstance(text, str) else None
    return number is not None and number == to_number(of)


def no_target(action: str, name: str, instead: str) -> SignalRejected:
    """Refuse an action that orders something without saying what position shall result."""
    return SignalRejected(
        f"{quoted(action)} is an order; which position shall result is not stated", field=name, hint=instead
    )


def partial_exit(name: str) -> SignalRejected:
    """Refuse an exit of a part: what remains is not stated, and it is a share of what we hold that is asked for."""
    return SignalRejected(
        "it closes a part of the position; how much of the whole remains is not stated",
        field=name,
        hint='send the share that remains: "size": "25/100", with the side that is still held',
    )
