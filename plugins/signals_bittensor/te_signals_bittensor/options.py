"""What ``[sources.<name>]`` may say beside the core's own keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from te_core.api import Duration, Share
from te_signals_bittensor.parameters import Parameters

_SECOND = timedelta(seconds=1)


class BittensorOptions(BaseModel):
    """Where the miners' positions come from, and how they become depths.

    ``auth``: the key goes into ``Authorization: Bearer`` (all upstream servers since August 2025), into the JSON body,
    or both. ``tier``: a key of a lower tier has to ask for it. ``feed_url``: the WebSocket feed (tier 100), which is
    used beside ``url``; ``feed_auth = "message"`` for servers before 2026. ``hysteresis``: depth by which ranks alone
    must move a symbol; what a miner did is followed at once. ``refresh``: a signal that still stands is said again
    this often, so keep the section's ``max_age`` well above it. ``guard_tolerance``: share by which the number of
    miners may change at once; it grows until after ``guard_release`` any number is believed. ``contributors``: how
    many miners are kept with each signal for ``te explain``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    api_key: SecretStr | None = None
    auth: Literal["header", "body", "both"] = "header"
    tier: Literal[0, 30, 50, 100] | None = None
    interval: Annotated[Duration, Field(ge=_SECOND)] = timedelta(seconds=15)
    timeout: Annotated[Duration, Field(ge=_SECOND)] = timedelta(seconds=30)
    backoff: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=5)
    feed_url: str | None = None
    feed_auth: Literal["header", "message"] = "header"
    strategy: str = "corrected"
    scoring: Parameters = Field(default_factory=lambda: Parameters.model_validate({}))
    hysteresis: Share = Field(default="0.01", validate_default=True)
    refresh: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=5)
    guard_tolerance: Share = Field(default="0.2", validate_default=True)
    guard_release: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=30)
    contributors: Annotated[int, Field(ge=0, le=1000)] = 20

    @field_validator("url", "feed_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://", "ws://", "wss://")):
            raise ValueError("an address begins with https:// (url) or wss:// (feed_url)")
        return value

    @field_validator("api_key")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            text = value.get_secret_value()
            if not text or not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("a key has visible ASCII characters only, and no spaces")
        return value

    @model_validator(mode="after")
    def _schemes(self) -> Self:
        if not self.url.startswith("http"):
            raise ValueError("url is fetched by HTTP: it begins with https:// or http://")
        if self.feed_url is not None and not self.feed_url.startswith("ws"):
            raise ValueError("feed_url is a WebSocket: it begins with wss:// or ws://")
        return self
