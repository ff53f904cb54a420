"""The plugin's keys of ``[notifiers.<name>]``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from te_core.api import Duration


class WebhookNotifierOptions(BaseModel):
    """The address for events, and their format."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: SecretStr = Field(description="Address that events are posted to; it often contains a token.")
    body: Literal["event", "message", "text"] = Field(
        default="event",
        description="The complete event as JSON, a JSON object with one line of text, or that line alone.",
    )
    text_key: str = Field(default="text", description="Key of the line in a message: text, content, …")
    fields: dict[str, str] = Field(default_factory=dict, description="Additional fields of a JSON body.")
    headers: dict[str, SecretStr] = Field(default_factory=dict, description="Headers to send, by name.")
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        default=timedelta(seconds=10), description="How long the receiver may take to answer."
    )

    @field_validator("url")
    @classmethod
    def _address(cls, url: SecretStr) -> SecretStr:
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("expected an address that begins with https:// (or http://) and names a host")
        return url

    @property
    def host(self) -> str:
        """Return the receiver's host, for messages: the rest of the address may be secret."""
        return urlsplit(self.url.get_secret_value()).hostname or ""
