"""Notifiers receive events one at a time and in order; a failing notifier affects nothing else."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel, SecretStr

from te_core.api import AuthError, Event, NoticeRefused, Notifier, NotifierContext, NotifierSpec, NotReady
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.runtime.notifiers import MOST_WAITING
from te_core.secrets import Redactor
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_core.testing.virtual_clock import VirtualClock
from tests.querying import queries_of


class Options(BaseModel):
    key: SecretStr = SecretStr("key-of-the-bell")


class Room:
    """Where notices arrive. ``failures``: what the next calls raise. ``slow``: seconds that each takes.

    ``closing``: seconds that it takes to close.
    """

    def __init__(self) -> None:
        self.received: list[str] = []
        self.calls = 0
        self.failures: list[Exception] = []
        self.slow = 0.0
        self.made: list[str] = []
        self.closed = 0
        self.closing = 0.0
        self.fails_to_close = False

    def make_notifier(self, context: NotifierContext[Any]) -> Notifier:
        room = self
        room.made.append(context.name)

        class RingingNotifier(Notifier):
            async def notify(self, event: Event) -> None:
                room.calls += 1
                await asyncio.sleep(room.slow)
                if room.failures:
                    raise room.failures.pop(0)
                room.received.append(event.text)

            async def close(self) -> None:
                await asyncio.sleep(room.closing)
                room.closed += 1
                if room.fails_to_close:
                    raise OSError("gone already")

        return RingingNotifier()


EACH: dict[str, Any] = {"plugin": "bell", "gather": 0, "per_hour": 0}
"""A notifier that rings for each event."""
SETTINGS: dict[str, Any] = {"notifiers": {"bell": EACH}}


@asynccontextmanager
async def running(path: Path, room: Room, settings: dict[str, Any] = SETTINGS) -> AsyncIterator[Engine]:
    clock = VirtualClock()
    journal = Journal.open(path / "j.sqlite3", clock=clock, new_id=lambda: "j", inline=True)
    registry = Registry.of(NotifierSpec(name="bell", settings=Options, factory=room.make_notifier))
    redactor = Redactor(["key-of-the-bell"])
    engine = Engine(
        journal=journal,
        registry=registry,
        clock=clock,
        log=logger,
        state_dir=path,
        redact=redactor.redact,
    )
    await engine.start(resolve(Settings.model_validate(settings), registry))
    await asyncio.sleep(0)
    yield engine
    await engine.stop()
    journal.close()


def happens(engine: Engine, text: str, kind: str = "drift") -> None:
    engine.record(Event(at=engine.clock.now(), kind=kind, text=text, account="one"))


async def apply(engine: Engine, **notifier: Any) -> None:
    settings = Settings.model_validate({"notifiers": {"bell": {**EACH, **notifier}}})
    await engine.apply(resolve(settings, engine.registry))
    await asyncio.sleep(0)


async def test_events_are_notified_in_order_and_without_secrets(tmp_path: Path) -> None:
    room = Room()
    async with running(tmp_path, room) as engine:
        for text in ("one", "two", "key-of-the-bell was wrong"):
            happens(engine, text)
        await asyncio.sleep(1)
        assert room.received == ["one", "two", "*** was wrong"]
        assert queries_of(engine).state()["notifiers"]["bell"] == {
            "plugin": "bell",
            "status": "running",
            "reason": "",
            "retry_at": None,
            "sent": 3,
            "waiting": 0,
            "dropped": 0,
            "control": None,
        }
    assert room.closed == 1


async def test_one_without_a_folder_of_its_own_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "notifiers").write_text("no folder")
    room = Room()
    async with running(tmp_path, room) as engine:
        happens(engine, "told later")
        assert room.made == []
        shown = queries_of(engine).state()["notifiers"]["bell"]
        assert shown["status"] == "failing"
        assert str(tmp_path / "notifiers" / "bell") in shown["reason"]
        (tmp_path / "notifiers").unlink()
        await asyncio.sleep(10)
        assert "told later" in room.received


async def test_a_failing_one_gets_the_event_again_and_is_one_outage(tmp_path: Path) -> None:
    room = Room()
    room.failures = [NotReady("503"), NotReady("503"), ValueError("a defect")]
    async with running(tmp_path, room) as engine:
        happens(engine, "one")
        happens(engine, "two")
        await asyncio.sleep(1)
        state = queries_of(engine).state()["notifiers"]["bell"]
        assert (room.received, state["status"], state["waiting"], state["reason"]) == (
            [],
            "failing",
            2,
            "503",
        )
        await asyncio.sleep(300)
        assert room.received == ["one", "two"]
        assert room.calls == 5
        told = [event.text for event in engine._journal.events(99) if event.kind in {"outage", "recovery"}]
        assert len(told) == 2
        assert told[1] == "notifier bell: 503"
        assert told[0].startswith("notifier bell recovered after")
        assert not any("notifier bell" in text for text in room.received), (
            "it gets no notice of its own outage"
        )


async def test_a_slow_one_delays_nothing_and_its_queue_is_bounded(tmp_path: Path) -> None:
    room = Room()
    room.slow = 3600
    async with running(tmp_path, room) as engine:
        happens(engine, "0")
        await asyncio.sleep(1)
        for number in range(1, MOST_WAITING + 20):
            happens(engine, str(number))
        state = queries_of(engine).state()["notifiers"]["bell"]
        assert (state["waiting"], state["dropped"]) == (MOST_WAITING, 20)
        await asyncio.sleep(60)
        state = queries_of(engine).state()["notifiers"]["bell"]
        assert (state["status"], state["reason"]) == ("failing", "notify() did not return within 60 s")
        room.slow = 0
        await asyncio.sleep(7200)
        assert room.received[-1] == str(MOST_WAITING + 19)
        assert room.received[:2] == ["0", "21"], "the one under way is not counted as dropped"
        assert len(room.received) == MOST_WAITING


class Limited(Room):
    """``down``: it answers nothing. Otherwise it accepts five events in two seconds, then sends a Retry-After."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True
        self.retry_after = 2.0
        self.taken: list[float] = []

    def make_notifier(self, context: NotifierContext[Any]) -> Notifier:
        del context
        room = self

        class RingingNotifier(Notifier):
            async def notify(self, event: Event) -> None:
                room.calls += 1
                now = asyncio.get_running_loop().time()
                if room.down:
                    raise NotReady("503")
                if len([at for at in room.taken if now - at < 2]) >= 5:
                    raise NotReady("429", retry_after=room.retry_after)
                room.taken.append(now)
                room.received.append(event.text)

        return RingingNotifier()


async def test_hours_without_response_are_reported_once_and_made_up(
    tmp_path: Path,
) -> None:
    """Chat rooms limit the rate of messages: that is not an outage, whose pauses would grow to two minutes."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{message}")
    room = Limited()
    async with running(tmp_path, room) as engine:
        for number in range(2 * MOST_WAITING):
            happens(engine, str(number))
            await asyncio.sleep(4)
        assert room.calls <= 2 * MOST_WAITING * 4 / 120 + 6, "engine.backoff_last is 2 min"
        assert lines == ["notifier bell: 503\n"]
        room.down, room.calls = False, 0
        await asyncio.sleep(120)
        assert room.received, "after the longest pause at the latest"
        await asyncio.sleep(MOST_WAITING)
        assert len(room.received) == MOST_WAITING
        assert room.received[-1] == str(2 * MOST_WAITING - 1)
        assert room.calls < 1.25 * MOST_WAITING
        assert len(lines) == 2
        assert lines[1].startswith("notifier bell recovered after")
    logger.remove(sink)


@pytest.mark.parametrize(("retry_after", "calls"), [(0.0, 40), (30.0, 40), (86_400.0, 2)])
async def test_endless_retry_after_is_asked_ever_less_often(
    tmp_path: Path, retry_after: float, calls: int
) -> None:
    room = Room()
    room.failures = [NotReady("429", retry_after=retry_after)] * 1000
    async with running(tmp_path, room) as engine:
        happens(engine, "one")
        await asyncio.sleep(3700)
        assert room.calls <= calls
        state = queries_of(engine).state()["notifiers"]["bell"]
        assert (state["status"], state["reason"]) == ("failing", "429")
        told = [event.text for event in engine._journal.events(99) if event.kind == "outage"]
        assert told == ["notifier bell: 429"]
        room.failures = []
        await asyncio.sleep(3700)
        assert room.received == ["one"]
        assert queries_of(engine).state()["notifiers"]["bell"]["status"] == "running"


async def test_an_event_that_is_never_accepted_does_not_block_the_next(tmp_path: Path) -> None:
    room = Room()
    room.failures = [NoticeRefused("400")]
    async with running(tmp_path, room) as engine:
        happens(engine, "one")
        happens(engine, "two")
        await asyncio.sleep(1)
        assert room.received == ["two"]
        assert queries_of(engine).state()["notifiers"]["bell"]["dropped"] == 1


async def test_a_refused_one_is_retried_less_often_until_an_edit(tmp_path: Path) -> None:
    room = Room()
    room.failures = [AuthError("401")] * 100
    async with running(tmp_path, room) as engine:
        happens(engine, "one")
        await asyncio.sleep(3600)
        assert room.calls == 6, "after 0, 1, 3, 7, 15 and 31 minutes"
        shown = queries_of(engine).state()["notifiers"]["bell"]
        assert (shown["status"], shown["reason"]) == ("failing", "401")
        assert shown["retry_at"] is not None
        assert queries_of(engine).readiness()["ready"], "a notifier keeps nobody from trading"
        room.failures = []
        await apply(engine, key="another-key")
        happens(engine, "two")
        await asyncio.sleep(1)
        assert room.received == ["one", "two"]


async def test_only_the_requested_kinds_are_notified(tmp_path: Path) -> None:
    room = Room()
    async with running(tmp_path, room) as engine:
        await apply(engine, kinds=["outage"])
        happens(engine, "passed over", kind="drift")
        happens(engine, "told", kind="outage")
        await asyncio.sleep(1)
        assert room.received == ["told"]
        assert room.made == ["bell"], "the kinds alone need no new instance"


@pytest.mark.parametrize("gone", [{"notifiers": {}}, {"notifiers": {"bell": {**EACH, "enabled": False}}}])
async def test_a_removed_or_disabled_notifier_receives_nothing(tmp_path: Path, gone: dict[str, Any]) -> None:
    room = Room()
    async with running(tmp_path, room) as engine:
        await engine.apply(resolve(Settings.model_validate(gone), engine.registry))
        happens(engine, "one")
        await asyncio.sleep(60)
        assert room.received == []
        assert room.closed == 1
        await apply(engine)
        happens(engine, "two")
        await asyncio.sleep(1)
        assert room.received == ["two"]


async def test_hanging_on_close_delays_neither_settings_nor_the_stop(
    tmp_path: Path,
) -> None:
    room = Room()
    room.closing, room.fails_to_close = 1e6, True
    async with running(tmp_path, room) as engine:
        began = engine.clock.monotonic()
        await apply(engine, key="another-key")
        await engine.apply(resolve(Settings.model_validate({"notifiers": {}}), engine.registry))
        await apply(engine)
        began_to_stop = engine.clock.monotonic()
        assert began_to_stop - began < 1
        await engine.stop()
        assert engine.clock.monotonic() - began_to_stop < 0.4, "what a stop leaves over the drain"


QUIET: dict[str, Any] = {"notifiers": {"bell": {**EACH, "quiet_hours": ["00:00-06:00"]}}}
"""The virtual clock starts at midnight."""


@pytest.mark.parametrize("killed", [False, True])
async def test_a_restart_in_quiet_hours_loses_no_notice(tmp_path: Path, *, killed: bool) -> None:
    """An unattended upgrade at night restarts the engine; or the machine goes down."""
    room = Room()
    async with running(tmp_path, room, QUIET) as engine:
        happens(engine, "of the first run")
        happens(engine, "key-of-the-bell was wrong")
        await asyncio.sleep(60)
        if killed:
            left = shutil.copytree(tmp_path, tmp_path.with_name("left"))
    state = left if killed else tmp_path
    async with running(state, room, QUIET) as engine:
        happens(engine, "of the second run")
        await asyncio.sleep(60)
        assert room.received == []
        await asyncio.sleep(6 * 3600)
        [notice] = room.received
        told = ("of the first run", "*** was wrong", "of the second run")
        assert [line.rpartition(": ")[2] for line in notice.splitlines()] == list(told)
    async with running(state, room):
        await asyncio.sleep(60)
        assert len(room.received) == 1, "a notice is sent once"


async def test_quiet_hours_are_over_when_the_machine_wakes_after_them(tmp_path: Path) -> None:
    room = Room()
    async with running(tmp_path, room, QUIET) as engine:
        happens(engine, "at night")
        await asyncio.sleep(60)
        assert isinstance(engine.clock, VirtualClock)
        engine.clock.suspend(7 * 3600)
        await asyncio.sleep(120)
        assert "at night" in str(room.received)


async def test_what_could_not_be_sent_is_sent_by_the_next_run(tmp_path: Path) -> None:
    room = Room()
    room.failures = [NotReady("no network")] * 100
    async with running(tmp_path, room) as engine:
        happens(engine, "first")
        happens(engine, "second")
        await asyncio.sleep(5)
    room.failures = []
    async with running(tmp_path, room) as engine:
        happens(engine, "third")
        await asyncio.sleep(5)
        assert room.received == ["first", "second", "third"]


@pytest.mark.parametrize("content", ["{", "[1]", '[{"at": "soon"}]'])
async def test_a_damaged_file_of_unsent_notices_is_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "notifiers").mkdir()
    (tmp_path / "notifiers" / "bell.unsent.json").write_text(content)
    room = Room()
    async with running(tmp_path, room) as engine:
        happens(engine, "news")
        await asyncio.sleep(5)
        assert room.received == ["news"]


async def test_a_removed_notifier_leaves_no_notices_for_a_later_one(tmp_path: Path) -> None:
    room = Room()
    async with running(tmp_path, room, QUIET) as engine:
        happens(engine, "for a notifier that is gone")
        await asyncio.sleep(60)
        await engine.apply(resolve(Settings(), engine.registry))
    async with running(tmp_path, room) as engine:
        await asyncio.sleep(60)
        assert room.received == []
