"""What stands where in the tree that a settings file says, without touching its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Keys = tuple[str, ...]
UNSET = object()
"""Stands for a key that is not in the settings."""


def value_at(tree: Mapping[str, Any], path: Keys) -> Any:
    """Give what stands at a path, ``UNSET`` where nothing does."""
    here: Any = tree
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return UNSET
        here = here[key]
    return here


def with_value(tree: Mapping[str, Any], path: Keys, value: Any) -> dict[str, Any]:
    """Give a tree that has something else at a path; ``UNSET`` takes it away."""
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
