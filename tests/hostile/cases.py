"""A hostile plugin for each way to fail, next to honest ones in one engine: what the engine says, and who trades on.

Each case makes one method of one instance misbehave from its first call on. The instance is called ``bad``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from inspect import iscoroutinefunction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from loguru import logger

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
from te_core.plugins.discovery import PluginEntry
from te_core.plugins.loading import load
from te_core.plugins.report import PluginStatus
from te_core.reporting.queries import Queries
from te_core.testing.fakes import webhook_request
from te_core.testing.virtual_clock import START
from tests.engine.scene import Exchange, Options, Scene

D = Decimal
EVERY_WAY = ("raises", "cancels", "exits", "hangs", "wrong type")
UNANSWERED = ("raises", "cancels", "exits", "hangs")
AT_ONCE = ("raises", "cancels", "exits", "wrong type")
"""Of what is not async: one that hangs blocks the event loop, which the watchdog reports."""
WAYS = {
    "raises": "raises `ValueError`",
    "cancels": "raises `CancelledError`",
    "exits": "calls `sys.exit()`",
    "hangs": "never returns",
    "wrong type": "returns 42",
    "not async": "is not `async`",
    "ends": "returns",
    "floods": "does it thousands of times",
    "nothing": "returns `None`",
    "mute": "raises an error whose text raises",
}
HOOKS = ("te_signal_sources", "te_exchanges", "te_notifiers", "te_risk_checks", "te_observers", "te_commands")
ATTACKS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "source": {
        "factory": AT_ONCE,
        "run": ("raises", "cancels", "exits", "ends", "not async", "mute", "floods"),
        "on_webhook": ("raises", "cancels", "exits", "wrong type", "not async"),
        "status": ("raises", "exits", "wrong type"),
        "report": ("raises", "wrong type"),
        "close": UNANSWERED,
    },
    "exchange": {
        "factory": AT_ONCE,
        "open": UNANSWERED,
        "identity": EVERY_WAY,
        "instruments": EVERY_WAY,
        "equity": EVERY_WAY,
        "positions": (*EVERY_WAY, "not async"),
        "prices": EVERY_WAY,
        "set_leverage": UNANSWERED,
        "set_margin_mode": UNANSWERED,
        "place_order": (*EVERY_WAY, "not async"),
        "find_order": EVERY_WAY,
        "order_cost": ("raises", "exits", "wrong type"),
        "cash_flows": ("raises", "exits", "wrong type"),
        "funding": EVERY_WAY,
        "place_stop": ("raises", "exits", "hangs"),
        "stops": ("raises", "wrong type"),
        "watch": ("raises", "cancels", "exits", "ends", "wrong type", "floods"),
        "diagnose": EVERY_WAY,
        "close": UNANSWERED,
    },
    "notifier": {
        "factory": AT_ONCE,
        "notify": (*UNANSWERED, "not async"),
        "close": ("raises", "hangs"),
    },
    "risk check": {
        "factory": AT_ONCE,
        "review": (*EVERY_WAY, "not async", "floods"),
        "run": ("raises", "cancels", "exits", "ends"),
        "status": ("raises", "wrong type"),
        "close": ("raises", "hangs"),
    },
    "hook": dict.fromkeys(HOOKS, (*AT_ONCE, "nothing")),
    "observer": {
        "factory": AT_ONCE,
        "order_finished": UNANSWERED,
        "position_changed": ("raises", "exits", "hangs"),
        "event": (*UNANSWERED, "not async"),
        "status": ("raises", "wrong type"),
        "close": ("raises", "hangs"),
    },
}
GROUPS = {
    "source": "sources",
    "exchange": "accounts",
    "notifier": "notifiers",
    "risk check": "risk_checks",
    "observer": "observers",
    "hook": "",
}
"""Where instances of a kind stand in the settings, in the order in which the page shows the kinds."""


@dataclass(frozen=True, slots=True)
class Case:
    """One method of one kind of instance, and what it does."""

    kind: str
    method: str
    way: str

    def __str__(self) -> str:
        return f"{self.kind} {self.method} {self.way}".replace(" ", "-")


CASES = [
    Case(kind, method, way)
    for kind, methods in ATTACKS.items()
    for method, ways in methods.items()
    for way in ways
]


class Mute(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("no text")

    __repr__ = __str__


def misbehave(way: str) -> Any:
    """Do it, as far as that takes no time."""
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


# -- honest instances, of which one method is replaced


class Source(SignalSource):
    """Publishes nothing, and answers every alert."""

    def __init__(self, context: Any) -> None:
        self.context = context

    async def on_webhook(self, request: Any) -> WebhookResponse:
        del request
        return WebhookResponse(status=200)


class Account(Exchange):
    """An exchange that fills everything. ``case``: what of it is asked for at all."""

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
    """Rings nowhere."""

    def __init__(self, context: Any) -> None:
        self.context = context

    async def notify(self, event: Event) -> None:
        del event


class Check(RiskCheck):
    """Approves of everything."""

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
    """Publish what is refused, record events and quarantine nothing, as fast as it goes."""
    now = source.context.clock.now()
    for number in range(2000):
        wrong = Signal(source="tv", symbol="BTCUSDT", depth=D(-1), time=now, received_at=now)
        with suppress(Exception):
            await source.context.publish(wrong)
        source.context.record("noise", f"{number}")
    await asyncio.Event().wait()


async def flood_pushes(account: Account, stream: AccountStream) -> None:
    """Push prices and changes as fast as it goes."""
    del account
    for number in range(2000):
        stream.price("BTCUSDT", D(50000) + number % 3)
        stream.changed()
    raise NotReady("that was all")


async def flood_questions(check: Check, proposal: Proposal) -> None:
    """Ask to be asked again as fast as it goes, and object."""
    del proposal
    for _ in range(2000):
        check.context.ask_again()


FLOODS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("source", "run"): flood_signals,
    ("exchange", "watch"): flood_pushes,
    ("risk check", "review"): flood_questions,
}


# -- the engine around it


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
    """Return what an exchange has to be capable of, so that a method is called."""
    return Capabilities(
        private_stream=method == "watch",
        cash_flows=frozenset({FlowKind.FUNDING}) if method == "cash_flows" else frozenset(),
        stops=method in ("place_stop", "stops"),
        tells_fees=method == "order_cost",
    )


def settings_for(case: Case) -> dict[str, Any]:
    """Return the section of the hostile instance, and what has it called."""
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
    """An entry point at which a hostile module is found."""

    case: Case
    module: str = "te_hostile.plugin"
    value: str = "te_hostile.plugin"

    def load(self) -> Any:
        case = self.case

        def offered() -> Any:
            return misbehave(case.way)

        offered.__name__ = case.method
        return SimpleNamespace(**{case.method: hookimpl(offered)})


def reason_of(case: Case) -> str:
    """Load a plugin with a hostile hook, and return what ``te plugins`` says of it."""
    entry = PluginEntry(
        name="hostile",
        distribution="te-hostile",
        version="1",
        requires_core="",
        requires=(),
        entry_point=Offering(case),
    )
    loaded = load(entry)
    assert loaded.report.status is PluginStatus.FAILED
    return loaded.report.reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: what the engine says of it, and whether what is honest was traded as if nothing were."""

    says: str
    traded_on: bool
    closed_within: float


async def outcome(case: Case, folder: Path) -> Outcome:
    """Run a case: honest signals before, during and after, and a stop at the end."""
    if case.kind == "hook":
        return Outcome(_steady(reason_of(case)), traded_on=True, closed_within=0.0)
    world = Scene(folder)
    world.more = [spec_of(case)]
    for group, sections in settings_for(case).items():
        world.settings = {**world.settings, group: {**world.settings.get(group, {}), **sections}}
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="DEBUG")
    try:
        await world.start()
        traded_on = await _trades(world, "0.5", "0.1")
        found = await _stimulated(world, case)
        traded_on = await _trades(world, "0.2", "0.04") and traded_on
        await asyncio.sleep(75)
        traded_on = await _trades(world, "-0.2", "-0.04") and traded_on
        texts = [*_told(world, case), *found, *_strings(world.whole_state()[GROUPS[case.kind]]["bad"])]
        began = world.clock.monotonic()
        await world.stop()
        closed_within = world.clock.monotonic() - began
    finally:
        logger.remove(sink)
    return Outcome(says(case, [*texts, *lines]), traded_on, closed_within)


async def _trades(world: Scene, depth: str, position: str) -> bool:
    """Have the honest source speak; a second later the honest account holds what it says."""
    await world.say(depth)
    await world.say(depth, "ETHUSDT", wait=0)
    return world.held() == D(position) and world.at_target()


async def _stimulated(world: Scene, case: Case) -> list[str]:
    """Have the method called where trading alone does not call it; returns what its caller was told."""
    if case.method == "on_webhook":
        answer = await world.engine.on_webhook("bad", webhook_request(b"{}", received_at=START))
        return list(_strings(answer.body))
    if case.method == "report":
        return list(_strings(Queries(world.engine).report("bad")))
    if case.method == "diagnose":
        findings = (await Queries(world.engine).doctor())["accounts"]["bad"]
        return [one["text"] for one in findings]
    return []


def _told(world: Scene, case: Case) -> Iterator[str]:
    """Yield what the history has of the instance: outages, then the rest."""
    events = world.events()
    mine = [event for event in events if "bad" in (event.account, event.source) or "bad" in event.text]
    yield from (event.text for event in mine if event.kind == "outage")
    yield from (event.text for event in mine if event.kind not in ("outage", "recovery", "noise"))
    del case


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _strings(each)


def says(case: Case, texts: Sequence[str]) -> str:
    """Return the first text that names what the method did, without what differs from run to run."""
    if case.way == "floods":
        return FLOODED[case.kind]
    needles = [f"{case.method}()", "its factory"]
    if case.way == "hangs":
        needles += ["not connected within", "took longer than", "did not stop within"]
    if case.way == "ends":
        needles += ["ended on its own"]
    needles += [f"{case.method}:"]
    for needle in needles:
        for text in texts:
            if needle in text:
                return _steady(text)
    return ""


FLOODED = {
    "source": "what it may not publish is refused, what it records is kept in the journal",
    "exchange": "pushes are facts, not commands: one pass follows from any number of them",
    "risk check": "however often it asks to be asked again, once in half a second",
}


def _steady(text: str) -> str:
    """Return a text without line numbers, and without what else failed at the same time."""
    text = re.sub(r" \((?:\w+/)*\w+\.py:\d+\)", " (*file:line*)", text.splitlines()[0])
    text = re.sub(r"; next try in .*", "", text)
    return text.replace("|", "\\|")
