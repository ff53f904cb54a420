"""What ``[sources.<name>]`` may say beside the core's own keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from te_core.api import LONGEST_DEDUPE, Duration, Share
from te_signals_tradingview.addresses import AllowList
from te_signals_tradingview.tokens import SPELLING_RULE, is_token

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
    """What the predecessor's results depended on beside its alerts.

    ``poll``: alerts that are further apart were seen by two polls. ``zone``: whose midnight began a new log file.
    ``prior``: "open" or "flat" per symbol, what the accounts held when nothing had been heard of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    poll: Duration = Field(
        default=timedelta(milliseconds=500),
        description="alerts further apart than this were seen by two polls of the predecessor",
    )
    zone: str = Field(
        default="UTC", description="time zone whose midnight began a new log file of the predecessor"
    )
    prior: dict[str, Literal["open", "flat"]] = Field(
        default_factory=dict,
        description="open or flat by symbol: what the accounts held when nothing had been heard of it",
    )

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "UTC":
            return value
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone; write it like 'Europe/Berlin'") from None
        return value


class TradingViewOptions(BaseModel):
    """Who may send alerts, and how long what they send is remembered.

    ``token``, ``tokens``: every one is accepted, so that one can be replaced without losing alerts.
    ``allow``: addresses, networks and ``"tradingview"`` (its four addresses); empty lets every address in.
    ``dedupe_window``: a byte-identical message within it is a redelivery. TradingView re-sends up to three times, 5 s
    apart. ``lockout_after`` bad tokens from one address lock it out for ``lockout_for``.
    ``format``: whose alerts these are; "auto" tells by their fields. ``share``: the size of a position that states
    none, as a share of the whole. ``ordering``: "trust" asks all evidence in turn, "parity" follows the predecessor.
    ``window``, ``window_from_flat``: how far two alerts may be apart to be a close and a reopening, or from flat an
    opening and its close.
    ``quarantine_body_limit``: characters of a refused message that are kept; ``raw_limit``: of an accepted one.
    ``extra_limit``: characters of unknown fields that are kept with a signal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr | None = Field(
        default=None, description="secret of the webhook address; it is made at the first start"
    )
    tokens: tuple[SecretStr, ...] = Field(
        default=(),
        description="further secrets that are taken, so that one can be replaced without losing alerts",
    )
    allow: tuple[str, ...] = Field(
        default=(),
        description='addresses and networks that may send, or "tradingview" for its own; empty lets every address in',
    )
    dedupe_window: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = Field(
        default=timedelta(seconds=30), description="a byte-identical message within this time is a redelivery"
    )
    lockout_after: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=10, description="so many wrong tokens from one address lock it out"
    )
    lockout_for: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        default=timedelta(minutes=10), description="how long an address stays locked out"
    )
    ordering: Literal["trust", "parity"] = Field(
        default="trust",
        description="order of alerts that come together: trust asks all evidence, parity follows the predecessor",
    )
    window: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = Field(
        default=timedelta(seconds=5),
        description="how far two alerts may be apart to be a close and a reopening",
    )
    window_from_flat: Annotated[Duration, Field(le=LONGEST_DEDUPE)] = Field(
        default=timedelta(seconds=1),
        description="how far, from flat, two alerts may be apart to be an opening and its close",
    )
    parity: ParityOptions = ParityOptions()
    format: Format = Field(
        default="auto", description="product whose alerts these are; auto tells by their fields"
    )
    share: Annotated[Share, Field(gt=0)] | None = Field(
        default=None, description="size of a position whose alert states none, as a share of the whole"
    )
    quarantine_body_limit: Annotated[int, Field(ge=0, le=65_536)] = Field(
        default=2_048, description="characters of a refused message that are kept"
    )
    raw_limit: Annotated[int, Field(ge=0, le=65_536)] = Field(
        default=2_048,
        description="characters of an accepted message that are kept, without secrets; 0 keeps none",
    )
    extra_limit: Annotated[int, Field(ge=0, le=65_536)] = Field(
        default=4_096, description="characters of unknown fields that are kept with a signal"
    )

    @field_validator("token", "tokens")
    @classmethod
    def _strong(
        cls, value: SecretStr | tuple[SecretStr, ...] | None
    ) -> SecretStr | tuple[SecretStr, ...] | None:
        given = value if isinstance(value, tuple) else (value,) if value is not None else ()
        if not all(is_token(secret.get_secret_value()) for secret in given):
            raise ValueError(SPELLING_RULE)
        return value

    @field_validator("allow")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        AllowList(value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _as_the_predecessor(cls, values: Any) -> Any:
        """It knew no redeliveries."""
        if isinstance(values, dict) and values.get("ordering") == "parity":
            return {"dedupe_window": 0, **values}
        return values

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if not self.secrets:
            raise ValueError(
                "token is missing: anyone could send alerts. Set one in .secrets.toml; " + SPELLING_RULE
            )
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every accepted token in clear, ``token`` first."""
        given = (self.token, *self.tokens) if self.token is not None else self.tokens
        return tuple(secret.get_secret_value() for secret in given)
