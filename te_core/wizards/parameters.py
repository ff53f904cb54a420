"""What a plugin's settings model says of each of its keys, in words, and what an answer about one means."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from te_core.cli.settings_tree import Keys
from te_core.settings import fields

NOTHING: Mapping[str, Any] = {}

_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One key. ``meaning``: its description. ``choices``: its only values, if so few. ``default``: in words.

    ``spellings``: names that mean the same.
    """

    path: Keys
    meaning: str
    default: str
    choices: tuple[str, ...] = ()
    secret: bool = False
    required: bool = False
    spellings: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Give the key as ``--set`` takes it."""
        return ".".join(self.path)


def parameters(
    model: type[BaseModel], present: Mapping[str, Any] = NOTHING, prefix: Keys = ()
) -> Iterator[Parameter]:
    """Name all keys of a model; those of models inside it as ``outer.inner``.

    ``present``: what the settings have, which decides between several spellings of a key.
    """
    for field, info in model.model_fields.items():
        name = next((key for key in sorted(fields.names(field, info)) if key in present), field)
        path = (*prefix, name)
        inner = fields.models((info.annotation,))
        if inner:
            below = present.get(name)
            yield from parameters(inner[0], below if isinstance(below, Mapping) else NOTHING, path)
            continue
        yield Parameter(
            path=path,
            meaning=info.description or "",
            default="" if info.is_required() else in_words(_default(info)),
            choices=tuple(_choices(info.annotation)),
            secret=fields.is_secret((info.annotation,)),
            required=info.is_required(),
            spellings=frozenset(".".join((*prefix, key)) for key in fields.names(field, info)),
        )


def _default(info: FieldInfo) -> Any:
    return info.get_default(call_default_factory=True, validated_data={})


def _choices(annotation: Any) -> Iterator[str]:
    if annotation is bool:
        yield from ("true", "false")
    elif get_origin(annotation) is Literal:
        yield from (str(value) for value in get_args(annotation))
    else:
        for kind in get_args(annotation) if get_origin(annotation) not in {dict, list, tuple} else ():
            yield from _choices(kind)


def in_words(value: Any) -> str:
    """Show a value as the settings would have it."""
    match value:
        case SecretStr() | SecretBytes():
            return "set"
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return _duration(value)
        case Decimal():
            return f"{value:f}"
        case Mapping():
            return ", ".join(f"{key} = {in_words(item)}" for key, item in value.items()) or "empty"
        case list() | tuple():
            return ", ".join(in_words(item) for item in value) or "empty"
    return str(getattr(value, "value", value))


def _duration(value: timedelta) -> str:
    left = value // timedelta(microseconds=1)
    parts = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"


def readings(answer: str, *, secret: bool) -> Iterator[Any]:
    """Give what an answer may mean, the likeliest first: a TOML value, or the text as it stands."""
    found: list[Any] = []
    try:
        value = tomllib.loads(f"value = {answer}")["value"]
    except tomllib.TOMLDecodeError:
        value = None
    if isinstance(value, bool | int | float | list | dict):
        found.append(value)
    found.append(answer)
    yield from reversed(found) if secret else found
