"""Setting types shared by the core and plugins, so that ``"30s"`` or ``0.1`` mean the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

_UNITS: dict[str, Decimal | int] = {
    "ms": Decimal("0.001"),
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86400,
    "w": 604800,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")

_EXPECTED = "a duration is a number of seconds or a text such as '30s', '5m', '12h', '7d'"


class MissingSecrets(ValueError):
    """Raised by an options model whose section lacks only its secrets: the instance waits until they are set.

    Required fields do not need this; it is for secrets that are required in some cases only.
    """

    def __init__(self, reason: str, *, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(reason)


def parse_duration(value: object) -> object:
    """Parse ``30``, ``"30s"``, ``"1h 30m"`` or ``"7d"`` into a ``timedelta``; return other values unchanged."""
    if isinstance(value, bool):
        raise ValueError(_EXPECTED)
    if isinstance(value, str):
        value = _seconds(value.strip().lower())
    if not isinstance(value, int | float | Decimal):
        return value
    try:
        return timedelta(microseconds=round(value * 1_000_000))
    except OverflowError:
        raise ValueError(f"{value} seconds exceeds the longest possible duration") from None


def _seconds(text: str) -> Decimal:
    if _SECONDS.fullmatch(text):  # an environment variable can hold 30 only as text
        return Decimal(text)
    if not text or _DURATION.sub("", text).strip():
        raise ValueError(_EXPECTED)
    return sum((Decimal(number) * _UNITS[unit] for number, unit in _DURATION.findall(text)), Decimal(0))


def _decimal_from_text(value: object) -> object:
    """Convert a TOML float to the decimal that was written, not to its binary value."""
    return Decimal(repr(value)) if isinstance(value, float) else value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), Field(ge=timedelta(0))]
Number = Annotated[Decimal, BeforeValidator(_decimal_from_text), Field(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
