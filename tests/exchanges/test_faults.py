"""Whatever an exchange does, the engine reaches its targets, executes nothing twice, and reports an outage once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.model.event import Event
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_ccxt.client import error_classification
from te_exchange_ccxt.errors import ErrorKind as Kind
from te_exchange_ccxt.streams import account_streams
from tests.exchanges.trading import (
    PLUGINS,
    Trading,
    account,
    assert_at_goals,
    outages,
    quick,
    spec_of,
    trading,
)

pytestmark = pytest.mark.real_clock

FIRST = {"BTCUSDT": "0.2", "ETHUSDT": "-0.2"}
SECOND = {"BTCUSDT": "-0.1", "ETHUSDT": "-0.3"}
"""BTC is flipped, ETH is increased."""

K = FaultKind


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """Faults while new targets are carried out."""

    faults: Sequence[Fault]
    told: bool = False
    """The operator hears of an outage for certain."""
    streams: bool = False
    timeout: float | None = None
    """Seconds that the account waits for an answer, in place of its own."""


def reading(kind: FaultKind, *, times: int = 3, **parts: object) -> Disturbance:
    """Consecutive reads of the positions."""
    return Disturbance(faults=[Fault(kind=kind, route="positions", times=times, **parts)], told=True)  # type: ignore[arg-type]


def ordering(
    kind: FaultKind, *, told: bool = False, timeout: float | None = None, times: int = 2, **parts: object
) -> Disturbance:
    """Consecutive orders."""
    faults = [Fault(kind=kind, route="order", times=times, **parts)]  # type: ignore[arg-type]
    return Disturbance(faults=faults, told=told, timeout=timeout)


def streaming(kind: FaultKind, **parts: object) -> Disturbance:
    """Pushes from now on."""
    return Disturbance(faults=[Fault(kind=kind, times=3, **parts)], streams=True)  # type: ignore[arg-type]


DISTURBANCES = {
    "reads": {
        "latency": Disturbance(faults=[Fault(kind=K.LATENCY, times=6, seconds=0.2)]),
        "refused connections": Disturbance(
            faults=[Fault(kind=K.REFUSED, route="positions", seconds=3600)], told=True
        ),
        "dropped connections": reading(K.DROPPED),
        "5xx": reading(K.SERVER_ERROR),
        "HTML": reading(K.HTML),
        "truncated JSON": reading(K.TRUNCATED),
        "429": reading(K.RATE_LIMITED, times=1),
        "maintenance": reading(K.MAINTENANCE),
    },
    "orders": {
        "refused connections": Disturbance(
            faults=[Fault(kind=K.REFUSED, route="order", seconds=3600)], told=True
        ),
        "dropped connections": ordering(K.DROPPED),
        "5xx": ordering(K.SERVER_ERROR, status=503),
        "HTML": ordering(K.HTML),
        "truncated JSON": ordering(K.TRUNCATED),
        "429": ordering(K.RATE_LIMITED, told=True, times=1),
        "maintenance": ordering(K.MAINTENANCE, told=True),
        "rejected": ordering(K.REJECTED, told=True, error="LeverageTooHigh"),
    },
    "executed orders": {
        "accepted and then timed out": ordering(K.TIMED_OUT, accepted=True, timeout=3),
        "accepted and then dropped": ordering(K.DROPPED, accepted=True),
        "accepted and then 5xx": ordering(K.SERVER_ERROR, accepted=True, status=502),
        "accepted and then HTML": ordering(K.HTML, accepted=True),
        "duplicate answer": ordering(K.DUPLICATE_ANSWER),
        "partial fill": ordering(K.PARTIAL_FILL, fraction=Decimal("0.4")),
        "late fill": ordering(K.LATE_FILL, seconds=0.5),
        "rejected later": ordering(K.REJECTED_LATER, error="InsufficientMargin"),
    },
    "the account": {
        "rejected leverage": Disturbance(
            faults=[Fault(kind=K.REJECTED, route="leverage", times=2, error="LeverageTooHigh")]
        ),
        "position changed by hand": Disturbance(
            faults=[Fault(kind=K.POSITION_CHANGED, route="positions", symbol="BTC", size=Decimal("0.01"))]
        ),
        "liquidation": Disturbance(faults=[Fault(kind=K.LIQUIDATION, route="positions", symbol="ETH")]),
        "clock ahead": Disturbance(faults=[Fault(kind=K.CLOCK_SKEW, seconds=90)]),
        "clock behind": Disturbance(faults=[Fault(kind=K.CLOCK_SKEW, seconds=-90)]),
    },
    "streams": {
        "gap": streaming(K.STREAM_GAP),
        "reordered messages": streaming(K.STREAM_REORDER),
        "duplicated messages": streaming(K.STREAM_DUPLICATE),
        "closed": streaming(K.STREAM_CLOSED),
        "silent": streaming(K.STREAM_SILENT),
    },
}


@pytest.mark.parametrize("exchange", PLUGINS)
@pytest.mark.parametrize("where", DISTURBANCES)
async def test_every_fault_ends_at_the_targets(
    exchange: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run the faults of one kind concurrently, each with an exchange and an engine of its own."""
    monkeypatch.setitem(error_classification.PAUSE, Kind.MAINTENANCE, 0.5)
    monkeypatch.setattr(account_streams, "LAST_PAUSE", 2.0)  # after which a stream has recovered
    disturbances = DISTURBANCES[where]
    ended = await asyncio.gather(
        *(
            meet(exchange, disturbance, tmp_path / str(number))
            for number, disturbance in enumerate(disturbances.values())
        ),
        return_exceptions=True,
    )
    wrong = {name: error for name, error in zip(disturbances, ended, strict=True) if error is not None}
    assert not wrong, "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in wrong.items())


async def meet(exchange: str, disturbance: Disturbance, folder: Path) -> None:
    """Change the targets while the faults last; everything must recover, and be reported."""
    folder.mkdir()
    async with running(exchange) as server:
        settings = {
            "accounts": {"main": account(exchange, server, streams=disturbance.streams)},
            "symbols": {symbol: {"weights": {"said": 1}} for symbol in FIRST},
        }
        async with trading(folder, settings, quick(spec_of(exchange))) as harness:
            await harness.say(FIRST)
            await harness.until_confirmed()
            await followed(harness, disturbance)
            if not acted_upon(server, disturbance):
                return
            server.faults.add(*disturbance.faults)
            await harness.say(SECOND, leverage=3)
            await over(harness, server, disturbance)
            by_others = {K.POSITION_CHANGED, K.LIQUIDATION} & {fault.kind for fault in disturbance.faults}
            assert_at_goals(harness, server, taken_away=bool(by_others))  # before or after it is confirmed
            assert all(state.goal and state.goal.quantity for state in harness.states())
            assert server.exchange.counts.doubled == []
            assert not server.exchange.counts.refusals
            assert_told_once(harness.events(), told=disturbance.told)


async def followed(harness: Trading, disturbance: Disturbance) -> None:
    """Wait until streams are relied on, and set the account's time-out for the fault."""
    guarded: Any = harness.engine.accounts["main"].account
    connected = guarded.inner
    if disturbance.streams:
        await harness.until(
            lambda: connected.streams and connected.streams.complete, "everything to be followed"
        )
    if disturbance.timeout is not None:
        connected._connection.exchange.timeout = 1000 * disturbance.timeout


def acted_upon(server: WireServer, disturbance: Disturbance) -> bool:
    """Whether the exchange has the routes that the faults affect: at some, leverage is part of the order."""
    counts = server.exchange.counts.requests
    return all(fault.route != "leverage" or counts["leverage"] for fault in disturbance.faults)


async def over(harness: Trading, server: WireServer, disturbance: Disturbance) -> None:
    """Wait until the faults are used up and everything has recovered for good."""
    kinds = {fault.kind for fault in disturbance.faults}
    await harness.until(lambda: kinds <= set(server.exchange.counts.faults), "the fault")
    if K.REFUSED in kinds:
        await harness.until(lambda: outages(harness.events()), "the outage to be reported")
        await server.listen()
    await harness.until(lambda: harness.well() and not unspent(server), "all to be well")
    await harness.until(lambda: ended(harness.events()), "every outage to end")
    await asyncio.sleep(0.3)
    await harness.until_confirmed()


def ended(events: Sequence[Event]) -> bool:
    """Whether every recorded outage has ended."""
    return all(kinds[-1] == "recovery" for kinds in outages(events).values())


def unspent(server: WireServer) -> bool:
    return any(not fault.kind.name.startswith("STREAM_") for fault in server.faults.pending)


def assert_told_once(events: Sequence[Event], *, told: bool) -> None:
    """The log has one line when an outage starts, one when it ends."""
    lines = outages(events)
    assert all(kinds == ["outage", "recovery"] for kinds in lines.values()), [e.text for e in events]
    assert lines or not told, "an outage that was not reported"
