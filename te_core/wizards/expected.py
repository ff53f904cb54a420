"""Describes in words what a field of a settings model accepts: its type and range."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from te_core.wizards.words import in_words

_NOUNS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    timedelta: "a duration like 30s, 5m, 12h",
}


def expected(info: FieldInfo) -> str:
    """Return the description, such as "a whole number, 1 or more"; empty for any text."""
    return " or ".join(dict.fromkeys(filter(None, _forms(info.annotation, info.metadata))))


def choices(annotation: Any) -> Iterator[str]:
    """Yield the possible values of a type with few of them, such as an enum."""
    if annotation is bool:
        yield from ("true", "false")
    elif get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (str(member.value) for member in annotation)
    elif not is_table(annotation) and not is_list(annotation):
        for kind in get_args(annotation):
            yield from choices(kind)


def is_table(annotation: Any) -> bool:
    """Return whether a type is a table of names and values."""
    return get_origin(annotation) is dict


def is_list(annotation: Any) -> bool:
    """Return whether a type is a list."""
    return get_origin(annotation) in {list, tuple}


def _forms(annotation: Any, limits: Iterable[Any]) -> Iterator[str]:
    if hasattr(annotation, "__metadata__"):
        yield from _forms(annotation.__origin__, [*limits, *_flat(annotation.__metadata__)])
    elif get_origin(annotation) in {Union, UnionType}:
        for kind in get_args(annotation):
            yield from _forms(kind, limits)
    elif is_list(annotation):
        yield "one or more, separated by commas"
    elif is_table(annotation):
        yield "NAME=VALUE, separated by commas; NAME=- removes one"
    elif annotation not in {str, NoneType, SecretStr, SecretBytes}:
        words = list(choices(annotation))
        yield f"one of {', '.join(words)}" if words else _with_range(_NOUNS.get(annotation, ""), list(limits))


def _flat(limits: Iterable[Any]) -> Iterator[Any]:
    for limit in limits:
        yield from limit.metadata if isinstance(limit, FieldInfo) else (limit,)


def _with_range(noun: str, limits: list[Any]) -> str:
    least = _strictest(limits, ("ge", "gt"), max)
    most = _strictest(limits, ("le", "lt"), min)
    match least, most:
        case (("ge", low), ("le", high)):
            bounds = f"from {low} to {high}"
        case ((kind, low), (other, high)):
            bounds = f"{'more than' if kind == 'gt' else 'at least'} {low}, "
            bounds += f"{'less than' if other == 'lt' else 'at most'} {high}"
        case (("ge", low), None):
            bounds = f"{low} or more"
        case (("gt", low), None):
            bounds = f"more than {low}"
        case (None, (other, high)):
            bounds = f"{'less than' if other == 'lt' else 'at most'} {high}"
        case _:
            bounds = ""
    return ", ".join(filter(None, (noun, bounds)))


def _strictest(limits: list[Any], names: tuple[str, str], pick: Any) -> tuple[str, str] | None:
    """Return kind and value of the strictest limit on one side; a lower limit of zero duration is omitted."""
    found = [
        (value, name)
        for name in names
        for limit in limits
        if (value := getattr(limit, name, None)) is not None and value != datetime.timedelta(0)
    ]
    if not found:
        return None
    strictest = pick(value for value, _ in found)
    name = max((name for value, name in found if value == strictest), key=lambda name: name.endswith("t"))
    return name, in_words(strictest)
