"""Stores earlier versions of settings.toml in the state folder whenever a command replaces it; never secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.layers import Texts

FOLDER = "settings"
"""Below the state folder."""
KEPT = 50
_SUFFIX = ".settings.toml"


def persist(paths: Paths, texts: Texts) -> bool:
    """Store a version before it is replaced, and delete the oldest beyond 50; return whether it was stored.

    A version that contains secrets, or may contain them because it is refused, is not stored: keys are never copied to
    a second place. Raises ``OSError``.
    """
    from te_core.clock import SystemClock
    from te_core.settings.files import replace_file
    from te_core.settings.problems import SettingsInvalid
    from te_core.settings.secrets import MODE

    text = texts.settings
    try:
        if text is None or redactor_of_version(paths, texts)(text) != text:
            return False
    except SettingsInvalid:
        return False
    folder = paths.state / FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = SystemClock().now().astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    replace_file(folder / f"{name}{_SUFFIX}", text, mode=MODE)
    for old in versions(paths.state)[KEPT:]:
        (folder / f"{old}{_SUFFIX}").unlink(missing_ok=True)
    return True


def versions(state: Path) -> list[str]:
    """Return the names of the stored versions, newest first; a name is the UTC time of the replacement."""
    names = (path.name.removesuffix(_SUFFIX) for path in (state / FOLDER).glob(f"*{_SUFFIX}"))
    return sorted(names, reverse=True)


def text_of(state: Path, version: str) -> str:
    """Return the text of a stored version. Raises ``OSError``."""
    return (state / FOLDER / f"{version}{_SUFFIX}").read_text(encoding="utf-8")


def redactor_of_version(paths: Paths, texts: Texts) -> Callable[[str], str]:
    """Return a function that hides a version's secrets. Raises ``SettingsInvalid`` if they cannot be identified."""
    from te_core.cli.instances import load, redactor_of

    resolved, registry, _ = load(paths, as_at_start=True, texts=texts)
    return redactor_of(resolved.settings, registry).redact
