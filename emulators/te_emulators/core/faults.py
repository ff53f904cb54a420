"""Scripted faults: what fails, at which kind of request, when and how often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class FaultKind(StrEnum):
    """Kinds of faults. In brackets: the fields of ``Fault`` that matter."""

    LATENCY = "latency"
    """Answered ``seconds`` later."""
    REFUSED = "refused"
    """This connection breaks and new ones are refused for ``seconds``."""
    DROPPED = "dropped"
    """The connection breaks without an answer [accepted]."""
    TIMED_OUT = "timed out"
    """No answer until the client gives up [accepted]."""
    SERVER_ERROR = "server error"
    """``status`` (500) with the exchange's body for it [accepted]."""
    HTML = "html"
    """A page instead of JSON, with ``status`` (502) [accepted]."""
    TRUNCATED = "truncated"
    """Half of the response as if it were complete [accepted: always]."""
    EMPTY = "empty"
    """A success without data [accepted: always]."""
    RATE_LIMITED = "rate limited"
    """The exchange's refusal of too many requests."""
    MAINTENANCE = "maintenance"
    """The exchange's answer while it is closed."""
    REJECTED = "rejected"
    """The domain error named ``error``."""
    DUPLICATE_ANSWER = "duplicate answer"
    """The answer is sent twice, one after the other."""
    REPEATED = "repeated"
    """The request is carried out twice, as by a proxy that repeats it; the second answer is returned."""
    PARTIAL_FILL = "partial fill"
    """Only ``fraction`` of the order is filled, the rest is cancelled, or stays open with ``rest``."""
    LATE_FILL = "late fill"
    """``fraction`` at once (0), the rest after ``requests`` more requests or ``seconds``, or manually."""
    REJECTED_LATER = "rejected later"
    """The order is accepted, then rejected for ``error``."""
    POSITION_CHANGED = "position changed"
    """Somebody buys ``size`` coins of ``symbol`` by hand (sells if negative) before the request is handled."""
    LIQUIDATION = "liquidation"
    """The position in ``symbol`` is liquidated before the request is handled."""
    CLOCK_SKEW = "clock skew"
    """From now on the exchange's clock is ``seconds`` ahead (or behind)."""
    STREAM_GAP = "stream gap"
    """The message is never sent, which shows in the sequence numbers."""
    STREAM_REORDER = "stream reorder"
    """The message is sent after the next one."""
    STREAM_DUPLICATE = "stream duplicate"
    """The message is sent twice."""
    STREAM_CLOSED = "stream closed"
    """The connection breaks instead of the message."""
    STREAM_SILENT = "stream silent"
    """From this message on the connection sends nothing, pongs included."""


STREAM_FAULTS = frozenset(kind for kind in FaultKind if kind.name.startswith("STREAM_"))
FILL_FAULTS = frozenset({FaultKind.PARTIAL_FILL, FaultKind.LATE_FILL, FaultKind.REJECTED_LATER})


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault. ``route`` is a route kind, "connect" (opening a stream) or "login"; "*" is all of these.

    Faults of streams act upon the data that they push and need no ``route``.

    It lets ``after`` matching requests (or stream messages) pass, then takes effect on ``times`` of them
    (None: for ever). ``key`` limits it to one API key, ``topic`` to one topic of a stream.
    """

    kind: FaultKind
    route: str = "*"
    after: int = 0
    times: int | None = 1
    key: str | None = None
    topic: str | None = None
    accepted: bool = False
    """The request is carried out before it fails."""
    seconds: float = 0.0
    status: int | None = None
    error: str = ""
    fraction: Decimal = Decimal(0)
    rest: bool = False
    requests: int | None = None
    symbol: str = ""
    """The exchange's own symbol, or just the coin."""
    size: Decimal = Decimal(0)
    """In coins, whatever the exchange's contract size."""

    def concerns(self, route: str, key: str | None, topic: str | None) -> bool:
        """Return whether this fault applies to a request, or to a message of a stream."""
        if (self.kind in STREAM_FAULTS) != (route == "stream") or self.route not in {"*", route}:
            return False
        return self.key in {None, key} and self.topic in {None, topic}


@dataclass(slots=True)
class _Armed:
    fault: Fault
    waiting: int
    left: int | None


class FaultScript:
    """The remaining faults; more may be added while the emulator runs."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._armed: list[_Armed] = []
        self.add(*faults)

    def add(self, *faults: Fault) -> None:
        """Arm more faults."""
        self._armed += [_Armed(fault, fault.after, fault.times) for fault in faults]

    def clear(self) -> None:
        """Disarm every fault."""
        self._armed.clear()

    @property
    def pending(self) -> list[Fault]:
        """Return the faults that are not used up."""
        return [armed.fault for armed in self._armed]

    def consume(self, route: str, *, key: str | None = None, topic: str | None = None) -> list[Fault]:
        """Return the faults that take effect on this request or message, in the order they were armed."""
        consumed = []
        for armed in list(self._armed):
            if not armed.fault.concerns(route, key, topic):
                continue
            if armed.waiting:
                armed.waiting -= 1
                continue
            consumed.append(armed.fault)
            if armed.left is not None:
                armed.left -= 1
                if not armed.left:
                    self._armed.remove(armed)
        return consumed
