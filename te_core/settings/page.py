"""Settings of the page that the private listener serves to browsers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from te_core.contracts.options import Duration
from te_core.settings.section import Section

SHORTEST = 16
"""Characters of a token that looks."""


class PageSettings(Section):
    """What a browser is shown, and who may look."""

    enabled: bool = True
    """whether the private listener serves the page"""
    view_token: SecretStr | None = None
    """signs in to look only; listen.private.token signs in to command, too. 16 characters or more"""
    url: str | None = None
    """address under which a proxy with TLS serves the page, such as https://engine.example.org"""
    session: Annotated[Duration, Field(gt=timedelta(minutes=1))] = timedelta(hours=12)
    """for how long somebody who signed in may be idle"""

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
            raise ValueError("an address like https://engine.example.org: https, a host, and no path")
        return url.rstrip("/")

    @property
    def host(self) -> str:
        """The host under which a proxy serves it, as browsers send it; empty without one."""
        return urlsplit(self.url).netloc if self.url else ""
