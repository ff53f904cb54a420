"""The engine reports the truth about itself (I16): readiness, status and notices follow from the current state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from te_core.api import AuthError, NotReady
from te_core.errors import JournalError
from te_core.journal.journal import Journal
from te_core.reporting.symbol_view import SymbolView, doing, duration, shown_status, symbol_json, why
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from tests.engine.engine_harness import BASE, Running, Trader, changed, running
from tests.querying import queries_of

D = Decimal
ONE = changed(BASE, "accounts.two", None)


def ready(engine: Engine) -> bool:
    found: bool = queries_of(engine).readiness()["ready"]
    return found


def reasons(engine: Engine) -> str:
    return "; ".join(queries_of(engine).readiness()["reasons"])


def target(engine: Engine, symbol: str = "BTCUSDT") -> dict[str, Any]:
    found: dict[str, Any] = queries_of(engine).state()["accounts"]["one"]["targets"][symbol]
    return found


def kinds(run: Running, part: str) -> list[str]:
    events = reversed(run.journal.events(99))
    return [event.kind for event in events if part in event.detail.get("parts", ())]


class Breaking:
    """An account whose methods can be made to fail."""

    def __init__(self, trader: Trader) -> None:
        self.failing: set[str] = set()
        self.fake = FakeAccount(trader.clock, BTCUSDT="50000", ETHUSDT="2500")
        trader.accounts["one"] = FaultyAccount(self.fake, faults=self._fault)  # type: ignore[assignment]

    def _fault(self, method: str, _: int) -> Fault | None:
        return Fault(refused=NotReady("maintenance")) if method in self.failing else None


@pytest.mark.parametrize("read", ["positions", "equity", "prices"])
async def test_an_account_that_cannot_be_read_is_not_ready(tmp_path: Path, trader: Trader, read: str) -> None:
    exchange = Breaking(trader)
    async with running(tmp_path, trader, ONE) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        assert ready(run.engine)
        assert target(run.engine)["status"] == "at_target"
        exchange.failing = {read}
        await asyncio.sleep(60)
        assert not ready(run.engine)
        assert f"account one: unreadable: {read}: maintenance" in reasons(run.engine)
        shown = queries_of(run.engine).state()
        assert shown["engine"]["status"] == "degraded"
        assert shown["accounts"]["one"]["status"] == "unreadable"
        exchange.failing = set()
        await asyncio.sleep(180)
        assert ready(run.engine)
        assert target(run.engine)["status"] == "at_target"
        assert kinds(run, read) == ["outage", "recovery"]


async def test_a_confirmed_symbol_is_not_at_target_while_unreadable(tmp_path: Path, trader: Trader) -> None:
    exchange = Breaking(trader)
    async with running(tmp_path, trader, ONE) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        exchange.failing = {"positions"}
        await asyncio.sleep(300)
        shown = target(run.engine)
        assert shown["confirmed"]
        assert (shown["status"], shown["reason"]) == ("unreadable", "positions: maintenance")
        assert doing(shown) == "unreadable"


async def test_an_undecided_target_is_not_shown_as_reached(tmp_path: Path, trader: Trader) -> None:
    exchange = Breaking(trader)
    async with running(tmp_path, trader, ONE) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        exchange.failing = {"equity"}
        await trader.say("tv", "0.5")
        statuses = set()
        for _ in range(100):
            statuses.add(target(run.engine)["status"])
            await asyncio.sleep(0.1)
        assert "at_target" not in statuses
        assert not ready(run.engine)


async def test_an_account_that_was_never_read_is_not_ready(tmp_path: Path, trader: Trader) -> None:
    exchange = Breaking(trader)
    exchange.failing = {"positions"}
    async with running(tmp_path, trader, ONE) as run:
        assert not ready(run.engine)
        assert "account one" in reasons(run.engine)


async def test_a_source_with_a_refused_key_is_unready_and_reports_once(
    tmp_path: Path, trader: Trader
) -> None:
    """Reported through its context's outages: the source itself continues."""
    async with running(tmp_path, trader) as run:
        assert ready(run.engine)
        for _ in range(90):
            trader.sources["sn"].outages.failing("upstream", "rejected: HTTP 401")
            await asyncio.sleep(1)
        assert reasons(run.engine) == "source sn: failing: upstream: rejected: HTTP 401"
        assert queries_of(run.engine).state()["sources"]["sn"]["reason"] == "upstream: rejected: HTTP 401"
        trader.sources["sn"].outages.well("upstream")
        assert ready(run.engine)
        await asyncio.sleep(1)
        assert kinds(run, "upstream") == ["outage", "recovery"]


async def test_a_source_that_refuses_to_start_is_not_ready(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"sn": AuthError("the key is refused")}
    async with running(tmp_path, trader) as run:
        assert "source sn: " in reasons(run.engine)
        assert "the key is refused" in reasons(run.engine)


async def test_a_stream_that_is_down_leaves_an_account_ready(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        run.engine.accounts["one"].outages.failing("stream", "refused")
        await asyncio.sleep(60)
        assert ready(run.engine)
        assert queries_of(run.engine).state()["accounts"]["one"]["reason"] == "stream: refused"


async def test_an_unusable_plugin_is_an_outage_of_its_section(tmp_path: Path, trader: Trader) -> None:
    broken = changed(BASE, "sources.sn.plugin", "pushd")
    async with running(tmp_path, trader, broken) as run:
        assert "source sn: unavailable" in reasons(run.engine)
        await asyncio.sleep(60)
        assert kinds(run, "plugin") == ["outage"]
        await run.apply(BASE)
        assert ready(run.engine)
        assert kinds(run, "plugin") == ["outage", "recovery"]


@asynccontextmanager
async def with_journal(folder: Path, trader: Trader) -> AsyncIterator[tuple[Engine, list[str]]]:
    """Run an engine whose journal reports problems to it; yield it and what its notifiers receive."""
    said: list[str] = []
    engines: list[Engine] = []

    def on_problem(text: str) -> None:
        engines[0].journal_changed(text)

    journal = Journal.open(
        folder / "j.sqlite3",
        clock=trader.clock,
        new_id=lambda: "j",
        inline=True,
        on_problem=on_problem,
    )
    registry = trader.registry()
    engine = Engine(journal=journal, registry=registry, clock=trader.clock, log=logger, state_dir=folder)
    engines.append(engine)
    engine.notifiers.accept = lambda event: said.append(f"{event.kind}: {event.text}")  # type: ignore[method-assign]
    await engine.start(resolve(Settings.model_validate(BASE), registry))
    await asyncio.sleep(1)
    try:
        yield engine, said
    finally:
        await engine.stop()
        journal.close()


async def test_a_read_only_journal_is_not_ready_and_reported_once(tmp_path: Path, trader: Trader) -> None:
    async with with_journal(tmp_path, trader) as (engine, said):
        assert ready(engine)
        (tmp_path / "j.sqlite3").rename(tmp_path / "elsewhere")
        for _ in range(30):
            with pytest.raises(JournalError):
                await trader.say("tv", "1")
            await asyncio.sleep(1)
        assert not ready(engine)
        assert "journal: " in reasons(engine)
        about = [text for text in said if "journal" in text]
        assert len(about) == 1
        assert about[0].startswith("outage: journal: ")
        (tmp_path / "elsewhere").rename(tmp_path / "j.sqlite3")
        await trader.say("tv", "1")
        await asyncio.sleep(5)
        assert ready(engine)
        about = [text for text in said if "journal" in text]
        assert len(about) == 2
        assert about[1].startswith("recovery: journal recovered after ")


VIEW = SymbolView(
    depth=D("0.5"),
    leverage=3,
    revision=7,
    quantity=D("0.1"),
    confirmed=True,
    status="at_target",
    reason="",
    phase="resting",
    phase_age=5.0,
    read_age=3.0,
    fresh_for=75.0,
)


@pytest.mark.parametrize(
    ("view", "words", "reason"),
    [
        (VIEW, "at target", ""),
        (replace(VIEW, read_age=80.0), "unreadable", "not read for 80 s"),
        (replace(VIEW, read_age=None), "unreadable", "not read yet"),
        (replace(VIEW, unreadable="positions: timeout"), "unreadable", "positions: timeout"),
        (replace(VIEW, phase="deciding", phase_reason="a new target"), "deciding", "a new target"),
        (replace(VIEW, phase="executing", phase_age=4.2), "executing for 4.2 s", ""),
        (
            replace(VIEW, phase="resolving", phase_age=300.0, phase_reason="not answered"),
            "resolving an order for 5 min",
            "not answered",
        ),
        (replace(VIEW, status="drift", reason="-0.1 by hand"), "drift", "-0.1 by hand"),
        (
            replace(VIEW, phase="held", status="waiting", phase_reason="margin is short", retry_in=12.0),
            "waiting, retry in 12 s",
            "margin is short",
        ),
        (
            replace(VIEW, phase="held", phase_reason="limits", retry="decided again after each read"),
            "waiting",
            "limits; decided again after each read",
        ),
        (
            replace(VIEW, limited="symbol_exposure leaves 0.1 of 0.2"),
            "at target, limited",
            "symbol_exposure leaves 0.1 of 0.2",
        ),
    ],
)
def test_a_symbol_in_words(view: SymbolView, words: str, reason: str) -> None:
    shown = symbol_json(view)
    assert (doing(shown), why(shown)) == (words, reason)


def test_a_reason_that_names_what_is_held_back_is_shown_once() -> None:
    halted = {"status": "halted", "phase": "resting", "reason": "halted by hand"}
    assert why({**halted, "limited": "halted by hand (0.046 of 0.092)"}) == "halted by hand (0.046 of 0.092)"
    assert (
        why({**halted, "limited": "order_notional allows 0.05"})
        == "halted by hand; order_notional allows 0.05"
    )


@given(
    status=st.sampled_from(["at_target", "working", "waiting", "blocked", "drift", "limited"]),
    phase=st.sampled_from(["resting", "deciding", "executing", "resolving", "held"]),
    read_age=st.none() | st.floats(min_value=0, max_value=1e6),
    unreadable=st.sampled_from(["", "down"]),
    confirmed=st.booleans(),
)
def test_at_target_needs_a_recent_read_and_a_symbol_at_rest(
    status: str, phase: str, read_age: float | None, unreadable: str, *, confirmed: bool
) -> None:
    view = replace(
        VIEW, status=status, phase=phase, read_age=read_age, unreadable=unreadable, confirmed=confirmed
    )
    if shown_status(view) == "at_target":
        assert (status, phase, unreadable) == ("at_target", "resting", "")
        assert read_age is not None
        assert read_age <= view.fresh_for


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (12, "12 s"),
        (119, "119 s"),
        (120, "2 min"),
        (8000, "2 h"),
        (2e5, "2 d"),
    ],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
