"""The base classes of the tables of the settings file."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
SymbolName = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,32}$")]


def _known_zone(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {zone}: write UTC, or a name like Europe/Berlin") from None
    return zone


Zone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone."""


class Section(BaseModel):
    """A table of the settings file: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PluginSection(Section):
    """A table whose unknown keys belong to a plugin: they are collected in ``options``."""

    plugin: str
    enabled: bool = True
    """false: a source is not counted, an account closes what the engine opened, the others are not called"""
    options: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)

    @model_validator(mode="before")
    @classmethod
    def _collect_options(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "options" in data:
            return data
        own = {key: value for key, value in data.items() if key in cls.model_fields}
        return {**own, "options": {key: value for key, value in data.items() if key not in own}}
