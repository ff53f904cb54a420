"""Recorded responses of the exchanges. The repo does not hold them: a test that needs one skips where they are absent.

They are next to the checkout, or in the folder that the environment variable ``TE_SAMPLES`` names.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "venues" / "samples"
SAMPLES = Path(os.environ.get("TE_SAMPLES", BESIDE))


@cache
def _read(file: Path) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(file.read_text(encoding="utf-8"))["entries"])


def entries(venue: str) -> tuple[dict[str, Any], ...]:
    """All entries of an exchange: name, request, response, source, provenance, perhaps note."""
    file = SAMPLES / f"{venue}.json"
    if not file.exists():
        pytest.skip(
            f"the recorded answers are not here: {file.name} next to the checkout or in TE_SAMPLES",
            allow_module_level=True,
        )
    return _read(file)


def response(venue: str, name: str) -> Any:
    """Return the response of the first entry whose name starts with ``name``."""
    for entry in entries(venue):
        if entry["name"].startswith(name):
            return entry["response"]
    raise KeyError(f"no sample {name!r} of {venue}")
