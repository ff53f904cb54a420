"""The keys of ``[sources.<name>]`` besides the core's own."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from te_core.api import LONGEST_DEDUPE, Duration, Share
from te_signals_tradingview.auth.addresses import AllowList
from te_signals_tradingview.auth.tokens import SPELLING_RULE, is_token

Format = Literal[
    "auto",
    "plain",
    "placeholders",
    "3commas",
    "traderspost",
    "okx",
    "wundertrading",
    "alertatron",
    "pineconnector",
]


class ParityOptions(BaseModel):
    """What the results of the predecessor (the earlier program) depended on besides its alerts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    poll: Duration = timedelta(milliseconds=500)
    """alerts further apart than this had a poll of the predecessor between them"""
    zone: str = "UTC"
    """time zone whose midnight began a new log file of the predecessor"""
    prior: dict[str, Literal["open", "flat"]] = Field(default_factory=dict)
    """open or flat by symbol: what the accounts held before the first alert on it"""

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        if value == "UTC":
            return value
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone; write it like 'Europe/Berlin'") from None
        return value


class TradingViewOptions(BaseModel):
    """Who may send alerts, in which formats, and how they are ordered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr | None = None
    """secret in the webhook address; generated at the first start"""
    tokens: tuple[SecretStr, ...] = ()
    """further accepted tokens, so that one can be replaced without losing alerts"""
    allow: tuple[str, ...] = ()
    """addresses and networks that may send, or "tradingview" for its own four; empty allows every address"""
    dedupe_window: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = timedelta(seconds=30)
    """a byte-identical message within this time is a redelivery; TradingView resends up to three times, 5 s apart"""
    lockout_after: Annotated[int, Field(ge=1, le=10_000)] = 10
    """number of bad tokens from one address that lock it out"""
    lockout_for: Annotated[Duration, Field(ge=timedelta(seconds=1))] = timedelta(minutes=10)
    """how long an address stays locked out"""
    ordering: Literal["trust", "parity"] = "trust"
    """order of alerts that arrive together: trust uses all evidence in them, parity follows the predecessor"""
    window: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = timedelta(seconds=5)
    """how far apart two alerts may be to count as a close and a reopening"""
    window_from_flat: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = timedelta(seconds=1)
    """how far apart, from flat, two alerts may be to count as an opening and its close"""
    parity: ParityOptions = ParityOptions()
    format: Format = "auto"
    """product whose format the alerts are in; auto recognises it by their fields"""
    share: Annotated[Share, Field(gt=0)] | None = None
    """size of a position whose alert states none, as a share of the whole"""
    quarantine_body_limit: Annotated[int, Field(ge=0, le=65_536)] = 2_048
    """characters of a refused message that are persisted"""
    raw_limit: Annotated[int, Field(ge=0, le=65_536)] = 2_048
    """characters of an accepted message that are persisted, without secrets; 0 persists none"""
    extra_limit: Annotated[int, Field(ge=0, le=65_536)] = 4_096
    """characters of unknown fields that are persisted with a signal"""

    @field_validator("token", "tokens")
    @classmethod
    def _strong(
        cls, value: SecretStr | tuple[SecretStr, ...] | None
    ) -> SecretStr | tuple[SecretStr, ...] | None:
        stated = value if isinstance(value, tuple) else (value,) if value is not None else ()
        if not all(is_token(secret.get_secret_value()) for secret in stated):
            raise ValueError(SPELLING_RULE)
        return value

    @field_validator("allow")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AllowList(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _parity_has_no_redeliveries(cls, values: Any) -> Any:
        """Default ``dedupe_window`` to 0: the predecessor did not recognise redeliveries."""
        if isinstance(values, dict) and values.get("ordering") == "parity":
            return {"dedupe_window": 0, **values}
        return values

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.secrets:
            raise ValueError(
                "token is missing: anyone could send alerts; set one in .secrets.toml: " + SPELLING_RULE
            )
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return every accepted token in clear text, ``token`` first."""
        stated = (self.token, *self.tokens) if self.token is not None else self.tokens
        return tuple(secret.get_secret_value() for secret in stated)
