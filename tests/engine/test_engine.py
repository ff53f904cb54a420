"""The whole engine between a source and accounts: it follows its settings, and only what changed is touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel, SecretStr

from te_core.api import (
    AccountContext,
    AccountStream,
    AuthError,
    Capabilities,
    ExchangeAccount,
    ExchangeSpec,
    NotReady,
    Publication,
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
)
from te_core.errors import JournalError
from te_core.journal.committer import Done
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.reporting.queries import Queries
from te_core.runtime.engine import Engine
from te_core.settings.resolution import Kind, Resolved, resolve
from te_core.settings.schema import Settings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock

D = Decimal


class Options(BaseModel):
    key: SecretStr = SecretStr("none")


class Trader:
    """Everything outside the engine: what sources and accounts were made, and what happens there."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.sources: dict[str, SourceContext[Any]] = {}
        self.made: list[str] = []
        self.accounts: dict[str, FakeAccount] = {}
        self.failing: dict[str, Exception] = {}
        self.closing: Callable[[str], Awaitable[None]] | None = None
        self.capabilities = Capabilities()

    def source(self, context: SourceContext[Any]) -> SignalSource:
        trader = self

        class Source(SignalSource):
            async def run(self) -> None:
                if context.name in trader.failing:
                    raise trader.failing[context.name]
                await super().run()

            async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
                return WebhookResponse(status=200, body={"to": context.name})

            async def close(self) -> None:
                if trader.closing is not None:
                    await trader.closing(context.name)

        self.made.append(context.name)
        self.sources[context.name] = context
        return Source()

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        self.made.append(context.name)
        if context.name in self.failing:
            raise self.failing[context.name]
        known = self.accounts.get(context.name)
        if known is None:
            known = FakeAccount(self.clock, BTCUSDT="50000", ETHUSDT="2500")
            self.accounts[context.name] = known
        return known

    def registry(self) -> Registry:
        return Registry.of(
            SignalSourceSpec(name="pushed", settings=Options, factory=self.source),
            ExchangeSpec(name="fake", settings=Options, factory=self.account, capabilities=self.capabilities),
        )

    async def say(self, source: str, depth: str, symbol: str = "BTCUSDT", **more: Any) -> Publication:
        now = self.clock.now()
        dedupe = more.pop("dedupe_for", None)
        signal = Signal(
            source=source,
            symbol=symbol,
            depth=D(depth),
            time=more.pop("time", now),
            received_at=now,
            **more,
        )
        return await self.sources[source].publish(signal, dedupe_for=dedupe)

    def held(self, account: str = "one", symbol: str = "BTCUSDT") -> Decimal:
        return self.accounts[account].quantity(symbol)


BASE: dict[str, Any] = {
    "sources": {"tv": {"plugin": "pushed"}, "sn": {"plugin": "pushed"}},
    "accounts": {
        "one": {"plugin": "fake", "observe": False},
        "two": {"plugin": "fake", "observe": False, "leverage": 2},
    },
    "symbols": {
        "BTCUSDT": {"leverage": 1, "weights": {"tv": 0.5, "sn": 0.25}},
        "ETHUSDT": {"leverage": 1, "weights": {"tv": 0.25}},
    },
}


def changed(base: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Copy settings with one key changed; None removes it."""
    head, _, tail = path.partition(".")
    copy = dict(base)
    if tail:
        copy[head] = changed(copy.get(head, {}), tail, value)
    elif value is None:
        copy.pop(head, None)
    else:
        copy[head] = value
    return copy


class Running:
    def __init__(self, engine: Engine, trader: Trader, journal: Journal, registry: Registry) -> None:
        self.engine = engine
        self.trader = trader
        self.journal = journal
        self.registry = registry

    def resolved(self, settings: Mapping[str, Any]) -> Resolved:
        return resolve(Settings.model_validate(settings), self.registry)

    async def apply(self, settings: Mapping[str, Any], wait: float = 2) -> None:
        await self.engine.apply(self.resolved(settings))
        await asyncio.sleep(wait)


@asynccontextmanager
async def running(folder: Path, trader: Trader, settings: Mapping[str, Any] = BASE) -> AsyncIterator[Running]:
    journal = Journal.open(folder / "j.sqlite3", clock=trader.clock, new_id=lambda: "j", inline=True)
    registry = trader.registry()
    engine = Engine(journal=journal, registry=registry, clock=trader.clock, log=logger, state_dir=folder)
    run = Running(engine, trader, journal, registry)
    await engine.start(run.resolved(settings))
    await asyncio.sleep(1)
    try:
        yield run
    finally:
        await engine.stop()
        journal.close()


@pytest.fixture
def trader(clock: VirtualClock) -> Trader:
    return Trader(clock)


async def test_weighted_sources_make_one_position_on_every_account(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        assert await trader.say("tv", "1") is Publication.ACCEPTED
        await trader.say("sn", "-0.4")
        await asyncio.sleep(1)
        assert trader.held("one") == D("0.08")
        assert trader.held("two") == D("0.16")


async def test_a_stream_that_fails_for_a_while_is_told_and_ends(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch(account: FakeAccount, stream: AccountStream) -> None:
        del account, stream
        await asyncio.sleep(0 if trader.clock.monotonic() < 1000 else 9999)
        raise NotReady("hung up")

    monkeypatch.setattr(FakeAccount, "watch", watch)
    trader.capabilities = Capabilities(private_stream=True)
    one = changed(BASE, "accounts.two", None)
    async with running(tmp_path, trader, one) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(900)
        assert trader.held() == D("0.1")
        assert run.engine.accounts["one"].worker.last_error().startswith("stream: hung up")
        await asyncio.sleep(600)
        assert run.engine.accounts["one"].worker.last_error() == ""
        kinds = [event.kind for event in run.journal.events(99) if event.text.startswith("stream")]
        assert kinds == ["recovery", "outage"], "its first, momentary failure is a line in the log only"


async def test_opposite_sources_net_out(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        await trader.say("tv", "0.5")
        await trader.say("sn", "-1")
        await asyncio.sleep(1)
        assert trader.held() == 0


def full_disk(done: Done, entry: object) -> None:
    assert isinstance(entry, Signal)
    done.get_loop().call_soon(done.set_exception, JournalError("disk full"))


async def test_a_signal_is_in_force_only_when_it_is_durable(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, trader) as run:
        monkeypatch.setattr(run.journal, "stream", full_disk)
        with pytest.raises(JournalError):
            await trader.say("tv", "1", delivery_id="x", dedupe_for=timedelta(seconds=30))
        await asyncio.sleep(60)
        assert trader.held() == 0
        assert trader.sources["tv"].latest("BTCUSDT") is trader.sources["tv"].arrived("BTCUSDT") is None
        monkeypatch.undo()
        again = await trader.say("tv", "1", delivery_id="x", dedupe_for=timedelta(seconds=30))
        assert again is Publication.ACCEPTED


async def test_what_was_not_kept_leaves_the_last_arrival_as_it_was(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await trader.say("tv", "0.5", current=False, rule="sequence")
        before = trader.sources["tv"].arrived("BTCUSDT")
        monkeypatch.setattr(run.journal, "stream", full_disk)
        with pytest.raises(JournalError):
            await trader.say("tv", "-1")
        assert trader.sources["tv"].arrived("BTCUSDT") is before is not None
        assert before.depth == D("0.5")


async def test_a_delivery_counts_once_within_its_window_over_restarts(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(seconds=30)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="x", dedupe_for=window)
        await trader.say("tv", "0.5", delivery_id="y", dedupe_for=window)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.DUPLICATE
    async with running(tmp_path, trader):
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.DUPLICATE
        await asyncio.sleep(1)
        assert trader.held() == D("0.05")
        await asyncio.sleep(31)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.ACCEPTED
        await asyncio.sleep(1)
        assert trader.held() == D("0.1")


async def test_a_wall_clock_that_steps_back_merges_no_distinct_alerts(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(seconds=30)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="x", dedupe_for=window)
        await asyncio.sleep(60)
        trader.clock.shift = timedelta(seconds=-50)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.ACCEPTED


async def test_a_sender_who_hangs_up_does_not_undo_a_durable_signal(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        waiting = asyncio.create_task(trader.say("tv", "1"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(2)
        assert trader.held() == D("0.1")


async def test_a_superseded_signal_is_recorded_and_changes_nothing(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        assert await trader.say("tv", "-1", current=False, rule="sequence") is Publication.SUPERSEDED
        latest, arrived = (getattr(trader.sources["tv"], name)("BTCUSDT") for name in ("latest", "arrived"))
        assert (latest.depth, arrived.depth) == (D(1), D(-1))
        await asyncio.sleep(2)
        assert trader.held() == D("0.1")
        assert len(run.journal.signals(10)) == 2


async def test_a_restart_goes_on_where_it_was(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        await trader.say("tv", "1")
        await asyncio.sleep(1)
    orders = len(trader.accounts["one"].requests)
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(60)
        assert trader.held() == D("0.1")
        assert len(trader.accounts["one"].requests) == orders
        assert Queries(run.engine).state()["accounts"]["one"]["targets"]["BTCUSDT"]["confirmed"]


@pytest.mark.parametrize(
    ("path", "value", "one", "two"),
    [
        ("symbols.BTCUSDT.weights.tv", 0.25, "0.05", "0.1"),
        ("symbols.BTCUSDT.leverage", 3, "0.3", "0.2"),
        ("symbols.BTCUSDT", None, "0", "0"),
        ("accounts.one.leverage", 4, "0.4", "0.2"),
        ("accounts.one.enabled", False, "0", "0.2"),
        ("accounts.one", None, "0.1", "0.2"),
        ("sources.tv.enabled", False, "0", "0"),
        ("plugins.fake.enabled", False, "0.1", "0.2"),
        ("limits.symbol_exposure", 1000, "0.1", "0.2"),
        ("engine.resync", 60, "0.1", "0.2"),
    ],
)
async def test_a_settings_change_applies_at_once(
    tmp_path: Path, trader: Trader, path: str, value: object, one: str, two: str
) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(changed(BASE, path, value))
        assert (trader.held("one"), trader.held("two")) == (D(one), D(two))
        await run.apply(BASE)
        assert (trader.held("one"), trader.held("two")) == (D("0.1"), D("0.2"))


async def test_what_did_not_change_is_not_touched(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        trader.made.clear()
        await run.apply(BASE)
        assert trader.made == []
        await run.apply(changed(BASE, "symbols.BTCUSDT.weights.tv", 0.3))
        await run.apply(changed(BASE, "accounts.one.drift", "alert"))
        assert trader.made == []
        await run.apply(changed(BASE, "sources.tv.symbols", {"XBT": "BTCUSDT"}))
        assert trader.made == ["tv"]
        await run.apply(changed(BASE, "accounts.two.key", "other"))
        assert trader.made == ["tv", "tv", "two"]


async def test_accounts_and_symbols_are_added_while_it_runs(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        more = changed(BASE, "accounts.three", {"plugin": "fake", "observe": False})
        trader.accounts["three"] = FakeAccount(trader.clock, BTCUSDT="50000", SOLUSDT="100")
        await run.apply(changed(more, "symbols.SOLUSDT", {"weights": {"tv": 0.1}}))
        await trader.say("tv", "1", "SOLUSDT")
        await asyncio.sleep(1)
        assert trader.held("three") == D("0.1")
        assert trader.held("three", "SOLUSDT") == 10


async def test_a_failing_account_or_source_takes_nobody_with_it(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": KeyError("defect"), "sn": NotReady("upstream down")}
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held("two") == D("0.2")
        state = Queries(run.engine).state()
        assert state["accounts"]["one"]["status"] == "failing"
        assert "defect" in state["accounts"]["one"]["reason"]
        assert state["sources"]["sn"]["status"] == "failing"
        assert not Queries(run.engine).readiness()["ready"]
        trader.failing.clear()
        await asyncio.sleep(130)
        assert trader.held("one") == D("0.1")
        assert Queries(run.engine).readiness()["ready"]


async def test_a_folder_that_cannot_be_made_fails_its_own_instance_alone(
    tmp_path: Path, trader: Trader
) -> None:
    for kind, name in (("accounts", "one"), ("sources", "sn")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_text("a file stands where the folder should be")
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held("two") == D("0.2")
        state = Queries(run.engine).state()
        for found in (state["accounts"]["one"], state["sources"]["sn"]):
            assert found["status"] == "failing"
            assert "File exists" in found["reason"]
        assert str(tmp_path / "accounts" / "one") in state["accounts"]["one"]["reason"]
        assert "defect" not in state["accounts"]["one"]["reason"]
        (tmp_path / "accounts" / "one").unlink()
        await asyncio.sleep(130)
        assert trader.held("one") == D("0.1"), "tried again, as whatever else fails"


async def test_a_source_that_fails_to_close_is_stopped_all_the_same(tmp_path: Path, trader: Trader) -> None:
    async def fail(_: str) -> None:
        raise OSError("the socket was gone already")

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        trader.closing = fail
        trader.made.clear()
        off = changed(BASE, "sources.sn.enabled", False)
        async with asyncio.timeout(60):
            await run.apply(changed(off, "accounts.one.enabled", False))
        assert trader.held("one") == 0
        await asyncio.sleep(600)
        assert trader.made == [], "what was stopped is not started again"
        trader.closing = None


async def test_a_source_that_never_ends_holds_no_settings_up(tmp_path: Path, trader: Trader) -> None:
    async def hang(_: str) -> None:
        await asyncio.sleep(1e6)

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        trader.closing = hang
        off = changed(BASE, "sources.sn.enabled", False)
        async with asyncio.timeout(60):
            await run.apply(changed(off, "accounts.one.enabled", False))
        assert trader.held("one") == 0, "a disabled account reduces, whatever a source does"
        trader.closing = None


async def test_an_account_that_returns_follows_no_target_from_before(tmp_path: Path, trader: Trader) -> None:
    """Also while the settings are still being applied, for which something else may be slow to stop."""

    async def hang(_: str) -> None:
        await asyncio.sleep(1e6)

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(changed(BASE, "accounts.one", None))
        await trader.say("tv", "0")
        trader.accounts["one"].hold("BTCUSDT", "0")
        sent = len(trader.accounts["one"].requests)
        trader.closing = hang
        await run.apply(changed(BASE, "sources.sn.enabled", False), wait=60)
        assert len(trader.accounts["one"].requests) == sent
        assert trader.held("one") == 0
        trader.closing = None


async def test_wrong_keys_are_tried_ever_less_often_for_ever(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": AuthError("API key is invalid")}
    async with running(tmp_path, trader) as run:
        trader.made.clear()
        await asyncio.sleep(3 * 3600)
        assert trader.made.count("one") == 7, "after 1, 3, 7, 15, 31, 63 and 123 minutes"
        state = Queries(run.engine).state()["accounts"]["one"]
        assert (state["status"], state["reason"]) == ("failing", "API key is invalid")
        due = datetime.fromisoformat(state["retry_at"]) - trader.clock.now()
        assert timedelta(0) < due <= timedelta(hours=1)
        told = [event.kind for event in run.journal.events(99) if event.account == "one"]
        assert told == ["outage"], "one outage, however often it is tried"
        trader.failing.clear()
        await asyncio.sleep(3700)
        assert Queries(run.engine).state()["accounts"]["one"]["status"] == "running"
        told = [event.kind for event in run.journal.events(99) if event.account == "one"]
        assert told == ["recovery", "outage"]


async def test_new_keys_are_tried_at_once(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": AuthError("API key is invalid")}
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(4000)
        trader.failing.clear()
        await run.apply(changed(BASE, "accounts.one.key", "a better one"))
        assert Queries(run.engine).state()["accounts"]["one"]["status"] == "running"


@pytest.mark.parametrize(("kind", "name"), [("accounts", "one"), ("sources", "sn")])
async def test_what_waits_for_its_next_try_is_resumed_at_once(
    tmp_path: Path, trader: Trader, kind: Kind, name: str
) -> None:
    trader.failing = {name: AuthError("not allowed here")}
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(4 * 3600)
        trader.failing.clear()
        assert Queries(run.engine).state()[kind][name]["status"] == "failing"
        run.engine.resume(kind, name)
        await asyncio.sleep(1)
        assert Queries(run.engine).state()[kind][name]["status"] == "running"
        with pytest.raises(KeyError):
            run.engine.resume(kind, "nobody")


async def test_who_is_resumed_in_vain_is_tried_after_a_minute_again(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": AuthError("not allowed here")}
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(4 * 3600)
        trader.made.clear()
        run.engine.resume("accounts", "one")
        await asyncio.sleep(70)
        assert trader.made == ["one", "one"]


async def test_what_is_switched_off_is_not_resumed(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, changed(BASE, "sources.sn.enabled", False)) as run:
        assert not run.engine.resume("sources", "sn").running
        assert run.engine.resume("sources", "tv").running


async def test_an_expired_signal_follows_the_sources_policy(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "flat")
    settings = changed(settings, "sources.sn.max_age", "1h")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1", time=trader.clock.now() - timedelta(minutes=30))
        await trader.say("sn", "0.4")
        await asyncio.sleep(1790)
        assert trader.held() == D("0.12")
        await asyncio.sleep(20)
        assert trader.held() == D("0.02")
        await asyncio.sleep(3600)
        assert trader.held() == D("0.02")
        assert Queries(run.engine).state()["sources"]["tv"]["signals"]["BTCUSDT"]["expired"]
        assert [event.kind for event in run.journal.events(10)].count("expired") == 2
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held() == D("0.12")


async def test_an_expiry_that_is_noticed_on_the_way_is_acted_upon(tmp_path: Path, trader: Trader) -> None:
    """Another symbol's signal may come at that very moment, and the wall clock is adjusted now and then."""
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "flat")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(3599)
        assert trader.held() == D("0.1")
        trader.clock.shift = timedelta(seconds=1.5)
        await asyncio.sleep(1)
        await trader.say("sn", "0.4", symbol="ETHUSDT")
        await asyncio.sleep(1)
        assert Queries(run.engine).state()["sources"]["tv"]["signals"]["BTCUSDT"]["expired"]
        assert trader.held() == 0


async def test_a_source_that_fell_silent_is_left_little_by_little(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "decay")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(3590)
        whole = trader.held()
        await asyncio.sleep(10 + 1800)
        assert whole / 2 * D("0.9") <= trader.held() <= whole / 2 * D("1.1")
        await asyncio.sleep(1810)
        assert trader.held() == 0
        assert [event.kind for event in run.journal.events(10)].count("expired") == 1


async def test_what_was_said_can_be_explained_and_multiplied_out(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "0.777", leverage=D(3))
        await trader.say("sn", "-0.1", leverage=D(7))
        await asyncio.sleep(1)
        found = Queries(run.engine).explain("BTCUSDT")["accounts"]["one"]
        assert sum(D(part["weight"]) * D(part["depth"]) for part in found["terms"]) == D(found["depth"])
        sizing = found["sizing"]
        product = D(sizing["equity"]) * D(sizing["depth"]) * D(sizing["leverage"]) / D(sizing["price"])
        assert product == D(sizing["unrounded"])
        assert product - D(sizing["quantity"]) < D(sizing["quantity_step"])
        assert D(found["confirmed"]["quantity"]) == trader.held()
        with pytest.raises(KeyError):
            Queries(run.engine).explain("DOGEUSDT")


async def test_plan_tells_what_would_be_done_and_sends_nothing(tmp_path: Path, trader: Trader) -> None:
    settings = changed(changed(BASE, "accounts.one.drift", "alert"), "accounts.two.drift", "heal")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(10)
        trader.accounts["two"].hold("BTCUSDT", "0.15")
        sent = len(trader.accounts["two"].requests)
        found = await Queries(run.engine).plan()
        step = found["accounts"]["two"]["symbols"]["BTCUSDT"]["steps"][0]
        assert (step["side"], step["quantity"], step["reduce_only"]) == ("buy", "0.05", False)
        assert found["accounts"]["one"]["symbols"]["BTCUSDT"]["steps"] == []
        assert len(trader.accounts["two"].requests) == sent


async def test_the_doctor_tells_what_is_wrong_and_what_to_do(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "symbols.SOLUSDT", {"weights": {"tv": 0.1}})
    settings = changed(settings, "symbols.BTCUSDT.weights", {"tv": 0.001})
    async with running(tmp_path, trader, settings) as run:
        found = (await Queries(run.engine).doctor())["accounts"]["one"]
        by_check = {finding["check"]: finding for finding in found}
        assert by_check["SOLUSDT"]["severity"] == "warning"
        assert "does not list" in by_check["SOLUSDT"]["text"]
        assert by_check["BTCUSDT"]["severity"] == "error"
        assert "never trade" in by_check["BTCUSDT"]["text"]
        assert "below_minimum" in by_check["BTCUSDT"]["remedy"]
        assert by_check["ETHUSDT"]["severity"] == "ok"
        assert trader.accounts["one"].requests == []
        trader.failing["two"] = AuthError("API key is invalid")
        await run.apply(changed(settings, "accounts.two.key", "wrong"))
        stopped = (await Queries(run.engine).doctor())["accounts"]["two"]
        assert [finding["severity"] for finding in stopped] == ["error"]
        assert "API key is invalid" in stopped[0]["text"]


async def test_webhooks_reach_their_source(tmp_path: Path, trader: Trader) -> None:
    def request() -> WebhookRequest:
        return WebhookRequest(
            method="POST",
            tail=(),
            query={},
            headers={},
            body=b"",
            client="127.0.0.1",
            received_at=trader.clock.now(),
        )

    async with running(tmp_path, trader) as run:
        assert (await run.engine.on_webhook("tv", request())).body == {"to": "tv"}
        assert (await run.engine.on_webhook("nobody", request())).status == 404
        trader.failing["tv"] = NotReady("down")
        await run.apply(changed(BASE, "sources.tv.key", "new"))
        answer = await run.engine.on_webhook("tv", request())
        assert (answer.status, answer.retry_after) == (503, 5)
        await run.apply(changed(BASE, "sources.tv.enabled", False))
        assert (await run.engine.on_webhook("tv", request())).status == 503, "it is configured"


async def test_an_account_that_fails_keeps_no_other_out_of_the_plan(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)

        async def refused() -> Any:
            raise AuthError("key revoked")

        trader.accounts["one"].positions = refused  # type: ignore[method-assign]
        plan = (await Queries(run.engine).plan())["accounts"]
        assert "key revoked" in plan["one"]["error"]
        assert plan["two"]["symbols"]["BTCUSDT"]["status"] == "at_target"
