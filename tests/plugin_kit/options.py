"""A settings model that describes its keys in each of the supported ways."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """What a table of its own is for.

    More about it.
    """

    key: str = ""
    """One of its keys."""


class Silent(BaseModel):
    key: str = ""
    """One of its keys."""


class DocumentedOptions(BaseModel):
    """Settings of a notifier. ``summarised`` is explained here."""

    model_config = ConfigDict(extra="forbid")

    under: str = ""
    """Stated under the key."""
    described: str = Field(default="", description="Stated in the field.")
    summarised: str = ""
    silent: str = ""
    table: Table = Table()
    silent_table: Silent = Silent()
