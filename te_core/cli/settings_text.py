"""Changes single keys in the text of a settings file; everything else in it stays as its owner wrote it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, MutableMapping
from typing import Any, cast

import tomlkit
from tomlkit.items import InlineTable

from te_core.cli.failure import Failure
from te_core.cli.parameters import UNSET, Keys, value_at, with_value

Tree = MutableMapping[str, Any]


def holds(text: str, path: Keys) -> bool:
    """Tell whether a text says something at a path."""
    return value_at(tomllib.loads(text), path) is not UNSET


def changed(text: str, path: Keys, value: Any) -> str:
    """Give the text with a value in a place; ``UNSET`` takes it out.

    Raises ``Failure`` where the result would say anything else than that.
    """
    document = tomlkit.parse(text)
    parent: Tree = document
    for key in path[:-1]:
        if key not in parent:
            if value is UNSET:
                return text
            parent[key] = (
                tomlkit.inline_table()
                if isinstance(parent, InlineTable)
                else tomlkit.table(parent is document)
            )
        parent = cast("Tree", parent[key])
    _put(parent, path[-1], value)
    made = tomlkit.dumps(document)
    if tomllib.loads(made) != with_value(tomllib.loads(text), path, value):
        raise Failure(
            f"{'.'.join(path)} cannot be changed without disturbing what stands around it",
            next_step="edit the file yourself, then: te check",
        )
    return made


def _put(parent: Tree, key: str, value: Any) -> None:
    if value is UNSET:
        parent.pop(key, None)
        return
    present = parent.get(key)
    if isinstance(value, Mapping) and isinstance(present, MutableMapping):
        for name in [name for name in present if name not in value]:
            del present[name]
        present.update(value)
    elif isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        parent[key] = table
    else:
        parent[key] = value
