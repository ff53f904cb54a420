"""A settings model that states what its keys mean in each of the ways that are read."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class DocumentedOptions(BaseModel):
    """Settings of a notifier. ``summarised`` is explained here."""

    model_config = ConfigDict(extra="forbid")

    under: str = ""
    """Stated under the key."""
    described: str = Field(default="", description="Stated in the field.")
    summarised: str = ""
    silent: str = ""
