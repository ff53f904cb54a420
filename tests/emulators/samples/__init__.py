"""Recorded answers of the exchanges, one file per exchange; each entry names its source and provenance."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@cache
def entries(venue: str) -> tuple[dict[str, Any], ...]:
    """All entries of an exchange: name, request, response, source, provenance, perhaps note."""
    return tuple(json.loads((HERE / f"{venue}.json").read_text())["entries"])


def response(venue: str, name: str) -> Any:
    """The answer of the first entry whose name starts with ``name``."""
    for entry in entries(venue):
        if entry["name"].startswith(name):
            return entry["response"]
    raise KeyError(f"no sample {name!r} of {venue}")
