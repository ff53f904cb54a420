"""Signal sources: what the engine calls, and what it gives them."""

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
"""Deliveries older than this are never taken for a repetition; so much is read back at a start."""


class Publication(StrEnum):
    """What became of a published signal; in every case it is durable."""

    ACCEPTED = "accepted"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"


class Publish(Protocol):
    """Hand a signal to the engine.

    The call itself takes the signal (later calls of ``SourceContext.latest`` see it); awaiting the result
    waits until it is durable. Raises ``NotReady`` or ``JournalError`` when it could not be kept: then nothing
    changed. With ``dedupe_for`` a second signal of the same ``delivery_id`` within that time changes nothing.
    """

    def __call__(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        """Take the signal now; the awaitable resolves when it is durable."""
        ...


class RecordEvent(Protocol):
    """Keep an event of this source or account in the journal: ``kind`` is a word, ``text`` says it to the operator."""

    def __call__(self, kind: str, text: str, *, symbol: str | None = None) -> None:
        """Keep it; does not wait until it is durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext(Generic[Options]):
    """Everything a source instance may use.

    ``symbols`` maps the source's spellings to the engine's. ``latest`` gives the newest current signal of an engine
    symbol, including one that is still being written; ``arrived`` the one that came last, current or superseded
    (after a restart, superseded ones of the last 10 minutes). ``quarantine`` keeps refused input (bounded),
    ``record`` what else should be findable afterwards. ``http`` gives the engine's shared client session.
    ``outages`` logs each outage once at its start and once at its end.
    ``state_dir`` belongs to this instance alone.
    """

    name: str
    symbols: Mapping[str, str]
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    publish: Publish
    latest: Callable[[str], Signal | None]
    arrived: Callable[[str], Signal | None]
    quarantine: Callable[[QuarantinedInput], None]
    record: RecordEvent
    http: Callable[[], ClientSession]
    outages: Outages


class SignalSource(ABC):  # noqa: B024 - both halves are optional: a source listens, or fetches, or both
    """One instance of a signal plugin. Override ``run`` to fetch, ``on_webhook`` to listen, or both."""

    async def run(self) -> None:
        """Run until cancelled. The default only waits, for sources that are called.

        An error ends this run; the engine reports it and starts it again with a growing pause, after
        ``AuthError`` a long one (1 min up to 1 h).
        """
        await asyncio.Event().wait()

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Answer a request by its head alone (``body`` is empty), or return None to have its body read.

        Called when a body is slow to arrive, so that a stranger cannot make the engine wait for it; whoever
        overrides it applies the same checks in ``on_webhook``. Must return at once. The default reads every body.
        """
        del request
        return None

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Answer one request to ``/hooks/<name>``. The default has no webhook."""
        del request
        return WebhookResponse(status=404, body={"error": "this source takes no webhooks"})

    async def close(self) -> None:
        """Release what the instance holds; called once, after ``run`` has ended."""

    def status(self) -> Mapping[str, Any]:
        """Return counters and the like for ``te status``; JSON values without secrets."""
        return {}

    def report(self) -> Mapping[str, Any]:
        """Return what the plugin's own commands show at length; JSON values without secrets."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSpec(Generic[Options]):
    """How the world reaches a source that listens.

    ``path`` gives the path below ``/hooks/<name>``, token included (``/s3cret``): shown only where asked for.
    ``example`` gives a complete message for one of the source's own symbol spellings. ``senders`` are the only
    addresses that messages come from, where there are such: ``te service tls`` lets nobody else through.
    """

    path: Callable[[Options], str]
    example: Callable[[str], Mapping[str, Any]]
    senders: tuple[str, ...] = ()


def _as_it_is(symbol: str) -> Sequence[str]:
    return (symbol,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSourceSpec(Generic[Options]):
    """What a signal plugin offers.

    ``name`` is the plugin's entry-point name. ``generated_secrets`` are options that ``te run`` fills with a
    random value in ``.secrets.toml`` when they are missing. ``essential`` are options that nearly everybody sets:
    ``te init`` asks for them. ``spellings`` returns how the source writes one of the engine's symbols, for a first
    mapping. ``groups``: headings and the keys that ``te configure`` shows below them. ``event_kinds``: what it records.
    """

    name: str
    settings: type[Options]
    factory: Callable[[SourceContext[Options]], SignalSource]
    webhook: WebhookSpec[Options] | None = None
    generated_secrets: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    spellings: Callable[[str], Sequence[str]] = _as_it_is
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    event_kinds: tuple[str, ...] = ()
    summary: str = ""
    kind: str = field(default="source", init=False)
