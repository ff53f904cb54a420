"""An account or a source that fails takes nobody with it, and is tried again until it runs."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import AccountStream, AuthError, Capabilities, Feed, NotReady
from te_core.settings.resolution import Kind
from te_core.testing.fake_account import FakeAccount
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal


async def test_a_stream_outage_is_reported_at_its_start_and_end(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch(account: FakeAccount, stream: AccountStream) -> None:
        del account
        if trader.clock.monotonic() < 1000:
            raise NotReady("hung up")
        stream.up(Feed.PRICES)
        while True:
            await asyncio.sleep(10)
            stream.alive(Feed.PRICES)

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


async def test_a_failing_account_or_source_affects_no_other(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": KeyError("defect"), "sn": NotReady("upstream down")}
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held("two") == D("0.2")
        state = queries_of(run.engine).state()
        assert state["accounts"]["one"]["status"] == "failing"
        assert "defect" in state["accounts"]["one"]["reason"]
        assert state["sources"]["sn"]["status"] == "failing"
        assert not queries_of(run.engine).readiness()["ready"]
        trader.failing.clear()
        await asyncio.sleep(130)
        assert trader.held("one") == D("0.1")
        assert queries_of(run.engine).readiness()["ready"]


async def test_a_folder_that_cannot_be_made_fails_one_instance_alone(tmp_path: Path, trader: Trader) -> None:
    for kind, name in (("accounts", "one"), ("sources", "sn")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_text("a file stands where the folder should be")
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held("two") == D("0.2")
        state = queries_of(run.engine).state()
        for found in (state["accounts"]["one"], state["sources"]["sn"]):
            assert found["status"] == "failing"
            assert "File exists" in found["reason"]
        assert str(tmp_path / "accounts" / "one") in state["accounts"]["one"]["reason"]
        assert "defect" not in state["accounts"]["one"]["reason"]
        (tmp_path / "accounts" / "one").unlink()
        await asyncio.sleep(130)
        assert trader.held("one") == D("0.1"), "tried again, as whatever else fails"


async def test_wrong_keys_are_retried_for_ever_at_growing_intervals(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": AuthError("API key is invalid")}
    async with running(tmp_path, trader) as run:
        trader.made.clear()
        await asyncio.sleep(3 * 3600)
        assert trader.made.count("one") == 7, "after 1, 3, 7, 15, 31, 63 and 123 minutes"
        state = queries_of(run.engine).state()["accounts"]["one"]
        assert (state["status"], state["reason"]) == ("failing", "API key is invalid")
        due = datetime.fromisoformat(state["retry_at"]) - trader.clock.now()
        assert timedelta(0) < due <= timedelta(hours=1)
        told = [event.kind for event in run.journal.events(99) if event.account == "one"]
        assert told == ["outage"], "one outage, however often it is tried"
        trader.failing.clear()
        await asyncio.sleep(3700)
        assert queries_of(run.engine).state()["accounts"]["one"]["status"] == "running"
        told = [event.kind for event in run.journal.events(99) if event.account == "one"]
        assert told == ["recovery", "outage"]


async def test_new_keys_are_tried_at_once(tmp_path: Path, trader: Trader) -> None:
    trader.failing = {"one": AuthError("API key is invalid")}
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(4000)
        trader.failing.clear()
        await run.apply(changed(BASE, "accounts.one.key", "a better one"))
        assert queries_of(run.engine).state()["accounts"]["one"]["status"] == "running"


@pytest.mark.parametrize(("kind", "name"), [("accounts", "one"), ("sources", "sn")])
async def test_what_waits_for_its_next_try_is_resumed_at_once(
    tmp_path: Path, trader: Trader, kind: Kind, name: str
) -> None:
    trader.failing = {name: AuthError("not allowed here")}
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(4 * 3600)
        trader.failing.clear()
        assert queries_of(run.engine).state()[kind][name]["status"] == "failing"
        run.engine.resume(kind, name)
        await asyncio.sleep(1)
        assert queries_of(run.engine).state()[kind][name]["status"] == "running"
        with pytest.raises(KeyError):
            run.engine.resume(kind, "nobody")


async def test_an_account_failing_after_a_resume_waits_a_minute(tmp_path: Path, trader: Trader) -> None:
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
