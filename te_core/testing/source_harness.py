"""The sender's side of a source's conformance test: what the suite may request from whoever sends the signals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from te_core.clock import Clock
from te_core.contracts.source import SignalSource, SignalSourceSpec, SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.testing.fakes import webhook_request
from te_core.testing.virtual_clock import VirtualClock

LARGEST_BODY = 64 * 1024
"""Maximum bytes of a body that the public listener passes on."""
GARBAGE: Sequence[bytes] = (
    b"",
    b"no message at all",
    b"<!doctype html><title>502 Bad Gateway</title>",
    b'{"',
    b"null",
    b"[[], 1]",
    b'{"unknown": "field"}',
    b"\xff\xfe\x00\x80",
    b"[" * LARGEST_BODY,
    b"1" * LARGEST_BODY,
)
"""What is not a message in any format."""

Deliver = Callable[[WebhookRequest], Awaitable[WebhookResponse]]


class SourceAbility(StrEnum):
    """What the sender of a source that fetches can do for the suite; cases that need a missing ability are skipped."""

    GO_AWAY = "go_away"
    """Connections are refused or broken until ``restore``."""
    HANG = "hang"
    """Requests arrive and are never answered, until ``restore``."""
    SEND_GARBAGE = "send_garbage"
    """Every response is ``body`` until ``restore``."""
    REFUSE_THE_KEY = "refuse_the_key"
    """Credentials are refused until ``restore``."""


class SourceHarness(ABC):
    """One sender of signals. It outlives the instances of the source, as a real one outlives restarts."""

    clock: Clock = VirtualClock()
    """Follows the loop of the case, also under ``wired_clock``; under ``real_clock`` set a ``SystemClock``."""
    spec: SignalSourceSpec[Any]
    """What the plugin offers."""
    symbols: Mapping[str, str] = {"BTC": "BTCUSDT", "ETH": "ETHUSDT"}
    """At least two of the sender's spellings, mapped to the engine's symbols."""
    unmapped: str = "DOGE"
    """A spelling that the sender uses and ``symbols`` does not have."""
    abilities: frozenset[SourceAbility] = frozenset()
    states_time: bool = False
    """Whether messages state when they were sent, so that ``send`` applies ``sent``."""
    excessive: Decimal | None = Decimal(5)
    """A depth beyond -1 … 1 that ``send`` can state; None if messages cannot."""
    garbage: Sequence[bytes] = GARBAGE
    """What the sender may send by mistake; add what is almost a message."""
    calm: float = 60
    """Seconds within which the source has checked several times for something new."""

    deliver: Deliver | None = None  # set by the suite while the source runs

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []
        """The requests that ``post`` sent, oldest first."""
        self.responses: list[WebhookResponse] = []
        """The responses to ``requests``."""

    async def open(self) -> None:
        """Start what the sender runs; called at the start of each case, on its loop."""

    async def close(self) -> None:
        """Stop it; called at the end of each case."""

    def options(self) -> Mapping[str, Any]:
        """Return the source's options as in ``settings.toml``; called after ``open``."""
        return {}

    def secrets(self) -> Sequence[str]:
        """Return secrets of messages and addresses besides those of the options, which the suite knows."""
        return ()

    def connect(self, context: SourceContext[Any]) -> SignalSource:
        """Return a new instance of the source, as after a restart."""
        return self.spec.factory(context)

    @abstractmethod
    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        """State a depth (target exposure) for a symbol: post it, or serve it until the next one.

        ``sent``: the time that the message states, in whole seconds; None: now.
        """

    async def repeat(self) -> None:
        """Deliver the last message again. By default it is posted again, or still served."""
        if self.requests:
            await self.post_request(self.requests[-1])

    async def post(self, body: bytes, **request: Any) -> WebhookResponse:
        """Post a body to the source's webhook, to the path in ``spec.webhook``.

        ``request``: other fields of the request, as ``webhook_request`` accepts them.
        """
        if self.spec.webhook is not None:
            path = self.spec.webhook.path(self.spec.settings.model_validate(self.options()))
            request.setdefault("tail", tuple(part for part in path.split("/") if part))
        return await self.post_request(webhook_request(body, received_at=self.clock.now(), **request))

    async def post_request(self, request: WebhookRequest) -> WebhookResponse:
        """Send a request to the source's webhook as if it arrived now."""
        if self.deliver is None:
            raise RuntimeError("the source is not running; post while a case runs")
        request = replace(request, received_at=self.clock.now())
        response = await self.deliver(request)
        self.requests.append(request)
        self.responses.append(response)
        return response

    def unauthorised(self, request: WebhookRequest) -> Sequence[WebhookRequest]:
        """Return requests like this one that lack its secret. By default the end of the path is the secret."""
        *before, token = request.tail or ("",)
        if not token:
            return ()
        wrong = (*before, token[::-1]), (*before, f"{token}x"), (*before, token[:-1]), tuple(before)
        return [replace(request, tail=tail) for tail in wrong if tail != request.tail]

    async def fail(self, ability: SourceAbility, body: bytes = b"") -> None:
        """Fail as `SourceAbility` describes until ``restore``."""
        raise NotImplementedError  # the suite only uses abilities that a harness lists

    async def restore(self) -> None:
        """End every failure."""
