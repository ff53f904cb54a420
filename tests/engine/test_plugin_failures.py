"""Nothing that a plugin does stops the engine, or silently stops an instance (I21)."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.accounts.dispatch import StaleDecision, dispatching
from te_core.api import (
    AccountContext,
    Equity,
    ExchangeAccount,
    Finding,
    Known,
    MarginMode,
    NotReady,
    OrderReport,
    OrderRequest,
    Position,
    Side,
    SignalSource,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
)
from te_core.errors import PluginDefect
from te_core.runtime import guard
from te_core.runtime.guarded_account import GuardedAccount
from te_core.testing.fake_account import FakeAccount
from te_core.testing.fakes import webhook_request
from te_core.testing.faults import FaultyAccount
from te_core.testing.virtual_clock import START, VirtualClock
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import account_findings, queries_of

D = Decimal
ENDINGS = [
    asyncio.CancelledError("stray"),
    SystemExit(3),
    KeyboardInterrupt("by the plugin"),
    BaseException("bare"),
]
names = [type(error).__name__ for error in ENDINGS]


def as_known(value: Any) -> Known[Any]:
    return Known(value=value, as_of=START)


class Wicked(FakeAccount):
    """``raising``: what the next call of a method raises. ``answers``: what a method returns instead."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock, BTCUSDT="50000", ETHUSDT="2500")
        self.raising: dict[str, BaseException] = {}
        self.answers: dict[str, Any] = {}
        self.closed = 0

    def meet(self, method: str) -> None:
        if (error := self.raising.pop(method, None)) is not None:
            raise error

    async def open(self) -> None:
        self.meet("open")

    async def close(self) -> None:
        self.closed += 1
        self.meet("close")

    async def equity(self) -> Known[Equity]:
        self.meet("equity")
        found = await super().equity()
        return self.answers.get("equity", found)  # type: ignore[no-any-return]

    async def positions(self) -> Known[Mapping[str, Position]]:
        self.meet("positions")
        found = await super().positions()
        return self.answers.get("positions", found)  # type: ignore[no-any-return]

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.meet("place_order")
        report = await super().place_order(order)
        self.meet("place_order after it was executed")
        return self.answers.get("place_order", report)  # type: ignore[no-any-return]

    async def diagnose(self) -> list[Finding]:
        self.meet("diagnose")
        return self.answers.get("diagnose", [])  # type: ignore[no-any-return]


class Villain(Trader):
    """Builds sources and accounts that break the contract."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.wicked = {name: Wicked(clock) for name in ("one", "two")}
        self.accounts = dict(self.wicked)
        self.source_raises: list[BaseException] = []
        self.status: Any = {}
        self.hook: Any = WebhookResponse(status=200)
        self.closing_hangs = False

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        self.made.append(context.name)
        return self.wicked[context.name]

    def source(self, context: SourceContext[Any]) -> SignalSource:
        villain = self
        inner = super().source(context)

        class Source(SignalSource):
            async def run(self) -> None:
                if villain.source_raises and context.name == "tv":
                    raise villain.source_raises.pop(0)
                await inner.run()

            async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
                del request
                if isinstance(villain.hook, BaseException):
                    raise villain.hook
                return villain.hook  # type: ignore[no-any-return]

            def status(self) -> Mapping[str, Any]:
                if isinstance(villain.status, BaseException):
                    raise villain.status
                return villain.status  # type: ignore[no-any-return]

            report = status

            async def close(self) -> None:
                while villain.closing_hangs:
                    try:
                        await asyncio.sleep(3600)
                    except asyncio.CancelledError:
                        continue

        return Source()


@pytest.fixture
def villain(clock: VirtualClock) -> Villain:
    return Villain(clock)


@pytest.mark.parametrize("error", ENDINGS, ids=names)
@pytest.mark.parametrize("method", ["open", "equity", "positions", "place_order", "close"])
async def test_whatever_an_account_raises_is_retried_and_isolated(
    tmp_path: Path, villain: Villain, method: str, error: BaseException
) -> None:
    async with running(tmp_path, villain) as run:
        villain.wicked["one"].raising[method] = error
        if method in {"open", "close"}:
            await run.apply(changed(BASE, "plugins.fake.enabled", False))
            await run.apply(BASE)
        await villain.say("tv", "1")
        await asyncio.sleep(0.1)
        assert villain.held("two") == D("0.2")
        await asyncio.sleep(60)
        assert villain.wicked["one"].raising == {}, "it was met"
        assert villain.held("one") == D("0.1")
        assert queries_of(run.engine).state()["accounts"]["one"]["status"] == "running"
        told = [event.text for event in run.journal.events(99) if event.kind == "outage"]
        assert any(type(error).__name__ in text for text in told) or method in {"close", "place_order"}


@pytest.mark.parametrize("error", ENDINGS, ids=names)
async def test_an_order_during_which_an_account_gives_up_is_sent_once(
    tmp_path: Path, villain: Villain, error: BaseException
) -> None:
    async with running(tmp_path, villain):
        villain.wicked["one"].raising["place_order after it was executed"] = error
        await villain.say("tv", "1")
        await asyncio.sleep(120)
        assert villain.held("one") == D("0.1")
        assert len(villain.accounts["one"].requests) == 1


@pytest.mark.parametrize("error", ENDINGS, ids=names)
async def test_a_source_that_ends_itself_is_failing_and_tried_again(
    tmp_path: Path, villain: Villain, error: BaseException
) -> None:
    villain.source_raises = [error]
    async with running(tmp_path, villain) as run:
        shown = queries_of(run.engine).state()["sources"]["tv"]
        assert shown["status"] == "failing"
        assert type(error).__name__ in shown["reason"]
        assert shown["retry_at"] is not None
        await asyncio.sleep(10)
        assert queries_of(run.engine).state()["sources"]["tv"]["status"] == "running"


async def test_a_source_that_cancels_its_own_task_is_tried_again(tmp_path: Path, villain: Villain) -> None:
    class Suicidal(SignalSource):
        async def run(self) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)

    def make(context: SourceContext[Any]) -> SignalSource:
        villain.made.append(context.name)
        return Suicidal()

    villain.source = make  # type: ignore[method-assign]
    async with running(tmp_path, villain) as run:
        assert queries_of(run.engine).state()["sources"]["tv"]["status"] == "failing"
        await asyncio.sleep(600)
        assert villain.made.count("tv") > 5


WRONG_READS: list[tuple[str, Any]] = [
    ("equity", None),
    ("equity", 5),
    ("equity", as_known(None)),
    ("equity", as_known(Equity(wallet=cast("D", 1.5), total=D(1)))),
    ("equity", as_known(Equity(wallet=D("NaN"), total=D(1)))),
    ("positions", {}),
    ("positions", as_known([])),
    ("positions", as_known({"BTCUSDT": 1.0})),
    ("positions", as_known({"BTCUSDT": Position(symbol="BTCUSDT", quantity=cast("D", 0.1))})),
]


@pytest.mark.parametrize(("method", "answer"), WRONG_READS)
async def test_an_answer_of_a_wrong_type_is_a_failed_read(
    tmp_path: Path, villain: Villain, method: str, answer: Any
) -> None:
    async with running(tmp_path, villain) as run:
        villain.wicked["one"].answers[method] = answer
        await villain.say("tv", "1")
        await asyncio.sleep(30)
        assert villain.held("one") == 0
        reason = queries_of(run.engine).state()["accounts"]["one"]["reason"]
        assert f"defect of the plugin: {method}()" in reason
        assert "instead of" in reason
        villain.wicked["one"].answers.clear()
        await asyncio.sleep(150)
        assert villain.held("one") == D("0.1")


async def test_an_order_that_is_answered_with_nonsense_is_looked_up(tmp_path: Path, villain: Villain) -> None:
    async with running(tmp_path, villain):
        villain.wicked["one"].answers["place_order"] = {"status": "filled"}
        await villain.say("tv", "1")
        await asyncio.sleep(60)
        assert villain.held("one") == D("0.1")
        assert len(villain.accounts["one"].requests) == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (KeyError("x"), "KeyError"),
        (SystemExit(1), "SystemExit"),
        (asyncio.CancelledError(), "CancelledError"),
        (None, "it returned None instead of a mapping"),
        ([1], "list instead of a mapping"),
        ({"a": {1, 2}}, "a is a set"),
        ({"a": {"b": [1, object()]}}, "a.b[1] is an object"),
        ({"a": float("nan")}, "a is nan"),
        ({1: 2}, "a key of the whole is an int"),
        ({str(number): number for number in range(guard.LARGEST + 1)}, "more than"),
    ],
)
async def test_a_source_that_counts_nonsense_breaks_no_status(
    tmp_path: Path, villain: Villain, answer: Any, reason: str
) -> None:
    async with running(tmp_path, villain) as run:
        villain.status = answer
        queries = queries_of(run.engine)
        assert reason in queries.state()["sources"]["tv"]["counters"]["error"]
        assert reason in queries.report("tv")["error"]
        villain.status = {"fetched": 3, "price": D("1.5"), "miners": [{"name": None}]}
        assert queries.state()["sources"]["tv"]["counters"] == villain.status


def test_a_value_that_contains_itself_is_not_an_answer() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert "more than" in guard.ask("status()", lambda: endless)["error"]


@pytest.mark.parametrize(
    "hook", [KeyError("x"), SystemExit(1), asyncio.CancelledError(), None, {"status": 200}]
)
async def test_a_source_that_fails_to_answer_is_asked_again_later(
    tmp_path: Path, villain: Villain, hook: Any
) -> None:
    request = webhook_request(b"{}", received_at=villain.clock.now())
    async with running(tmp_path, villain) as run:
        villain.hook = hook
        response = await run.engine.on_webhook("tv", request)
        assert (response.status, response.retry_after) == (503, 5)
        await run.engine.on_webhook("tv", request)
        villain.hook = WebhookResponse(status=200)
        assert (await run.engine.on_webhook("tv", request)).status == 200
        await asyncio.sleep(1)
        told = [event.kind for event in run.journal.events(99) if event.source == "tv"]
        assert told == ["recovery", "outage"]


@pytest.mark.parametrize(
    "answer", [KeyError("x"), SystemExit(1), asyncio.CancelledError(), None, [1], "text"]
)
async def test_a_failing_check_is_one_finding_of_the_doctor(
    tmp_path: Path, villain: Villain, answer: Any
) -> None:
    async with running(tmp_path, villain) as run:
        if isinstance(answer, BaseException):
            villain.wicked["one"].raising["diagnose"] = answer
        else:
            villain.wicked["one"].answers["diagnose"] = answer
        found = await account_findings(run.engine)
        assert [finding["check"] for finding in found["one"] if finding["severity"] == "error"] == [
            "diagnose"
        ]
        assert {finding["check"] for finding in found["two"]} >= {"equity", "round trip"}


async def test_a_check_that_hangs_is_given_up(
    tmp_path: Path, villain: Villain, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_: Wicked) -> list[Finding]:
        await asyncio.sleep(1e6)
        return []

    monkeypatch.setattr(Wicked, "diagnose", hang)
    async with running(tmp_path, villain) as run:
        began = villain.clock.monotonic()
        found = await account_findings(run.engine)
        assert villain.clock.monotonic() - began < 10, "the command line waits no longer"
        for name in ("one", "two"):
            assert "no answer within" in next(f["text"] for f in found[name] if f["check"] == "diagnose")


async def test_a_source_that_is_slow_to_stop_holds_up_no_answer(tmp_path: Path, villain: Villain) -> None:
    async with running(tmp_path, villain) as run:
        villain.closing_hangs = True
        removed = changed(changed(BASE, "sources.sn", None), "symbols.BTCUSDT.weights", {"tv": 0.5})
        applying = asyncio.create_task(run.apply(removed))
        for _ in range(10):
            await asyncio.sleep(1)
            assert set(queries_of(run.engine).state()["sources"]) == {"tv"}
            assert queries_of(run.engine).readiness()["ready"]
        await applying
        villain.closing_hangs = False
        await run.apply(BASE)
        assert queries_of(run.engine).state()["sources"]["sn"]["status"] == "running"
        villain.closing_hangs = False


async def test_a_stop_goes_on_where_a_plugin_swallows_it(clock: VirtualClock) -> None:
    """What a plugin returns after it was cancelled has no effect, as if it had propagated the cancellation."""
    del clock

    async def swallow() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "as if nothing had been"
        return "in time"

    async def use() -> str:
        return await guard.call("open()", swallow)

    task = asyncio.create_task(use())
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_counts_where_a_plugin_swallows_it(clock: VirtualClock) -> None:
    del clock

    async def swallow() -> str:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            return "too late"
        return "in time"

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await guard.call("place_order()", swallow)


class Clinging(FakeAccount):
    """Ignores the cancellation of a read until it is released, as a retry loop with ``except BaseException`` does."""

    released = False
    reads = 0

    async def positions(self) -> Known[Mapping[str, Position]]:
        self.reads += 1
        for _ in range(100):
            if self.released:
                break
            with contextlib.suppress(BaseException):
                await asyncio.sleep(20)
        return await super().positions()


async def test_a_read_that_ignores_its_cancellation_is_abandoned(clock: VirtualClock) -> None:
    inner = Clinging(clock, BTCUSDT="50000")
    account = GuardedAccount(inner)
    began = clock.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await account.positions()
    assert clock.monotonic() - began < 7
    for _ in range(10):
        with pytest.raises(NotReady, match=r"positions\(\) was cancelled and still runs"):
            await account.positions()
    assert inner.reads == 1, "no more than one is abandoned"
    inner.released = True
    await asyncio.sleep(30)
    assert (await account.positions()).value == {}


async def test_a_background_read_that_is_abandoned_is_not_repeated(clock: VirtualClock) -> None:
    class Funding(Clinging):
        async def funding(self, symbols: Sequence[str]) -> None:
            await self.positions()

    inner = Funding(clock, BTCUSDT="50000")
    account = GuardedAccount(inner)
    for reason in ("no answer within 60 s", "was cancelled and still runs", "was cancelled and still runs"):
        with pytest.raises(NotReady, match=reason):
            await account.funding(["BTCUSDT"])
    assert inner.reads == 1
    inner.released = True


async def test_a_plugin_that_cancels_its_own_task_cancels_only_that(clock: VirtualClock) -> None:
    class Suicidal(FakeAccount):
        async def equity(self) -> Known[Equity]:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(1)
            return await super().equity()

    with pytest.raises(PluginDefect, match=r"equity\(\) cancelled its own task"):
        await GuardedAccount(Suicidal(clock)).equity()


async def test_a_halt_just_before_the_plugin_s_code_stops_an_order(clock: VirtualClock) -> None:
    inner = FakeAccount(clock, BTCUSDT="50000")
    reasons = [""]
    asyncio.get_running_loop().call_soon(reasons.append, "halted by the operator")
    with dispatching(lambda: reasons[-1]), pytest.raises(StaleDecision, match="halted by the operator"):
        await GuardedAccount(inner).place_order(
            OrderRequest(
                symbol="BTCUSDT",
                side=Side.BUY,
                quantity=D("0.1"),
                reduce_only=False,
                client_order_id="te1",
                leverage=1,
                margin_mode=MarginMode.CROSS,
                reference_price=D(50000),
            )
        )
    assert inner.requests == []


@pytest.mark.parametrize("wrapper", [GuardedAccount, FaultyAccount])
def test_wrappers_between_engine_and_plugin_pass_every_method_on(wrapper: type) -> None:
    """A method that a wrapper only inherits returns the contract's default, whatever the plugin can do."""
    methods = {name for name, _ in inspect.getmembers(ExchangeAccount, inspect.isfunction) if name[0] != "_"}
    assert methods - vars(wrapper).keys() == set()
