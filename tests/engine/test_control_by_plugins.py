"""A notifier plugin controls the engine only if the settings allow it, under its own name, and while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Inexact, localcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from te_core.api import (
    Action,
    AuthError,
    Command,
    CommandRefused,
    Event,
    Notifier,
    NotifierContext,
    NotifierSpec,
    NotReady,
)
from te_core.reporting.state import outcome_state
from te_core.runtime.control import ControlAccess
from te_core.settings.problems import SettingsInvalid
from tests.engine.scene import Scene, scene
from tests.querying import queries_of


class Options(BaseModel):
    """Another key creates another instance."""

    key: str = ""


class Commands:
    """Executes the commands of the application, without listeners."""

    def __init__(self, world: Scene) -> None:
        self.world = world

    async def command(self, command: Command, *, preview: bool) -> Mapping[str, Any]:
        commands = self.world.engine.commands
        if preview:
            return outcome_state(*await commands.preview(command), scopes=commands.scopes())
        return outcome_state(await commands.execute(command), scopes=commands.scopes())


class Radio:
    """A plugin that notifies and answers. ``deaf``, ``mute``: what it raises instead."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.listening: list[NotifierContext[Any]] = []
        self.made = self.closed = 0
        self.deaf: Exception | None = None
        self.mute: Exception | None = None

    @property
    def control(self) -> Any:
        return self.listening[-1].control

    def make(self, context: NotifierContext[Any]) -> Notifier:
        radio = self
        radio.made += 1

        class Instance(Notifier):
            async def notify(self, event: Event) -> None:
                assert context.control is None, "who tells has nothing to control"
                if radio.mute is not None:
                    raise radio.mute
                radio.told.append(event.text)

            async def answer(self, up: Callable[[], None]) -> None:
                if radio.deaf is not None:
                    raise radio.deaf
                radio.listening.append(context)
                up()
                await asyncio.Event().wait()

            def status(self) -> Mapping[str, Any]:
                return {"heard": len(radio.listening)}

            async def close(self) -> None:
                radio.closed += 1

        return Instance()


@asynccontextmanager
async def controlled(path: Path, radio: Radio, *, answers: bool = True) -> AsyncIterator[Scene]:
    async with scene(path) as world:
        engine = world.engine
        engine.registry.notifiers["radio"] = NotifierSpec(
            name="radio", settings=Options, factory=radio.make, answers=answers
        )
        engine.notifiers._facilities = replace(
            engine.notifiers._facilities,
            control=ControlAccess(queries=queries_of(engine), commands=Commands(world)),
        )
        await world.edit("notifiers", {"radio": {"plugin": "radio", "control": True, "gather": 0}})
        yield world


def halt(**more: Any) -> Command:
    return Command(**{"action": Action.HALT, "by": "ada (1)", **more})


async def test_what_it_commands_is_journaled_under_its_name(tmp_path: Path) -> None:
    radio = Radio()
    async with controlled(tmp_path, radio) as world:
        await world.say("0.5", wait=3)
        shown = await radio.control.preview(replace(halt(), action=Action.FLATTEN))
        assert shown["accounts"]["one"]["symbols"]["BTCUSDT"]["steps"][0]["side"] == "sell"
        assert not world.events("flatten"), "a preview changes nothing"
        await radio.control.execute(halt(by="the engine\u202e\nand more", reason="a\nb"))
        (event,) = world.events("halt")
        assert event.detail["by"] == "radio the engine\\u202e and more"
        assert event.detail["reason"] == "a b"
        assert radio.control.explain("BTCUSDT")["symbol"] == "BTCUSDT"
        with pytest.raises(CommandRefused, match="no account has a target for NOSUCH"):
            radio.control.explain("NOSUCH")
        with pytest.raises(CommandRefused, match="there is no"):
            await radio.control.execute(halt(accounts=("two",)))
        await asyncio.sleep(1)
        assert radio.told[-1].startswith("all accounts: halted by radio"), "and told as any other"


async def test_its_arithmetic_context_changes_do_not_affect_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(read: Callable[..., Any], *arguments: Any) -> Any:
        return read(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", at_once)
    radio = Radio()
    async with controlled(tmp_path, radio) as world:
        await world.say("0.12345", wait=3)
        flatten = replace(halt(), action=Action.FLATTEN)
        exact = await radio.control.preview(flatten)
        with localcontext() as context:
            context.prec, context.traps[Inexact] = 2, True
            assert await radio.control.preview(flatten) == exact
            await radio.control.summary(timedelta(days=1))
            radio.control.state()
            radio.control.explain("BTCUSDT")
            await radio.control.execute(flatten)
            await asyncio.sleep(5)
        assert world.held() == 0


@pytest.mark.parametrize("action", [Action.TARGET, Action.GO])
async def test_what_is_not_for_plugins_is_refused(tmp_path: Path, action: Action) -> None:
    radio = Radio()
    async with controlled(tmp_path, radio) as world:
        command = replace(halt(accounts=("one",), symbol="BTCUSDT"), action=action)
        for ask in (radio.control.preview, radio.control.execute):
            with pytest.raises(
                CommandRefused, match="plugins may only command: halt, flatten, resume, pause"
            ):
                await ask(command)
        assert not [event for event in world.events() if event.kind in {"target", "go"}]


async def test_control_ends_with_the_instance_and_with_the_setting(tmp_path: Path) -> None:
    radio = Radio()
    async with controlled(tmp_path, radio) as world:
        first = radio.control
        state = world.whole_state()["notifiers"]["radio"]["control"]
        assert (state["status"], state["counters"]) == ("running", {"heard": 1})
        await world.edit("notifiers.radio.key", "another")
        second = radio.control
        assert second is not first
        await world.edit("notifiers.radio.control", value=False)
        for control in (first, second):
            with pytest.raises(NotReady, match="was stopped"):
                control.state()
            with pytest.raises(NotReady, match="was stopped"):
                await control.execute(halt())
        assert not world.events("halt")
        assert world.whole_state()["notifiers"]["radio"]["control"] is None
        assert len(radio.listening) == 2
        assert radio.closed == radio.made - 1, "the one that tells is there"


async def test_notifying_and_answering_delay_no_trading_nor_each_other(tmp_path: Path) -> None:
    radio = Radio()
    radio.deaf = NotReady("no network")
    async with controlled(tmp_path, radio) as world:
        world.engine.record(Event(at=world.clock.now(), kind="drift", text="one"))
        await asyncio.sleep(30)
        assert radio.told == ["one"]
        state = world.whole_state()["notifiers"]["radio"]
        assert (state["status"], state["control"]["status"]) == ("running", "failing")
        assert state["reason"] == "control: no network", "te status shows it"
        assert state["control"]["reason"] == "no network"
        radio.deaf, radio.mute = None, AuthError("blocked")
        await asyncio.sleep(300)
        world.engine.record(Event(at=world.clock.now(), kind="drift", text="two"))
        await asyncio.sleep(30)
        state = world.whole_state()["notifiers"]["radio"]
        assert (state["status"], state["control"]["status"]) == ("failing", "running")
        await radio.control.execute(halt())
        outages = [event.text for event in world.events("outage")]
        assert outages == ["control by radio: no network", "notifier radio: blocked"]
        radio.deaf = SystemExit()  # type: ignore[assignment]  # a plugin may raise anything
        await world.edit("notifiers.radio.key", "another", wait=60)
        assert "defect" in world.whole_state()["notifiers"]["radio"]["control"]["reason"]
        assert queries_of(world.engine).readiness()["ready"]


async def test_control_by_a_plugin_that_answers_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"notifiers\.radio\.control.*plugin radio only sends notices"):
        async with controlled(tmp_path, Radio(), answers=False):
            pass
