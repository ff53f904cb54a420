"""Decimals as exchanges write them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from te_emulators.core.errors import BadParameter


def plain(value: Decimal, places: int | None = None) -> str:
    """Without exponent and trailing zeros, cut to at most ``places`` decimals."""
    if places is not None:
        value = round(value, places)
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def number(value: object, name: str) -> Decimal:
    """A number of a request, sent as text or number; raises BadParameter naming the parameter."""
    if isinstance(value, bool) or value is None:
        raise BadParameter(f"{name} is missing or no number")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise BadParameter(f"{name} is not a number") from None
    if not found.is_finite():
        raise BadParameter(f"{name} is not a number")
    return found


def text(arguments: dict[str, object], name: str) -> str:
    """Return a required text; raises BadParameter naming it."""
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise BadParameter(f"{name} is missing")
    return value
