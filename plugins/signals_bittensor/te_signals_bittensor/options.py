"""What ``[sources.<name>]`` may say beside the core's own keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from te_core.api import Duration, Share
from te_signals_bittensor.parameters import Parameters

_SECOND = timedelta(seconds=1)


class BittensorOptions(BaseModel):
    """Where the miners' positions come from, and how they become depths."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="the endpoint that miners' positions are fetched from")
    api_key: SecretStr | None = Field(
        default=None, description="the key that the validator's operator gave you"
    )
    auth: Literal["header", "body", "both"] = Field(
        default="header", description="where the key goes: servers before August 2025 want it in the body"
    )
    tier: Literal[0, 30, 50, 100] | None = Field(
        default=None,
        description="percentage of positions in real time; a key of a lower tier has to ask for its own",
    )
    interval: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(seconds=15), description="pause between two fetches"
    )
    timeout: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(seconds=30), description="how long a whole answer may take"
    )
    backoff: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(minutes=5),
        description="longest pause after failures; Retry-After is kept to beside it",
    )
    feed_url: str | None = Field(
        default=None, description="address of the WebSocket feed (tier 100), used beside url"
    )
    feed_auth: Literal["header", "message"] = Field(
        default="header", description="where the feed takes the key: servers before 2026 want it in a message"
    )
    strategy: str = Field(
        default="corrected",
        description="how miners are scored: corrected, parity, or that of another package",
    )
    scoring: Parameters = Field(default_factory=lambda: Parameters.model_validate({}))
    hysteresis: Share = Field(
        default="0.01",
        validate_default=True,
        description="depth by which ranks alone must move a symbol; what a miner does is followed at once",
    )
    refresh: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(minutes=5),
        description="a signal that still stands is said again this often; keep max_age well above it",
    )
    guard_tolerance: Share = Field(
        default="0.2",
        validate_default=True,
        description="share by which the number of miners may change at once and be believed",
    )
    guard_release: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(minutes=30), description="after this long any number of miners is believed"
    )
    max_leverage: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict,
        description="largest net leverage of a miner by upstream's id of the pair: { BTCUSDC = 2.5 }; "
        "overrides what upstream states",
    )
    exclude_eliminated: bool = Field(
        default=True, description="whether miners that upstream eliminated are left out at once"
    )
    per_entity: Annotated[int, Field(ge=0, le=10_000)] | Literal["sum"] = Field(
        default=1,
        description="how many subaccounts of one entity count, the best first; 0: all of them; "
        '"sum": all of them together as one miner',
    )
    facts_url: str | None = Field(
        default=None,
        description="address that /trade-pairs, /collateral/ and /eliminations stand under; without: beside url",
    )
    facts_interval: Annotated[Duration, Field(ge=_SECOND)] = Field(
        default=timedelta(minutes=10),
        description="pause between two reads of limits, accounts and eliminations",
    )
    contributors: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=20, description="how many miners are kept with each signal for te explain"
    )

    @field_validator("url", "feed_url", "facts_url")
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
        if self.facts_url is not None and not self.facts_url.startswith("http"):
            raise ValueError("facts_url is fetched by HTTP: it begins with https:// or http://")
        if self.feed_url is not None and not self.feed_url.startswith("ws"):
            raise ValueError("feed_url is a WebSocket: it begins with wss:// or ws://")
        return self
