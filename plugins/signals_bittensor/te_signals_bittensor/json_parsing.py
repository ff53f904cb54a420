"""JSON to Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


def _fast() -> Callable[[bytes], Any]:
    try:
        import orjson  # optional: several times faster where it is installed
    except ImportError:
        return json.loads
    return orjson.loads


_fast_loads = _fast()


def loads(raw: bytes) -> Any:
    """Parse JSON; Python's own parser is asked where the fast one refuses (``NaN``). Raises ``ValueError``."""
    try:
        return _fast_loads(raw)
    except ValueError:
        return json.loads(raw)
