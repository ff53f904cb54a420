"""A request to the public listener, as a source sees it: plain values, no web framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One request under ``/hooks/<source>``.

    ``tail``: path segments after the source's name, URL-decoded (``("token",)``).
    ``headers``: names in lower case. ``query``: the last value of each parameter. ``body``: raw, at most the
    listener's limit (64 KiB). ``client``: the sender's address; behind a trusted proxy the right-most
    forwarded one.
    """

    method: str
    tail: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: str
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookResponse:
    """The answer: an HTTP status and a JSON object."""

    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
