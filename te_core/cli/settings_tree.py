"""Reads and changes values at paths of a parsed settings tree, without touching the file's text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Keys = tuple[str, ...]
UNSET = object()
"""Stands for a key that is not in the settings."""


def value_at(tree: Mapping[str, Any], path: Keys) -> Any:
    """Return the value at a path; ``UNSET`` if there is none."""
    here: Any = tree
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return UNSET
        here = here[key]
    return here


def with_value(tree: Mapping[str, Any], path: Keys, value: Any) -> dict[str, Any]:
    """Return a copy of the tree with another value at a path; ``UNSET`` removes it."""
    changed = dict(tree)
    key, *below = path
    if value is UNSET and value_at(tree, path) is UNSET:
        return changed
    if below:
        inner = changed.get(key)
        changed[key] = with_value(inner if isinstance(inner, Mapping) else {}, tuple(below), value)
    elif value is UNSET:
        changed.pop(key, None)
    else:
        changed[key] = value
    return changed
