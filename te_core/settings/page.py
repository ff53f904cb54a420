"""Settings of the page that the private listener serves to browsers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from te_core.contracts.options import Duration
from te_core.settings.section import Section

SHORTEST = 16
"""Minimum characters of the view token."""


class PageSettings(Section):
    """What a browser may see, and who may sign in."""

    enabled: bool = True
    """whether the private listener serves the page"""
    view_token: SecretStr | None = None
    """token for read-only access; listen.private.token also allows commands. 16 characters or more"""
    url: str | None = None
    """address under which a proxy with TLS serves the page, such as https://engine.example.org"""
    session: Annotated[Duration, Field(gt=timedelta(minutes=1))] = timedelta(hours=12)
    """time without activity after which a session ends"""

    @field_validator("view_token")
    @classmethod
    def _long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < SHORTEST:
            raise ValueError(f"is too short: {SHORTEST} characters or more")
        return token

    @field_validator("url")
    @classmethod
    def _secure(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.netloc or parts.path not in {"", "/"} or parts.query:
            raise ValueError(
                "expected an address like https://engine.example.org: https, a host, and no path"
            )
        return url.rstrip("/")

    @property
    def host(self) -> str:
        """Return the host under which a proxy serves the page, as browsers send it; empty if there is no proxy."""
        return urlsplit(self.url).netloc if self.url else ""
