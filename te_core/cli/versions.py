"""Earlier versions of the settings: kept whenever a command replaces them, in the state folder."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from te_core.settings.layers import Texts

FOLDER = "settings"
"""Below the state folder."""
KEPT = 50
PARTS = ("settings.toml", "secrets.toml")


def persist(state: Path, texts: Texts) -> None:
    """Keep a version before it is replaced, readable by its owner only; the oldest beyond 50 go. Raises ``OSError``."""
    from te_core.clock import SystemClock
    from te_core.settings.files import replace_file
    from te_core.settings.secrets import MODE

    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = SystemClock().now().astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for part, text in zip(PARTS, (texts.settings, texts.secrets), strict=True):
        if text is not None:
            replace_file(folder / f"{name}.{part}", text, mode=MODE)
    for old in versions(state)[KEPT:]:
        _forget(folder, old)


def versions(state: Path) -> list[str]:
    """Return the names of the versions that are kept, the newest first; a name is the time of its end, in UTC."""
    names = {path.name.removesuffix(f".{PARTS[0]}") for path in (state / FOLDER).glob(f"*.{PARTS[0]}")}
    return sorted(names, reverse=True)


def _forget(folder: Path, version: str) -> None:
    for part in PARTS:
        (folder / f"{version}.{part}").unlink(missing_ok=True)


def text_of(path: Path) -> str | None:
    """Return a file's text; None where there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else None
