"""Which package each plugin came from: remembered, so that another one of the same name does not take its place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from te_core.settings.files import replace_file

FILE = "plugins.json"


def read(state: Path) -> dict[str, str]:
    """Return the distributions by the plugins' names; none where nothing was remembered, or it cannot be read."""
    try:
        found = json.loads((state / FILE).read_text(encoding="utf-8"))
        return {str(name): str(distribution) for name, distribution in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def remember(state: Path, used: Mapping[str, str]) -> None:
    """Write it, if it changed. Raises ``OSError``."""
    if read(state) != used:
        replace_file(state / FILE, json.dumps(used, indent=2, sort_keys=True) + "\n", mode=0o600)
