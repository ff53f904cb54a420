"""An alert in our own fields, and what the adapters share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from te_core.api import SignalRejected
from te_signals_tradingview.formats.json_body import JsonObject
from te_signals_tradingview.formats.numbers import quoted, to_number


class Translation(NamedTuple):
    """An alert in our own fields."""

    fields: JsonObject
    product: str = ""
    """The product that the alert was made for; empty for our own format."""
    names: Mapping[str, str] = MappingProxyType({})
    """What the sender calls our fields, for errors."""
    closes: int = 0
    """1 for an alert that closes a long and nothing else, -1 for a short."""


class Act(NamedTuple):
    """What an action word asks for."""

    direction: str | None = None
    """The resulting position; None if the word does not state one."""
    closes: int = 0
    """1 if it closes a long and nothing else, -1 for a short."""


ENTER_EXIT = {
    "enter_long": Act(direction="long"),
    "enter_short": Act(direction="short"),
    "exit_long": Act(direction="flat", closes=1),
    "exit_short": Act(direction="flat", closes=-1),
}
"""The words of bots that hold one position per pair: entering one side leaves the other."""


def entered_or_exited(action: str, *, stated: bool, hint: str, amount: str, part: bool) -> Act | None:
    """Return what a bot's action asks for; None if the message states the position itself (``stated``).

    Raise ``SignalRejected`` if it states neither, with ``hint``, or if it exits only a ``part``, the field ``amount``.
    """
    act = ENTER_EXIT.get(action)
    if act is None and not stated:
        raise no_target(action, "action", hint)
    if act is not None and act.direction == "flat" and part:
        raise partial_exit(amount)
    return act


def word(fields: JsonObject, name: str) -> str:
    """Return a field in lower case; empty if it is missing or not a text."""
    value = fields.get(name)
    return value.strip().lower() if isinstance(value, str) else ""


def inner(fields: JsonObject, name: str) -> JsonObject:
    """Return a nested object; an empty one if it is missing."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def without(fields: JsonObject, *names: str) -> JsonObject:
    """Return the fields except some."""
    return {name: value for name, value in fields.items() if name not in names}


def present(**fields: Any) -> JsonObject:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "")}


def exchange_and(ticker: Any, exchange: Any) -> Any:
    """Return ``BYBIT:BTCUSDT.P``, or the ticker alone if no exchange is stated."""
    if isinstance(ticker, str) and isinstance(exchange, str) and exchange.strip() and ":" not in ticker:
        return f"{exchange.strip()}:{ticker.strip()}"
    return ticker


def whole(text: object, *, of: str) -> bool:
    """Return whether an amount is all of something: 100 (``of="100"``), with or without a percent sign."""
    number = to_number(text.strip().removesuffix("%")) if isinstance(text, str) else None
    return number is not None and number == to_number(of)


def no_target(action: str, name: str, instead: str) -> SignalRejected:
    """Return the refusal of an action that states an order, but not the resulting position."""
    return SignalRejected(
        f"{quoted(action)} is an order; the resulting position is not stated", field=name, hint=instead
    )


def partial_exit(name: str) -> SignalRejected:
    """Return the refusal of a partial exit: a size is the share that remains, and this does not state one."""
    return SignalRejected(
        "it closes a part of the position; how much of the whole remains is not stated",
        field=name,
        hint='send the share that remains: "size": "25/100", with the side that is still held',
    )
