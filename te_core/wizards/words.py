"""Formats values for people, in the notation of the settings file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretBytes, SecretStr

_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000))


def in_words(value: Any) -> str:
    """Format a value in the notation of the settings file."""
    match value:
        case SecretStr() | SecretBytes():
            return "set"
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return _duration(value)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return ", ".join(f"{key} = {in_words(item)}" for key, item in value.items()) or "empty"
        case list() | tuple():
            return ", ".join(in_words(item) for item in value) or "empty"
    return str(getattr(value, "value", value))


def _duration(value: timedelta) -> str:
    left = value // timedelta(microseconds=1)
    parts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
