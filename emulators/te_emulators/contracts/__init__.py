"""Contracts and first prices that the emulated exchanges start with, in each exchange's own form."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _rows(venue: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / f"{venue}.json").read_text(encoding="utf-8"))
    return found


def response(venue: str, name: str) -> Any:
    """Return the rows stored under a name, inside their envelope."""
    return _rows(venue)[name]
