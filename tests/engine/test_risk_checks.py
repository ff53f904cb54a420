"""A risk check is asked before anything is increased; reductions, other symbols and other accounts never wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from te_core.api import Proposal, RiskCheck, RiskCheckContext, RiskCheckSpec, Verdict
from te_core.cli.explain import explanation_lines
from te_core.model.control import Action
from te_core.settings.schema import Settings
from te_core.testing.faults import Fault
from tests.engine.scene import Scene
from tests.querying import queries_of

D = Decimal
VETO = Verdict.veto("news at 14:30")


class NoOptions(BaseModel):
    """No options."""


class Adviser(RiskCheck):
    """``answer`` decides; every proposal is recorded."""

    def __init__(self, answer: Callable[[Proposal], Any]) -> None:
        self.answer = answer
        self.proposals: list[Proposal] = []
        self.context: RiskCheckContext[NoOptions]

    def __call__(self, context: RiskCheckContext[NoOptions]) -> Adviser:
        self.context = context
        return self

    async def review(self, proposal: Proposal) -> Verdict:
        self.proposals.append(proposal)
        answer = self.answer(proposal)
        if asyncio.iscoroutine(answer):
            answer = await answer
        return answer  # type: ignore[no-any-return]


@asynccontextmanager
async def checked(
    folder: Path, answer: Callable[[Proposal], Any], *, section: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[Scene, Adviser]]:
    world, adviser = Scene(folder, **settings), Adviser(answer)
    world.more = [RiskCheckSpec(name="adviser", settings=NoOptions, factory=adviser)]
    world.settings = {**world.settings, "risk_checks": {"news": {"plugin": "adviser", **(section or {})}}}
    await world.start()
    try:
        yield world, adviser
    finally:
        await world.stop()


def why(world: Scene, symbol: str = "BTCUSDT") -> str:
    found = queries_of(world.engine).explain(symbol)
    return "\n".join(explanation_lines("one", found["accounts"]["one"], found["signals"]))


async def test_an_approval_costs_one_question_and_changes_nothing(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: Verdict.approve()) as (world, adviser):
        await world.say("0.5")
        assert world.held() == D("0.1")
        assert world.at_target()
        (asked,) = adviser.proposals
        assert (asked.account, asked.symbol, asked.held, asked.quantity) == ("one", "BTCUSDT", D(0), D("0.1"))
        assert (asked.price, asked.notional, asked.equity) == (D(50000), D(5000), D(10000))
        await asyncio.sleep(200)
        assert len(adviser.proposals) == 1, "a position at its target asks nobody"
        assert not world.events("limited")
        assert not world.events("waiting")


async def test_a_veto_holds_the_increase_and_its_reason_is_shown(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: VETO) as (world, _):
        await world.say("0.5")
        assert world.held() == 0
        assert not world.sent()
        assert world.row()["status"] == "limited"
        assert "risk check news leaves 0 of 0.1: news at 14:30" in why(world)
        (event,) = world.events("limited")
        assert "risk check news" in event.text


async def test_a_lowered_goal_is_ordered_and_the_reason_stated(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: Verdict.lower(D("0.0405"), "half")) as (world, _):
        await world.say("0.5")
        assert world.held() == D("0.040"), "rounded toward zero to the step"
        goal = world.engine.accounts["one"].worker.keepers["BTCUSDT"].goal
        assert goal is not None
        assert goal.quantity == D("0.1"), "the goal itself stays what the signals ask for"
        assert goal.notes == ("when it was sized, risk check news leaves 0.04 of 0.1: half",)


async def test_a_withdrawn_veto_releases_the_increase(tmp_path: Path) -> None:
    answers = [VETO]
    async with checked(tmp_path, lambda _: answers[-1]) as (world, adviser):
        await world.say("0.5")
        assert world.held() == 0
        answers.append(Verdict.approve())
        await asyncio.sleep(30)
        assert world.held() == 0, "the answer counts for recheck"
        await asyncio.sleep(40)
        assert world.held() == D("0.1")
        assert len(adviser.proposals) == 2


async def test_a_check_may_ask_to_be_asked_again(tmp_path: Path) -> None:
    answers = [VETO]
    async with checked(tmp_path, lambda _: answers[-1]) as (world, adviser):
        await world.say("0.5")
        answers.append(Verdict.approve())
        for _ in range(10_000):
            adviser.context.ask_again()
        await asyncio.sleep(1)
        assert world.held() == D("0.1")
        assert len(adviser.proposals) == 2, "a flood of requests is one"


async def test_a_new_target_is_asked_for_at_once(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda asked: VETO if asked.depth > D("0.3") else Verdict.approve()) as (
        world,
        _,
    ):
        await world.say("0.5")
        assert world.held() == 0
        await world.say("0.2")
        assert world.held() == D("0.04")


def newest(answers: list[Callable[[Proposal], Any]]) -> Callable[[Proposal], Any]:
    """Answer as the latest instance does."""

    def answer(asked: Proposal) -> Any:
        return answers[-1](asked)

    return answer


async def never(_: Proposal) -> Verdict:
    await asyncio.Event().wait()
    raise AssertionError


async def test_reductions_and_the_first_half_of_a_flip_never_wait(tmp_path: Path) -> None:
    answer: list[Callable[[Proposal], Any]] = [lambda _: Verdict.approve()]
    async with checked(tmp_path, newest(answer), section={"timeout": 30}) as (world, adviser):
        await world.say("0.5")
        answer.append(never)
        await world.say("0.2")
        assert world.held() == D("0.04"), "a reduction"
        await world.say("-0.5")
        assert world.held() == 0, "a flip's close goes, its other half waits"
        assert world.row()["reason"] == "waiting for risk check news"
        assert adviser.proposals[-1].quantity == D("-0.1")
        answer.append(lambda _: Verdict.approve())
        await asyncio.sleep(60)
        assert world.held() == D("-0.1")
        answer.append(never)
        await world.say("0")
        assert world.held() == 0, "a close"


async def test_a_flip_goes_on_when_its_check_answered_during_the_close(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: slowly(0.05)) as (world, _):
        await world.say("0.5")
        world.connection().inject("place_order", Fault(answer_delay=0.5))
        await world.say("-0.5", wait=2)
        assert world.held() == D("-0.1")


async def test_a_veto_holds_while_it_is_reviewed_again(tmp_path: Path) -> None:
    answer: list[Callable[[Proposal], Any]] = [lambda _: VETO]
    async with checked(tmp_path, newest(answer), section={"timeout": 20}) as (world, adviser):
        await world.say("0.5")
        answer.append(never)
        await asyncio.sleep(65)
        assert len(adviser.proposals) == 2, "it is being asked"
        assert world.row()["status"] == "limited"
        assert "news at 14:30" in why(world)


async def test_a_veto_never_closes_what_is_held(tmp_path: Path) -> None:
    answers = [Verdict.approve()]
    async with checked(tmp_path, lambda _: answers[-1]) as (world, _):
        await world.say("0.2")
        answers.append(VETO)
        await world.say("0.5")
        assert world.held() == D("0.04")
        await asyncio.sleep(300)
        assert world.held() == D("0.04")
        assert len(world.sent()) == 1


async def test_other_symbols_and_accounts_do_not_wait(tmp_path: Path) -> None:
    settings = {"accounts__two": {"plugin": "fake", "observe": False, "key": "second"}}
    section = {"accounts": ["one"], "symbols": ["BTCUSDT"], "timeout": 30}
    async with checked(tmp_path, never, section=section, **settings) as (world, _):
        await world.say("0.5")
        await world.say("0.5", "ETHUSDT")
        assert world.held() == 0
        assert world.held("ETHUSDT") == D(2)
        assert world.held("BTCUSDT", "second") == D("0.1")


FAILURES: dict[str, tuple[Callable[[Proposal], Any], str]] = {
    "hangs": (never, "review() did not answer within 2 s"),
    "raises": (lambda _: missing(), "review() raised KeyError: 'calendar' (test_risk_checks.py:"),
    "exits": (lambda _: exit_now(), "review() raised SystemExit(3)"),
    "cancels": (lambda _: cancel(), "review() raised CancelledError, although nobody cancelled it"),
    "answers nothing": (lambda _: None, "review() is None instead of Verdict"),
    "answers a float": (
        lambda _: Verdict(largest=0.5),  # type: ignore[arg-type]
        "review().largest is a float instead of a finite Decimal of at least 0, or None",
    ),
    "answers below zero": (lambda _: Verdict(largest=D(-1)), "review().largest is -1 instead of"),
    "answers NaN": (lambda _: Verdict(largest=D("NaN")), "review().largest is NaN instead of"),
}


def missing() -> None:
    raise KeyError("calendar")


def exit_now() -> None:
    raise SystemExit(3)


def cancel() -> None:
    raise asyncio.CancelledError("stray")


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("on_failure", ["hold", "allow"])
async def test_a_failing_check_holds_or_allows_the_increase(
    tmp_path: Path, failure: str, on_failure: str
) -> None:
    answer, reason = FAILURES[failure]
    async with checked(tmp_path, answer, section={"on_failure": on_failure}) as (world, _):
        await world.say("0.5", wait=4)
        assert world.held() == (D("0.1") if on_failure == "allow" else D(0))
        state = world.whole_state()["risk_checks"]["news"]
        assert reason in state["reason"]
        assert state["failed"] >= 1
        if on_failure == "hold":
            assert "risk check news leaves 0 of 0.1: held, for it failed" in why(world)
        (outage,) = world.events("outage")
        assert reason in outage.text


async def test_a_recovered_check_releases_the_increase_within_seconds(tmp_path: Path) -> None:
    answer: list[Callable[[Proposal], Any]] = [never]
    async with checked(tmp_path, newest(answer)) as (world, _):
        await world.say("0.5", wait=3)
        answer.append(lambda _: Verdict.approve())
        await asyncio.sleep(6)
        assert world.held() == D("0.1")
        assert [event.kind for event in world.events() if "risk check" in event.text] == [
            "limited",
            "outage",
            "recovery",
        ]


async def test_questions_that_never_end_are_not_heaped_up(tmp_path: Path) -> None:
    ongoing = 0

    async def stubborn(_: Proposal) -> Verdict:
        nonlocal ongoing
        ongoing += 1
        while ongoing:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue
        raise AssertionError

    async with checked(tmp_path, stubborn) as (world, _):
        await world.say("0.5", wait=600)
        assert ongoing == 20
        assert "20 earlier questions were given up" in world.whole_state()["risk_checks"]["news"]["reason"]
        ongoing = 0
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "_answer" in repr(task.get_coro()):
                task.cancel()
        await asyncio.sleep(0.1)


async def test_a_plugin_that_is_not_there_holds_increases_and_is_named(tmp_path: Path) -> None:
    world = Scene(tmp_path)
    world.settings = {**world.settings, "risk_checks": {"news": {"plugin": "gone"}}}
    await world.start()
    try:
        await world.say("0.5")
        assert world.held() == 0
        assert "plugin gone is not loaded" in why(world)
        await world.edit("risk_checks.news.enabled", value=False)
        assert world.held() == D("0.1"), "one that is switched off is not asked"
    finally:
        await world.stop()


async def test_an_edit_counts_at_once(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: VETO) as (world, _):
        await world.say("0.5")
        assert world.held() == 0
        await world.edit("risk_checks.news.symbols", ["ETHUSDT"])
        assert world.held() == D("0.1")
        await world.edit("risk_checks", {})
        await world.say("0.6")
        assert world.held() == D("0.12")


async def test_a_preview_shows_the_current_verdict_and_asks_no_check(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: VETO) as (world, adviser):
        await world.say("0.5")
        asked = len(adviser.proposals)
        preview = await world.engine.accounts["one"].worker.preview()
        assert not isinstance(preview, str)
        assert not preview["BTCUSDT"].plan.steps
        assert len(adviser.proposals) == asked


async def test_a_halted_symbol_asks_no_check(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: VETO) as (world, adviser):
        await world.command(Action.HALT)
        await world.say("0.5")
        assert not adviser.proposals


async def test_a_moving_price_does_not_ask_for_ever(tmp_path: Path) -> None:
    async with checked(tmp_path, lambda _: slowly(1)) as (world, adviser):

        async def jitter() -> None:
            for step in range(200):
                world.exchange().price["BTCUSDT"] = D(50000) - step
                await asyncio.sleep(0.05)

        moving = asyncio.create_task(jitter())
        await world.say("0.5", wait=5)
        assert world.held() >= D("0.1")
        assert len(adviser.proposals) == 1
        await moving


async def slowly(seconds: float) -> Verdict:
    await asyncio.sleep(seconds)
    return Verdict.approve()


def test_a_name_that_no_section_has_is_refused(tmp_path: Path) -> None:
    settings = {
        **Scene(tmp_path).settings,
        "risk_checks": {"news": {"plugin": "adviser", "accounts": ["oen"], "symbols": ["BTCUSD"]}},
    }
    with pytest.raises(ValueError, match=r"no \[accounts.oen\].*one.*no \[symbols.BTCUSD\].*BTCUSDT"):
        Settings.model_validate(settings)
