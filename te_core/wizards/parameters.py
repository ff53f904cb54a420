"""Describes the keys of a plugin's settings model, and interprets answers about them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from te_core.cli.settings_tree import Keys
from te_core.settings import fields
from te_core.settings.meanings import meaning_of
from te_core.wizards.expected import choices, expected, is_list, is_table
from te_core.wizards.words import in_words

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One key of a settings model."""

    path: Keys
    meaning: str
    default: str
    """In words."""
    expected: str = ""
    """Type and range, in words."""
    is_list: bool = False
    is_table: bool = False
    is_table_of_lists: bool = False
    choices: tuple[str, ...] = ()
    """All possible values, if there are only a few."""
    secret: bool = False
    required: bool = False
    spellings: frozenset[str] = frozenset()
    """Alternative names of the key."""

    @property
    def name(self) -> str:
        """Return the dotted key, as used with ``--set``."""
        return ".".join(self.path)


def parameters(
    model: type[BaseModel],
    present: Mapping[str, Any] = NOTHING,
    prefix: Keys = (),
    *,
    optional: bool = False,
) -> Iterator[Parameter]:
    """Yield all keys of a model; those of nested models as ``outer.inner``.

    ``present``: the current settings, which decide between alternative spellings of a key. ``optional``: the model
    itself is optional, so none of its keys is required.
    """
    for field, info in model.model_fields.items():
        name = next((key for key in sorted(fields.names(field, info)) if key in present), field)
        path = (*prefix, name)
        inner = fields.models((info.annotation,))
        if inner:
            below = present.get(name)
            below = below if isinstance(below, Mapping) else NOTHING
            yield from parameters(inner[0], below, path, optional=optional or not info.is_required())
            continue
        required = info.is_required() and not optional
        yield Parameter(
            path=path,
            meaning=meaning_of(model, field),
            default="" if required else "none" if info.is_required() else in_words(_default(info)),
            expected=expected(info),
            is_list=is_list(info.annotation),
            is_table=is_table(info.annotation),
            is_table_of_lists=is_table(info.annotation) and is_list(get_args(info.annotation)[1]),
            choices=tuple(choices(info.annotation)),
            secret=fields.is_secret((info.annotation,)),
            required=required,
            spellings=frozenset(".".join((*prefix, key)) for key in fields.names(field, info)),
        )


def _default(info: FieldInfo) -> Any:
    return info.get_default(call_default_factory=True, validated_data={})


def interpretations(answer: str, *, secret: bool = False, is_list: bool = False) -> Iterator[Any]:
    """Yield the possible meanings of an answer, the likeliest first: a TOML value, or the plain text."""
    found: list[Any] = []
    if is_list and not answer.startswith("["):
        found.append([part.strip() for part in answer.split(",") if part.strip()])
    try:
        value = tomllib.loads(f"value = {answer}")["value"]
    except tomllib.TOMLDecodeError:
        value = None
    if isinstance(value, bool | int | float | list | dict):
        found.append(value)
    found.append(answer)
    yield from reversed(found) if secret else found


def pairs(answer: str) -> dict[str, str]:
    """Parse ``NAME=VALUE, NAME=VALUE``. Raises ``ValueError``."""
    found = {}
    for part in filter(None, map(str.strip, answer.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ValueError("expected NAME=VALUE, separated by commas")
        found[name.strip().strip("\"'")] = value.strip().strip("\"'")
    return found
