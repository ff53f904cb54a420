"""Signal sources: what the engine calls, and the context it passes to them."""

from __future__ import annotations

import asyncio
from abc import ABC
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.model.signal import QuarantinedInput, Signal
from te_core.outage import Outages

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


LONGEST_DEDUPE = timedelta(minutes=10)
"""Deliveries older than this never count as duplicates; a start reads this much back."""


class Publication(StrEnum):
    """The outcome of publishing a signal; in every case the signal is durable."""

    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"


class Publish(Protocol):
    """Publish a signal to the engine.

    The call itself accepts the signal (later calls of ``SourceContext.latest`` see it); awaiting the result
    waits until it is durable. Raises ``NotReady`` or ``JournalError`` if it could not be persisted: then nothing
    changed. With ``dedupe_for``, a second signal with the same ``delivery_id`` within that time has no effect.
    """

    def __call__(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        """Accept the signal now; the awaitable resolves once it is durable."""
        ...


class RecordEvent(Protocol):
    """Record an event of this source or account in the journal: ``kind`` is one word, ``text`` is for the operator."""

    def __call__(self, kind: str, text: str, *, symbol: str | None = None) -> None:
        """Record the event; does not wait until it is durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext(Generic[Options]):
    """Everything a source instance may use."""

    name: str
    symbols: Mapping[str, str]
    """The source's spelling of each symbol, mapped to the engine's."""
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    """A folder of this instance's own."""
    publish: Publish
    latest: Callable[[str], Signal | None]
    """Return the newest current signal of an engine symbol, including one that is still being written."""
    arrived: Callable[[str], Signal | None]
    """Return the signal of an engine symbol that arrived last, current or superseded.

    After a restart, superseded signals are known for the last 10 minutes only.
    """
    quarantine: Callable[[QuarantinedInput], None]
    """Store rejected input for inspection; the amount is bounded."""
    record: RecordEvent
    """Record anything else that must be traceable afterwards."""
    http: Callable[[], ClientSession]
    """Return the engine's shared client session."""
    outages: Outages
    """Logs each outage once at its start and once at its end."""


class SignalSource(ABC):  # noqa: B024 - both halves are optional: a source listens, or fetches, or both
    """One instance of a signal plugin. Override ``run`` to fetch, ``on_webhook`` to listen, or both."""

    async def run(self) -> None:
        """Run until cancelled. The default only waits, for sources that use nothing but webhooks.

        An error ends this run; the engine reports it, closes the instance, and runs a new one after a growing pause
        (after ``AuthError`` a long one: 1 min up to 1 h). When it is cancelled it must end by that, promptly.
        """
        await asyncio.Event().wait()

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Answer a request from its head alone (``body`` is empty), or return None to have its body read.

        Called if a body is slow to arrive, so that a stranger cannot make the engine wait for it. An override must
        return at once, and ``on_webhook`` must apply the same checks. The default reads every body.
        """
        del request
        return None

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Answer one request to ``/hooks/<name>``. The default responds with 404.

        2xx: the signal is durable. 4xx: the request is wrong, sending it again is of no use. 503: send it again.
        """
        del request
        return WebhookResponse(status=404, body={"error": "this source does not accept webhooks"})

    async def close(self) -> None:
        """Release the instance's resources; called once, after ``run`` has ended, or if it never began."""

    def status(self) -> Mapping[str, Any]:
        """Return counters and similar values for ``te status``; JSON values without secrets.

        Called at any time from the creation of the instance on, also during an outage; must return at once.
        """
        return {}

    def report(self) -> Mapping[str, Any]:
        """Return the details that the plugin's own commands show; JSON values without secrets. Called at any time."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec(Generic[Options]):
    """The public webhook of a source."""

    path: Callable[[Options], str]
    """Return the path below ``/hooks/<name>``, token included (``/s3cret``); shown only on request."""
    example: Callable[[str], Mapping[str, Any]]
    """Return a complete message for one of the source's own symbol spellings."""
    senders: tuple[str, ...] = ()
    """The only addresses that messages come from, if known: ``te service tls`` blocks all others."""


def _as_it_is(symbol: str) -> Sequence[str]:
    return (symbol,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSourceSpec(Generic[Options]):
    """What a signal plugin offers."""

    name: str
    """The plugin's entry-point name."""
    settings: type[Options]
    factory: Callable[[SourceContext[Options]], SignalSource]
    webhook: WebhookSpec[Options] | None = None
    generated_secrets: tuple[str, ...] = ()
    """Options that ``te run`` fills with a random value in ``.secrets.toml`` if they are missing."""
    essential: tuple[str, ...] = ()
    """Options that nearly every user sets: ``te init`` asks for them."""
    spellings: Callable[[str], Sequence[str]] = _as_it_is
    """Return how the source spells one of the engine's symbols, for an initial mapping."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Headings, and the keys that ``te configure`` shows below each."""
    event_kinds: tuple[str, ...] = ()
    """The kinds of events that the plugin records."""
    summary: str = ""
    kind: str = field(default="source", init=False)
