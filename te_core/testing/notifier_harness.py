"""The receiver's side of a notifier's conformance test: what the suite may request from whatever shows notices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from te_core.clock import Clock
from te_core.contracts.notifier import Notifier, NotifierContext, NotifierSpec
from te_core.testing.http_harness import HttpFault
from te_core.testing.http_loopback import GONE, SILENT, HttpLoopback, answers
from te_core.testing.virtual_clock import VirtualClock

WAIT = 7.0
"""Seconds."""


class NotifierAbility(StrEnum):
    """What the receiver can do for the suite; cases that need a missing ability are skipped."""

    GO_AWAY = "go_away"
    """Connections are refused or broken until ``restore``."""
    HANG = "hang"
    """Messages arrive and are never answered, until ``restore``."""
    REFUSE_THE_KEY = "refuse_the_key"
    """Credentials, or the address with a token in it, are refused until ``restore``."""
    REFUSE_THE_MESSAGE = "refuse_the_message"
    """Messages are refused for good, as if they were invalid, until ``restore``."""
    LIMIT_THE_RATE = "limit_the_rate"
    """Messages are refused for ``wait`` seconds, which the response states, until ``restore``."""


class NotifierHarness(ABC):
    """One receiver. It outlives the instances of the notifier."""

    clock: Clock = VirtualClock()
    """Follows the loop of the case, also under ``wired_clock``; under ``real_clock`` set a ``SystemClock``."""
    spec: NotifierSpec[Any]
    """What the plugin offers."""
    abilities: frozenset[NotifierAbility] = frozenset()
    wait: float = WAIT
    """Seconds that the receiver asks to wait under ``LIMIT_THE_RATE``."""

    async def open(self) -> None:
        """Start what the receiver runs; called at the start of each case, on its loop."""

    async def close(self) -> None:
        """Stop it; called at the end of each case."""

    def options(self) -> Mapping[str, Any]:
        """Return the notifier's options as in ``settings.toml``; called after ``open``."""
        return {}

    def secrets(self) -> Sequence[str]:
        """Return secrets besides those of the options, which the suite knows."""
        return ()

    def connect(self, context: NotifierContext[Any]) -> Notifier:
        """Return a new instance of the notifier, as after a restart."""
        return self.spec.factory(context)

    @abstractmethod
    async def received(self) -> Sequence[str]:
        """Return every message that arrived and was accepted, oldest first, as its reader sees it."""

    async def fail(self, ability: NotifierAbility, body: bytes = b"") -> None:
        """Fail as `NotifierAbility` describes until ``restore``. ``body``: what responses contain, if it can be set."""
        raise NotImplementedError  # the suite only uses abilities that a harness lists

    async def restore(self) -> None:
        """End every failure."""


class HttpNotifierHarness(HttpLoopback[NotifierAbility], NotifierHarness):
    """A harness whose receiver is an aiohttp application. A subclass adds that, ``options`` and ``received``.

    A receiver that states a wait in another way than ``Retry-After`` replaces that fault.
    """

    faults: Mapping[NotifierAbility, HttpFault] = {
        NotifierAbility.GO_AWAY: GONE,
        NotifierAbility.HANG: SILENT,
        NotifierAbility.REFUSE_THE_KEY: answers(401),
        NotifierAbility.REFUSE_THE_MESSAGE: answers(400),
        NotifierAbility.LIMIT_THE_RATE: answers(429, headers={"Retry-After": f"{WAIT:g}"}),
    }
