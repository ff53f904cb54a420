"""What a pydantic model defines about the keys below it: which are known, and which hold secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from te_core.settings.origin import Path

SECRET_TYPES = (SecretStr, SecretBytes, Secret)
Shape = tuple[Any, ...]
ANYTHING: Shape = (Any,)


class Node(NamedTuple):
    """A value below a model."""

    path: Path
    shape: Shape | None
    """Its possible types, or None if the model has no such key."""
    value: Any


def names(field: str, info: FieldInfo) -> set[str]:
    """Return every spelling of a field's key."""
    aliases = {info.alias, info.validation_alias}
    if isinstance(info.validation_alias, AliasChoices):
        aliases |= set(info.validation_alias.choices)
    return {field, *(alias for alias in aliases if isinstance(alias, str))}


def known_keys(shape: Shape) -> set[str]:
    """Return the keys of the models among the possible types; empty if none is a model."""
    return {
        key
        for model in models(shape)
        for field, info in model.model_fields.items()
        for key in names(field, info)
    }


def is_secret(shape: Shape | None) -> bool:
    """Return whether a value of this shape, or a part of it, is a secret."""
    return any(isinstance(kind, type) and issubclass(kind, SECRET_TYPES) for kind in _parts(shape or ()))


def below(shape: Shape, key: str | int) -> Shape | None:
    """Return the shape of a key; None if there is a model and it does not know the key."""
    found = models(shape)
    if not found:
        return tuple(arg for kind in _alternatives(shape) for arg in get_args(kind)) or ANYTHING
    fields = [
        info.annotation
        for model in found
        for field, info in model.model_fields.items()
        if key in names(field, info)
    ]
    if not fields and any(model.model_config.get("extra") == "allow" for model in found):
        return ANYTHING
    return tuple(fields) or None


def at(model: type[BaseModel], path: Path) -> Shape | None:
    """Return the shape at a path below a model; None if a key on the way is unknown."""
    shape: Shape | None = (model,)
    for step in path:
        shape = below(shape, step) if shape else None
    return shape


def walk(shape: Shape | None, value: Any, path: Path = ()) -> Iterator[Node]:
    """Visit a value and everything in it, except what is below an unknown key."""
    yield Node(path, shape, value)
    if shape is None:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from walk(below(shape, key), item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from walk(below(shape, index), item, (*path, index))


def texts(value: Any) -> Iterator[str]:
    """Return every string in a value of a settings file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)


def models(shape: Shape) -> list[type[BaseModel]]:
    """Return the models among the possible types."""
    return [kind for kind in _alternatives(shape) if isinstance(kind, type) and issubclass(kind, BaseModel)]


def _alternatives(shape: Shape) -> Iterator[Any]:
    """Unwrap ``Annotated`` and unions, but not containers."""
    for kind in shape:
        if hasattr(kind, "__metadata__") or get_origin(kind) in {Union, UnionType}:
            yield from _alternatives(get_args(kind))
        else:
            yield kind


def _parts(shape: Shape) -> Iterator[Any]:
    """Unwrap ``Annotated``, unions and containers."""
    for kind in shape:
        yield kind
        yield from _parts(get_args(kind))
