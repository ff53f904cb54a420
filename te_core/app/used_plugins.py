"""The distribution of each plugin, stored so that another one of the same name does not replace it unnoticed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from te_core.settings.files import replace_file

FILE = "plugins.json"


def read(state: Path) -> dict[str, str]:
    """Return the distributions by plugin name; empty if nothing was stored, or it cannot be read."""
    try:
        found = json.loads((state / FILE).read_text(encoding="utf-8"))
        return {str(name): str(distribution) for name, distribution in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(state: Path, used: Mapping[str, str]) -> None:
    """Store the distributions, if they changed. Raise `OSError` if they cannot be written."""
    if read(state) != used:
        replace_file(state / FILE, json.dumps(used, indent=2, sort_keys=True) + "\n", mode=0o600)
