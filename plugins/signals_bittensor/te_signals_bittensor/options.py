"""The keys of ``[sources.<name>]`` besides the core's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from te_core.api import Duration, Share
from te_signals_bittensor.parameters import Parameters

_SECOND = timedelta(seconds=1)


class BittensorOptions(BaseModel):
    """Where the miners' positions come from, and how they become depths (target exposures, -1 … 1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """the endpoint that miners' positions are fetched from"""
    api_key: SecretStr | None = None
    """the key from the validator's operator"""
    auth: Literal["header", "body", "both"] = "header"
    """where the key is sent: servers before August 2025 expect it in the body"""
    tier: Literal[0, 30, 50, 100] | None = None
    """percentage of positions in real time; a key of a lower tier has to request its own"""
    interval: Annotated[Duration, Field(ge=_SECOND)] = timedelta(seconds=15)
    """pause between two fetches"""
    timeout: Annotated[Duration, Field(ge=_SECOND)] = timedelta(seconds=30)
    """time limit of a whole response"""
    backoff: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=5)
    """longest pause after failures; Retry-After is honoured as well"""
    feed_url: str | None = None
    """address of the WebSocket feed (tier 100), used in addition to url"""
    feed_auth: Literal["header", "message"] = "header"
    """where the feed expects the key: servers before 2026 expect it in a message"""
    strategy: str = "corrected"
    """how miners are scored: corrected, parity, or a strategy of another package"""
    scoring: Parameters = Field(default_factory=Parameters)
    hysteresis: Share = Field(default="0.01", validate_default=True)
    """a depth that moves by no more than this because of ranks alone is not followed; what a miner does is, at once"""
    refresh: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=5)
    """an unchanged signal is published again this often; keep max_age well above it"""
    guard_tolerance: Share = Field(default="0.2", validate_default=True)
    """share by which the number of miners may change at once"""
    guard_release: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=30)
    """after this time any number of miners is accepted"""
    max_leverage: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """largest net leverage of a miner by upstream's id of the pair: { BTCUSDC = 2.5 }; overrides upstream's limits"""
    exclude_eliminated: bool = True
    """whether miners that upstream eliminated are left out at once"""
    per_entity: Annotated[int, Field(ge=0, le=10_000)] | Literal["sum"] = 1
    """how many subaccounts of one entity count, the best first; 0: all of them; "sum": all of them as one miner"""
    facts_url: str | None = None
    """base address of /trade-pairs, /collateral/ and /eliminations; next to url if not set"""
    facts_interval: Annotated[Duration, Field(ge=_SECOND)] = timedelta(minutes=10)
    """pause between two reads of limits, accounts and eliminations"""
    contributors: Annotated[int, Field(ge=0, le=1000)] = 20
    """how many miners are stored with each signal for te explain"""

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
