"""Settings of what is told without anything happening: the summary of a day, and the sign of life."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, SecretStr, field_validator

from te_core.contracts.options import Duration
from te_core.settings.section import Section


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("a time of day such as 07:30, from 00:00 to 23:59")
    return text


class NoticesSettings(Section):
    """When a day is summed up for the notifiers, and who is to miss the engine when it is gone."""

    summary_at: Annotated[str, AfterValidator(_time_of_day)] | None = None
    """time of day at which notifiers get a summary: equity, profit, exposure, what needs attention"""
    zone: str = "UTC"
    """the time zone of it, like Europe/Berlin"""
    heartbeat_url: SecretStr | None = None
    """address that is asked for while the engine is ready, of a service that calls you when nobody does any more"""
    heartbeat_every: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(days=1))] = timedelta(
        minutes=1
    )
    """how often"""

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(
                f"{zone} is not a time zone known here: write UTC, or one like Europe/Berlin"
            ) from None
        return zone

    @field_validator("heartbeat_url")
    @classmethod
    def _address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError("an address that begins with https:// (or http://) and names a host")
        return url
