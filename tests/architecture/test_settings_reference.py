"""docs/settings.md names every key of the schema with its type and default, and no other."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, SecretStr

from te_core.model.exits import Exit
from te_core.settings.schema import Settings
from te_core.settings.section import PluginSection

ROW = re.compile(r"^\| `(?P<key>[^`]+)` \| (?P<kind>.*?) \| (?P<default>.*?) \| (?P<meaning>.*?) \|$", re.M)
KINDS = {
    timedelta: "duration",
    Decimal: "number",
    bool: "true or false",
    int: "whole number",
    str: "text",
    SecretStr: "secret",
    tuple: "list of texts",
    dict: "table",
    Exit: "level",
}


def plain(annotation: Any) -> Any:
    """Remove ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        (only,) = (part for part in get_args(annotation) if part is not type(None))
        return plain(only)
    return annotation


def kind(annotation: Any) -> str:
    annotation = plain(annotation)
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return " or ".join(f"`{shown(value)}`" for value in get_args(annotation))
    if issubclass(origin, Enum):
        return " or ".join(f"`{shown(member.value)}`" for member in origin)
    return KINDS[origin]


def shown(value: object) -> str:
    """Return a default as it would be written in the file."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return f'"{in_largest_unit(value)}"'
        case Enum():
            return f'"{value.value}"'
        case str():
            return f'"{value}"'
        case tuple():
            return f"[{', '.join(map(shown, value))}]"
        case dict():
            return "{}"
    return str(value)


def in_largest_unit(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    if not seconds:
        return "0s"
    size, unit = next(
        (size, unit) for size, unit in ((86400, "d"), (60, "m"), (1, "s")) if seconds % size == 0
    )
    return f"{seconds // size}{unit}"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (dotted key, type, default) of every key that the file accepts."""
    for name, field in model.model_fields.items():
        if model.__base__ is PluginSection and name == "options":
            continue
        inner = plain(field.annotation)
        many = get_origin(inner) is dict and plain(get_args(inner)[1])
        if isinstance(many, type) and issubclass(many, BaseModel):
            yield from keys(many, f"{prefix}{name}.<{SINGULAR[name]}>.")
        elif isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            default = (
                "required"
                if field.is_required()
                else f"`{shown(field.get_default(call_default_factory=True))}`"
            )
            yield f"{prefix}{name}", kind(field.annotation), default.replace("`none`", "none")


SINGULAR = {
    kind + "s": kind
    for kind in ("plugin", "source", "account", "notifier", "symbol", "risk_check", "observer")
}


@pytest.fixture(scope="session")
def rows(root: Path) -> dict[str, tuple[str, str, str]]:
    text = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    found = [match.group("key", "kind", "default", "meaning") for match in ROW.finditer(text)]
    assert len({key for key, *_ in found}) == len(found), "a key stands there twice"
    return {key: (kind, default, meaning) for key, kind, default, meaning in found}


def test_every_key_is_described_with_its_type_and_default(rows: dict[str, tuple[str, str, str]]) -> None:
    assert {key: row[:2] for key, row in rows.items()} == {
        key: (kind, default) for key, kind, default in keys(Settings)
    }


def test_every_key_has_a_meaning(rows: dict[str, tuple[str, str, str]]) -> None:
    assert all(meaning.strip() for *_, meaning in rows.values())
