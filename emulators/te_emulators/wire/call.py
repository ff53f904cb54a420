"""A request as a wire layer sees it, and its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import parse_qsl

from te_emulators.core.account import Account
from te_emulators.core.credentials import ApiKey
from te_emulators.core.errors import BadParameter, DomainError
from te_emulators.core.faults import Fault
from te_emulators.core.limits import Standing
from te_emulators.core.order import FILL_ALL, FillPlan


@dataclass(kw_only=True)
class Call:
    """``query`` and ``body`` are exactly as sent (signatures cover them); ``path`` is without the query."""

    kind: str
    method: str
    path: str
    query: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    ip: str = "127.0.0.1"
    path_values: Mapping[str, str] = field(default_factory=dict)
    """Variable parts of the path."""
    key_name: str | None = None
    """The API key that the request claims to have."""
    key: ApiKey | None = None
    """Set once the request is authenticated, like ``owner``."""
    owner: Account | None = None
    came: float | None = None
    """When it was read off the wire, in monotonic seconds."""
    limited: bool = True
    """Whether rate limits count it."""
    plan: FillPlan = FILL_ALL
    """How to fill an order; passed to ``Exchange.place``."""

    @property
    def account(self) -> Account:
        """The account of an authenticated request."""
        if self.owner is None:
            raise RuntimeError(f"{self.path} is public and has no account")
        return self.owner

    @property
    def parameters(self) -> dict[str, str]:
        """The decoded query."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def json(self) -> dict[str, object]:
        """Return the decoded body, numbers as Decimal; raise BadParameter if it is not a JSON object."""
        found = self.content
        if not isinstance(found, dict):
            raise BadParameter("the body is not a JSON object")
        return found

    @property
    def content(self) -> object:
        """The decoded body, any JSON value."""
        try:
            return json.loads(self.body or b"{}", parse_float=Decimal, parse_int=Decimal)
        except ValueError:
            raise BadParameter("the body is not JSON") from None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """Bytes to send."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def json_reply(data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """JSON without spaces; Decimals become numbers."""
    return Reply(body=to_json(data).encode(), status=status, headers=headers or {})


def to_json(data: object) -> str:
    """JSON without spaces; Decimals become numbers."""
    return json.dumps(data, separators=(",", ":"), default=_number)


def _number(value: object) -> int | float:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


Handler = Callable[[Call], object]
"""Returns the data of the answer, or a whole ``Reply``; raises a DomainError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """An HTTP route."""

    method: str
    path: str
    kind: str
    """One of "order", "cancel", "lookup", "positions", "balance", "leverage", "settings", "tickers", "instruments",
    "time" and "other".
    """
    handler: Handler
    private: bool = True
    permission: str = "read"
    """The permission that a private route requires of the key."""


@dataclass(kw_only=True, slots=True)
class Outcome:
    """The result of a request, and how its response must fail."""

    data: object = None
    error: DomainError | None = None
    standings: list[Standing] = field(default_factory=list)
    fault: Fault | None = None
    doubled: bool = False
