"""The plugin's keys of ``[notifiers.<name>]``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from te_core.api import Duration

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_NEXT = re.compile(r"\s*,\s*(?=[A-Za-z][A-Za-z0-9+.-]*://)")
"""Separates addresses in a single text, as in `te configure` and environment variables."""


class AppriseOptions(BaseModel):
    """The recipients, as Apprise addresses."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    urls: tuple[SecretStr, ...] = Field(
        min_length=1,
        description="Apprise addresses of services: tgram://…, mailto://…; they contain tokens.",
    )
    title: str = Field(default="trade-engine", description="Prefix of every title.")
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=50))] = Field(
        default=timedelta(seconds=30), description="How long one service may take to accept a notice."
    )

    @field_validator("urls", mode="before")
    @classmethod
    def _one_or_several(cls, urls: object) -> object:
        return tuple(_NEXT.split(urls)) if isinstance(urls, str) else urls

    @field_validator("urls")
    @classmethod
    def _addresses(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, url in enumerate(urls, 1):
            if not _ADDRESS.fullmatch(url.get_secret_value()):
                raise ValueError(
                    f"number {number} is not the address of a service, such as ntfys://host/path"
                )
        return urls
