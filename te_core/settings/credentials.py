"""The credentials in a plugin's options; they distinguish accounts if the exchange reports no account id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, Secret, SecretBytes, SecretStr


def credentials(options: BaseModel) -> tuple[str, ...]:
    """Return every secret that the settings state, with its location. Defaults do not count as credentials."""
    return tuple(sorted(_stated(options, "")))


def _stated(value: object, location: str) -> Iterator[str]:
    match value:
        case SecretStr() | SecretBytes() | Secret():
            secret = value.get_secret_value()
            if secret:
                yield f"{location}={secret!r}"
        case BaseModel():
            for name in sorted(value.model_fields_set):
                yield from _stated(getattr(value, name), f"{location}.{name}")
        case Mapping():
            for key, item in value.items():
                yield from _stated(item, f"{location}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _stated(item, f"{location}.{index}")
