"""Requests to the public listener and their responses, as sources see them: plain values, no web framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One request under ``/hooks/<source>``."""

    method: str
    tail: tuple[str, ...]
    """Path segments after the source's name, URL-decoded (``("token",)``)."""
    query: Mapping[str, str]
    """The last value of each parameter."""
    headers: Mapping[str, str]
    """Names are in lower case."""
    body: bytes
    """Raw, at most the listener's limit (64 KiB)."""
    client: str
    """The sender's address; behind a trusted proxy, the right-most forwarded one."""
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResponse:
    """The response: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
