"""Hostile plugins: honest ones of which one method misbehaves, and the sections that have it called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from inspect import iscoroutinefunction
from types import SimpleNamespace
from typing import Any

from te_core.api import (
    AccountStream,
    Capabilities,
    Event,
    ExchangeSpec,
    FlowKind,
    Notifier,
    NotifierSpec,
    NotReady,
    Observer,
    ObserverSpec,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    Proposal,
    RestingStop,
    RiskCheck,
    RiskCheckSpec,
    Signal,
    SignalSource,
    SignalSourceSpec,
    StopRequest,
    Verdict,
    WebhookResponse,
    hookimpl,
)
from tests.engine.scene import Exchange, Options
from tests.hostile.cases import GROUPS, Case

D = Decimal


class Mute(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def misbehave(way: str) -> Any:
    """Misbehave, as far as that takes no time."""
    match way:
        case "raises":
            raise ValueError("no")
        case "cancels":
            raise asyncio.CancelledError("stray")
        case "exits":
            raise SystemExit(3)
        case "mute":
            raise Mute
        case "wrong type":
            return 42
    return None


def attacked(base: type[Any], case: Case) -> type[Any]:
    """Return a class whose one method misbehaves."""

    async def in_time(self: Any, *given: Any, **named: Any) -> Any:
        if case.way == "hangs":
            await asyncio.Event().wait()
        for _ in range(5 if case.way == "clings" else 0):  # five hours, more than any case takes
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
        if case.method == "watch" and case.way == "wrong type":
            given[0].position(42)
        if case.way == "floods":
            await FLOODS[case.kind, case.method](self, *given)
        return misbehave(case.way)

    def at_once(self: Any, *given: Any, **named: Any) -> Any:
        del self, given, named
        return 42 if case.way == "not async" else misbehave(case.way)

    if case.method == "factory":
        return base
    is_async = iscoroutinefunction(getattr(base, case.method)) and case.way != "not async"
    return type("Bad", (base,), {case.method: in_time if is_async else at_once})


class Source(SignalSource):
    """Publishes nothing and answers every alert."""

    def __init__(self, context: Any) -> None:
        self.context = context

    async def on_webhook(self, request: Any) -> WebhookResponse:
        del request
        return WebhookResponse(status=200)


class Account(Exchange):
    """An exchange that fills everything. ``case`` decides what the engine calls."""

    def __init__(self, context: Any) -> None:
        super().__init__(context.clock, uid="bad")
        self.case: Case

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report = await super().place_order(order)
        if self.case.method == "find_order":
            raise OutcomeUnknown("the answer was lost")
        return replace(report, average_price=None) if self.case.method == "order_cost" else report

    async def stops(self) -> Sequence[RestingStop]:
        return ()

    async def place_stop(self, stop: StopRequest) -> None:
        del stop

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        del symbol, client_order_id
        return None

    async def watch(self, stream: AccountStream) -> None:
        await super().watch(stream)


class Bell(Notifier):
    """Notifies nobody."""

    def __init__(self, context: Any) -> None:
        self.context = context

    async def notify(self, event: Event) -> None:
        del event


class Check(RiskCheck):
    """Approves everything."""

    def __init__(self, context: Any) -> None:
        self.context = context

    async def review(self, proposal: Proposal) -> Verdict:
        del proposal
        return Verdict.approve()


class Watcher(Observer):
    """Ignores everything."""

    def __init__(self, context: Any) -> None:
        self.context = context


HONEST: Mapping[str, type[Any]] = {
    "source": Source,
    "exchange": Account,
    "notifier": Bell,
    "risk check": Check,
    "observer": Watcher,
}


async def flood_signals(source: Source) -> None:
    """Publish signals that are refused, record events and quarantine nothing, as fast as possible."""
    now = source.context.clock.now()
    for number in range(2000):
        wrong = Signal(source="tv", symbol="BTCUSDT", depth=D(-1), time=now, received_at=now)
        with suppress(Exception):
            await source.context.publish(wrong)
        source.context.record("noise", f"{number}")
    await asyncio.Event().wait()


async def flood_pushes(account: Account, stream: AccountStream) -> None:
    """Push prices and changes as fast as possible."""
    del account
    for number in range(2000):
        stream.price("BTCUSDT", D(50000) + number % 3)
        stream.changed()
    raise NotReady("that was all")


async def flood_questions(check: Check, proposal: Proposal) -> None:
    """Request another check as fast as possible, and object."""
    del proposal
    for _ in range(2000):
        check.context.ask_again()


FLOODS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("source", "run"): flood_signals,
    ("exchange", "watch"): flood_pushes,
    ("risk check", "review"): flood_questions,
}


def spec_of(case: Case) -> Any:
    """Return what the hostile plugin offers."""
    kind = attacked(HONEST[case.kind], case)

    def factory(context: Any) -> Any:
        if case.method == "factory" and (made := misbehave(case.way)) is not None:
            return made
        made = kind(context)
        if isinstance(made, Account):
            made.case = case
        return made

    match case.kind:
        case "source":
            return SignalSourceSpec(name="hostile", settings=Options, factory=factory)
        case "exchange":
            return ExchangeSpec(
                name="hostile", settings=Options, factory=factory, capabilities=capabilities_for(case.method)
            )
        case "notifier":
            return NotifierSpec(name="hostile", settings=Options, factory=factory)
        case "risk check":
            return RiskCheckSpec(name="hostile", settings=Options, factory=factory)
    return ObserverSpec(name="hostile", settings=Options, factory=factory)


def capabilities_for(method: str) -> Capabilities:
    """Return the capabilities that an exchange needs for a method to be called."""
    return Capabilities(
        private_stream=method == "watch",
        cash_flows=frozenset({FlowKind.FUNDING}) if method == "cash_flows" else frozenset(),
        stops=method in ("place_stop", "stops"),
        tells_fees=method == "order_cost",
    )


def settings_for(case: Case) -> dict[str, Any]:
    """Return the section of the hostile instance, and what makes the engine call it."""
    section: dict[str, Any] = {"plugin": "hostile"}
    if case.kind == "exchange":
        section |= {"observe": False, "drift": "heal"}
        if case.method in ("place_stop", "stops"):
            section["stop"] = {"loss": "3%"}
        if case.method == "funding":
            section["limits"] = {"funding_guard": {"rate": "0.001"}}
    elif case.kind == "notifier":
        section |= {"kinds": ["*"], "gather": 0}
    elif case.kind == "risk check":
        section["symbols"] = ["ETHUSDT"]
    return {GROUPS[case.kind]: {"bad": section}}


@dataclass(frozen=True, slots=True)
class Offering:
    """An entry point that loads a hostile module."""

    case: Case
    module: str = "te_hostile.plugin"
    value: str = "te_hostile.plugin"

    def load(self) -> Any:
        case = self.case

        def offered() -> Any:
            return misbehave(case.way)

        offered.__name__ = case.method
        return SimpleNamespace(**{case.method: hookimpl(offered)})
