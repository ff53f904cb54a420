"""Read single values of the core's settings with the standard library only, for commands that call a running engine.

The layers are those of ``te_core.settings.layers``; importing that, the schema and its libraries would take longer
than the request to the engine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SECRETS_FILE = ".secrets.toml"
PREFIX = "TE_"
OWN_VARIABLES = frozenset({"TE_HOME", "TE_SETTINGS"})

_NOTHING = object()


def peek(file: Path, env: Mapping[str, str], path: Sequence[str]) -> Any:
    """Return one value as the layers define it, or None if it is missing, whatever else is wrong with them.

    For commands that must reach an engine which runs with its last valid settings. ``path``: keys of the core's
    schema, in lower case.
    """
    found: Any = None
    for tree in (_tree(file), _tree(file.with_name(SECRETS_FILE)), *_variables(env)):
        value = _below(tree, path)
        if value is not _NOTHING and not isinstance(value, dict):
            found = value
    return found


def names(file: Path, env: Mapping[str, str], table: str) -> list[str]:
    """Return the names of a table's sections as the layers define them, such as those of all ``accounts``."""
    found: dict[str, None] = {}
    for tree in (_tree(file), _tree(file.with_name(SECRETS_FILE)), *_variables(env)):
        sections = _below(tree, (table,))
        found |= dict.fromkeys(sections if isinstance(sections, dict) else ())
    return list(found)


def structure(text: str) -> Any:
    """Return the value of a variable: its text, unless that is a complete TOML array or inline table."""
    if text.lstrip()[:1] not in {"[", "{"}:
        return text
    try:
        return tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _tree(file: Path) -> Any:
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError):
        return {}


def _variables(env: Mapping[str, str]) -> Iterator[Any]:
    for name in sorted(name for name in env if name.startswith(PREFIX) and name not in OWN_VARIABLES):
        value = structure(env[name])
        for step in reversed(name.removeprefix(PREFIX).split("__")):
            value = {step.lower() if step.isupper() else step: value}
        yield value


def _below(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return _NOTHING
        tree = tree[key]
    return tree
