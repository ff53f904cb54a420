"""Settings of periodic notices: the daily summary and the heartbeat."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator

from te_core.contracts.options import Duration
from te_core.settings.section import Section, Zone


def _time_of_day(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("expected a time of day such as 07:30, from 00:00 to 23:59")
    return text


class NoticesSettings(Section):
    """When notifiers get the daily summary, and which service alerts you if the engine stops calling it."""

    summary_at: Annotated[str, AfterValidator(_time_of_day)] | None = None
    """time of day at which notifiers get a summary: equity, profit, exposure, what needs attention"""
    zone: Zone = "UTC"
    """time zone of summary_at, such as Europe/Berlin"""
    heartbeat_url: SecretStr | None = None
    """address requested (GET) only while the engine is ready, of a service that alerts you when the requests stop"""
    heartbeat_every: Annotated[Duration, Field(ge=timedelta(seconds=10), le=timedelta(days=1))] = timedelta(
        minutes=1
    )
    """time between two such requests"""

    @field_validator("heartbeat_url")
    @classmethod
    def _address(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None:
            parts = urlsplit(url.get_secret_value())
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ValueError(
                    "expected an address that starts with https:// (or http://) and names a host"
                )
        return url
