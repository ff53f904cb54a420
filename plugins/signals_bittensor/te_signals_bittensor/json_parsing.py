"""JSON to Python, with orjson if it is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _fastest() -> Callable[[bytes], Any]:
    try:
        import orjson  # optional: several times faster
    except ImportError:
        return json.loads
    return orjson.loads


_fast_loads = _fastest()


def loads(raw: bytes) -> Any:
    """Parse JSON; falls back to Python's own parser for what orjson refuses (``NaN``). Raises ``ValueError``."""
    try:
        return _fast_loads(raw)
    except ValueError:
        return json.loads(raw)
