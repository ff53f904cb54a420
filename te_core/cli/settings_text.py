"""Changes single keys in the text of a settings file and leaves everything else as its owner wrote it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, cast

import tomlkit
from tomlkit.container import Container
from tomlkit.items import InlineTable, Table

from te_core.cli.failure import Failure
from te_core.cli.settings_tree import UNSET, Keys, value_at, with_value

Tree = MutableMapping[str, Any]


def holds(text: str, path: Keys) -> bool:
    """Return whether a text has a value at a path."""
    return value_at(tomllib.loads(text), path) is not UNSET


def changed(text: str, path: Keys, value: Any) -> str:
    """Return the text with a value set at a path; ``UNSET`` removes it.

    Raises ``Failure`` if the edit would change anything else.
    """
    document = tomlkit.parse(text)
    parent: Tree = document
    tail: list[Any] | None = None
    for key in path[:-1]:
        if key not in parent:
            if value is UNSET:
                return text
            if isinstance(parent, InlineTable):
                parent[key] = tomlkit.inline_table()
            else:
                tail = tail if tail is not None else _tail(parent)
                parent[key] = tomlkit.table(parent is document)
        parent = cast("Tree", parent[key])
    if value is UNSET and isinstance(parent.get(path[-1]), Table):
        _remove(document, parent, path[-1])
    else:
        _put(parent, path[-1], value)
    if tail is not None:
        cast("Table", parent).value.body.extend(tail or [(None, tomlkit.nl())])
    made = tomlkit.dumps(document)
    if not _says(made, with_value(tomllib.loads(text), path, value), path):
        raise Failure(
            f"{'.'.join(path)} cannot be changed without changing the lines around it",
            next_step="edit the file yourself, then: te check",
        )
    return made


def _says(text: str, expected: Mapping[str, Any], path: Keys) -> bool:
    """Return whether a text parses to what is expected; a table whose last key was removed may be gone, too."""
    found: Mapping[str, Any] = tomllib.loads(text)
    for size in range(len(path) - 1, 0, -1):
        if value_at(expected, path[:size]) == {} and value_at(found, path[:size]) is UNSET:
            expected = with_value(expected, path[:size], UNSET)
    return found == expected


def _remove(document: Tree, parent: Tree, key: str) -> None:
    """Remove a table, but not the comments at its end: they belong to what follows."""
    table = parent[key]
    tail = _tail(table)
    tables = [each for each in _tables(document) if each is table or not each.is_super_table()]
    index = next(number for number, each in enumerate(tables) if each is table)
    del parent[key]
    body = tables[index - 1].value.body if index else _body(document)
    body.extend(tail)


def _tables(parent: Tree) -> Iterator[Table]:
    """Yield all tables in file order."""
    for _, item in _body(parent):
        if isinstance(item, Table):
            yield item
            yield from _tables(item)


def _put(parent: Tree, key: str, value: Any) -> None:
    if value is UNSET:
        parent.pop(key, None)
        return
    present = parent.get(key)
    if isinstance(value, Mapping) and isinstance(present, MutableMapping):
        for name in [name for name in present if name not in value]:
            del present[name]
        for name, item in value.items():
            _put(present, name, item)
        return
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        value = table
    if key in parent:
        parent[key] = value
    else:
        _add(parent, key, value)


def _add(parent: Tree, key: str, value: Any) -> None:
    """Add a key after the last one."""
    tail = _tail(parent, deep=False)
    parent[key] = value
    if tail:
        _body(parent).extend(tail)


def _tail(parent: Tree, *, deep: bool = True) -> list[Any]:
    """Remove and return the comments and blank lines that end a table or its last one: they belong to what follows."""
    body = _body(parent)
    tail: list[Any] = []
    if all(key is None for key, _ in body):
        return tail  # comments at the start of a file or in an empty table belong to it as a whole
    while body[-1][0] is None:
        tail.insert(0, body.pop())
    if deep and isinstance(body[-1][1], Table):
        return _tail(body[-1][1]) + tail
    return tail


def _body(parent: Tree) -> list[Any]:
    if isinstance(parent, Table):
        return parent.value.body
    return parent.body if isinstance(parent, Container) else []
