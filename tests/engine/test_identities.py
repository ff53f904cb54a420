"""An account is identified by its exchange, whatever the settings call it (I20)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AccountContext, AccountIdentity, ExchangeAccount, ExchangeSpec, NotReady
from te_core.plugins.registry import Registry
from te_core.reporting.view import view
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.engine_harness import BASE, Options, Trader, changed, running
from tests.querying import queries_of

D = Decimal
ONE = changed(changed(BASE, "accounts.two", None), "accounts.one.key", "alice")
LIMITED = changed(ONE, "limits.total_exposure", 6000)


class Connection(FakeAccount):
    """One of several connections to a venue's account: positions belong to the account."""

    def __init__(self, real: FakeAccount, name: str, uid: str, bank: Bank) -> None:
        super().__init__(real.clock)
        self.price, self.held, self.orders, self.requests = real.price, real.held, real.orders, real.requests
        self._name, self._uid, self._bank = name, uid, bank

    async def identity(self) -> AccountIdentity | None:
        if self._bank.mute:
            raise NotReady("who knows")
        if self._bank.nameless:
            return None
        self._bank.asked_at.append(self.clock.now())
        return AccountIdentity(
            host="exchange.test",
            uid=self._uid,
            may_withdraw=self._name in self._bank.may_withdraw,
            key_expires_at=self._bank.key_expires_at,
        )

    async def close(self) -> None:
        await asyncio.sleep(self._bank.slow_to_close.get(self._name, 0))


class Bank(Trader):
    """An exchange with an account for each key. ``uids``: keys that belong to one account."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.uids = {"other key of alice": "alice"}
        self.mute = self.nameless = False
        self.slow_to_close: dict[str, float] = {}
        self.may_withdraw: set[str] = set()
        self.key_expires_at: datetime | None = None
        self.asked_at: list[datetime] = []

    def registry(self) -> Registry:
        other = ExchangeSpec(name="other", settings=Options, factory=self.account)
        registry = super().registry()
        registry.exchanges[other.name] = other
        return registry

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        key = context.options.key.get_secret_value()
        uid = self.uids.get(key, key)
        return Connection(self.at(uid), context.name, uid, self)

    def at(self, uid: str) -> FakeAccount:
        if uid not in self.accounts:
            self.accounts[uid] = FakeAccount(self.clock, BTCUSDT="50000", ETHUSDT="2500")
        return self.accounts[uid]


@pytest.fixture
def bank(clock: VirtualClock) -> Bank:
    return Bank(clock)


@pytest.mark.parametrize("nameless", [False, True], ids=["by uid", "by fingerprint"])
@pytest.mark.parametrize("restart", [False, True])
async def test_new_keys_under_an_old_name_touch_nothing_from_before(
    tmp_path: Path, bank: Bank, restart: bool, nameless: bool
) -> None:
    bank.nameless = nameless
    bob = changed(ONE, "accounts.one.key", "bob")
    bank.at("bob").hold("BTCUSDT", "3")
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        assert bank.held("alice") == D("0.1")
        if not restart:
            await run.apply(bob, wait=60)
            await bank.say("tv", "0")
            await asyncio.sleep(60)
    if restart:
        async with running(tmp_path, bank, bob):
            await bank.say("tv", "0")
            await asyncio.sleep(60)
    assert bank.at("bob").requests == [], "the operator's own position stays as it is"
    assert bank.held("alice") == D("0.1"), "nobody is connected to it"
    async with running(tmp_path, bank, bob) as run:
        await asyncio.sleep(60)
        assert bank.at("bob").requests == []
        told = [event.text for event in run.journal.events(99) if event.kind == "identity"]
        assert len(told) == 1
        assert "not the account that was here before" in told[0]
        await run.apply(ONE, wait=60)
        assert bank.held("alice") == 0, "its own book goes on: what the engine opened there is closed"
        assert bank.held("bob") == 3


async def test_an_account_that_comes_back_goes_on_where_it_was(tmp_path: Path, bank: Bank) -> None:
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        worker = run.engine.accounts["one"].worker
        await run.apply(changed(ONE, "accounts.one.key", "bob"), wait=10)
        assert bank.held("bob") == D("0.1"), "an account of its own, with the same targets"
        await run.apply(changed(ONE, "accounts.one.key", "other key of alice"), wait=10)
        assert run.engine.accounts["one"].worker is worker
        assert queries_of(run.engine).state()["accounts"]["one"]["targets"]["BTCUSDT"]["confirmed"]
        assert len(bank.at("alice").requests) == 1


async def test_other_keys_of_the_same_account_change_nothing(tmp_path: Path, bank: Bank) -> None:
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(changed(ONE, "accounts.one.key", "other key of alice"), wait=60)
        assert len(bank.at("alice").requests) == 1
        assert not [event for event in run.journal.events(99) if event.kind == "identity"]


async def test_a_key_that_may_withdraw_is_warned_of_at_every_start(tmp_path: Path, bank: Bank) -> None:
    bank.may_withdraw = {"one"}
    for start in (1, 2):
        async with running(tmp_path, bank, ONE) as run:
            await asyncio.sleep(1)
            run.engine.accounts["one"].resume()
            await run.apply(changed(ONE, "accounts.one.key", "other key of alice"), wait=60)
            told = [event for event in run.journal.events(99) if event.kind == "key"]
            assert [event.account for event in told] == ["one"] * start, "once, however often it connects"
            assert "may withdraw funds" in told[0].text


RARELY_READ = changed(ONE, "engine.resync", "1h")


async def until(bank: Bank, moment: datetime) -> None:
    await asyncio.sleep((moment - bank.clock.now()).total_seconds())


def items(run: Any) -> list[str]:
    """What needs attention, as ``te status`` shows it."""
    return [item.title for item in view(queries_of(run.engine).state()).attention]


@pytest.mark.parametrize("first", range(0, 40, 4))
async def test_a_new_account_observes_if_its_connection_is_given_up(
    tmp_path: Path, bank: Bank, first: int
) -> None:
    """Its keys are replaced while it connects: it was recorded as new, and nobody waited for that any more."""
    new = changed(ONE, "accounts.one.observe", None)
    for ticks in range(first, first + 4):
        bank.accounts.clear()
        folder = tmp_path / str(ticks)
        folder.mkdir()
        async with running(folder, bank, changed(ONE, "accounts.one", None)) as run:
            await run.apply(new, wait=0)
            for _ in range(ticks):
                await asyncio.sleep(0)
            await run.apply(changed(new, "accounts.one.key", "other key of alice"), wait=10)
            await bank.say("tv", "1")
            await asyncio.sleep(60)
            assert bank.at("alice").requests == [], f"given up after {ticks} turns of the loop"
            assert queries_of(run.engine).state()["accounts"]["one"]["status"] == "observing"
            assert len([event for event in run.journal.events(99) if event.kind == "observe"]) == 1


def warnings_of(run: Any) -> list[str]:
    """The warnings about keys, oldest first, up to the date."""
    found = [event.text.partition(" (")[0] for event in run.journal.events(99) if event.kind == "key"]
    return found[::-1]


async def test_a_key_that_expires_is_warned_of_in_time(tmp_path: Path, bank: Bank) -> None:
    """An engine that is left alone for months would lose its account from one minute to the next."""
    bank.key_expires_at = end = bank.clock.now() + timedelta(days=83, hours=7)
    async with running(tmp_path, bank, RARELY_READ) as run:
        await until(bank, end - timedelta(days=15))
        assert warnings_of(run) == []
        assert len(bank.asked_at) == 1, "nothing is asked for months"
        assert "key expires" not in str(items(run))
        await until(bank, end - timedelta(days=13, hours=23))
        assert warnings_of(run) == ["this key expires in 14 days"]
        assert "one: its key expires in 13 days" in items(run)
        bank.mute = True
        await until(bank, end)
        days = (14, 7, 3)
        assert warnings_of(run) == [f"this key expires in {left} days" for left in days] + [
            "this key expires in 24 hours"
        ]


async def test_a_key_is_warned_of_although_the_machine_sleeps_at_night(tmp_path: Path, bank: Bank) -> None:
    """A wait of months would end late by all of its nights, after the key."""
    bank.key_expires_at = bank.clock.now() + timedelta(days=20)
    async with running(tmp_path, bank, RARELY_READ) as run:
        for _ in range(19):
            await asyncio.sleep(86_400 / 2)
            bank.clock.suspend(86_400 / 2)
        await asyncio.sleep(3600 + 60)
        assert warnings_of(run)[-1] == "this key expires in 23 hours"
        assert len(warnings_of(run)) == 4


async def test_a_key_that_was_renewed_is_not_warned_of(tmp_path: Path, bank: Bank) -> None:
    bank.key_expires_at = end = bank.clock.now() + timedelta(days=10)
    async with running(tmp_path, bank, RARELY_READ) as run:
        await asyncio.sleep(1)
        assert warnings_of(run) == ["this key expires in 10 days"]
        bank.key_expires_at = end + timedelta(days=90)
        await asyncio.sleep(86_400)
        assert "key expires" not in str(items(run))
        await until(bank, end)
        assert len(warnings_of(run)) == 1
        bank.key_expires_at = None
        await until(bank, end + timedelta(days=90))
        assert len(warnings_of(run)) == 1


async def test_an_end_that_is_past_is_not_believed_of_a_key_that_works(tmp_path: Path, bank: Bank) -> None:
    bank.key_expires_at = bank.clock.now() - timedelta(days=1)
    async with running(tmp_path, bank, RARELY_READ) as run:
        await asyncio.sleep(10 * 86_400)
        assert warnings_of(run) == []
        assert len(bank.asked_at) == 1


async def test_an_end_without_a_time_zone_is_refused(tmp_path: Path, bank: Bank) -> None:
    bank.key_expires_at = datetime(2027, 1, 1)  # noqa: DTZ001 - a plugin's mistake
    async with running(tmp_path, bank, ONE) as run:
        await asyncio.sleep(1)
        reason = run.engine.accounts["one"].health.reason
        assert "identity().key_expires_at" in reason
        assert "an aware datetime" in reason


@pytest.mark.parametrize("restart", [False, True])
async def test_a_section_with_another_name_goes_on_with_its_account(
    tmp_path: Path, bank: Bank, restart: bool
) -> None:
    renamed = changed(
        changed(ONE, "accounts.one", None),
        "accounts.main",
        {"plugin": "fake", "observe": False, "key": "alice"},
    )
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        if not restart:
            await run.apply(renamed, wait=200)
            assert queries_of(run.engine).state()["accounts"]["main"]["targets"]["BTCUSDT"]["confirmed"]
            assert "one" not in run.engine.accounts
    async with running(tmp_path, bank, renamed):
        await asyncio.sleep(60)
        assert len(bank.at("alice").requests) == 1
        await bank.say("tv", "0")
        await asyncio.sleep(60)
        assert bank.held("alice") == 0


async def test_the_second_section_of_one_account_is_refused_by_name(tmp_path: Path, bank: Bank) -> None:
    both = changed(ONE, "accounts.again", {"plugin": "fake", "observe": False, "key": "other key of alice"})
    async with running(tmp_path, bank, both) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(3600)
        assert len(bank.at("alice").requests) == 1
        assert bank.held("alice") == D("0.1")
        states = queries_of(run.engine).state()["accounts"]
        assert sorted(state["status"] for state in states.values()) == ["failing", "running"]
        (refused,) = [state for state in states.values() if state["status"] == "failing"]
        assert "[accounts.one]" in refused["reason"]
        assert "[accounts.again]" in refused["reason"]
        assert refused["retry_at"] is not None
        assert len([event for event in run.journal.events(99) if event.kind == "outage"]) == 1
        (winner,) = [name for name, state in states.items() if state["status"] == "running"]
        await run.apply(changed(both, f"accounts.{winner}", None), wait=30)
        (state,) = queries_of(run.engine).state()["accounts"].values()
        assert state["status"] == "running", "it takes over as soon as the other one is gone"
        assert state["targets"]["BTCUSDT"]["confirmed"]
        assert len(bank.at("alice").requests) == 1


async def test_a_refused_section_is_not_let_in_without_a_name(tmp_path: Path, bank: Bank) -> None:
    """If the plugin fails to identify it at a retry, it is still the same account."""
    both = changed(ONE, "accounts.again", {"plugin": "fake", "observe": False, "key": "other key of alice"})
    async with running(tmp_path, bank, both) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(30)
        bank.nameless = True
        await asyncio.sleep(3600)
        states = queries_of(run.engine).state()["accounts"]
        assert sorted(state["status"] for state in states.values()) == ["failing", "running"]
        assert len(bank.at("alice").requests) == 1
        assert bank.held("alice") == D("0.1")


async def test_a_section_that_is_nameless_once_is_not_another_account(tmp_path: Path, bank: Bank) -> None:
    """If the plugin identifies other accounts, a first read without an identity proves nothing."""
    both = changed(ONE, "accounts.again", {"plugin": "fake", "observe": False, "key": "other key of alice"})
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(30)
        bank.nameless = True
        await run.apply(both, wait=2)
        assert "although it does for others" in queries_of(run.engine).state()["accounts"]["again"]["reason"]
        bank.nameless = False
        await asyncio.sleep(600)
        states = queries_of(run.engine).state()["accounts"]
        assert sorted(state["status"] for state in states.values()) == ["failing", "running"]
        assert len(bank.at("alice").requests) == 1


async def test_a_disabled_section_with_other_keys_releases_its_account(tmp_path: Path, bank: Bank) -> None:
    """It was disabled and then got other keys: there is nothing to connect to, and nothing to hold."""
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        off = changed(ONE, "accounts.one.enabled", False)
        await run.apply(off, wait=60)
        other = changed(
            off, "accounts.again", {"plugin": "fake", "observe": False, "key": "other key of alice"}
        )
        await run.apply(changed(other, "accounts.one.key", "bob"), wait=60)
        assert queries_of(run.engine).state()["accounts"]["again"]["status"] == "running"
        assert bank.held("alice") == D("0.1")


async def test_old_keys_of_a_disabled_section_close_what_is_held(tmp_path: Path, bank: Bank) -> None:
    """The keys were different for a moment; what the section opened with these is still closed."""
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(60)
        other = changed(ONE, "accounts.one.key", "bob")
        await run.apply(other, wait=0)
        await run.apply(changed(other, "accounts.one.enabled", False), wait=60)
        assert bank.held("alice") == D("0.1")
        await run.apply(changed(ONE, "accounts.one.enabled", False), wait=60)
        assert bank.held("alice") == 0


async def test_keys_that_two_sections_exchange_in_one_edit(tmp_path: Path, bank: Bank) -> None:
    before = changed(ONE, "accounts.two", {"plugin": "fake", "observe": False, "key": "bob", "leverage": 2})
    after = changed(changed(before, "accounts.one.key", "bob"), "accounts.two.key", "alice")
    for slow in ("one", "two"):
        bank.slow_to_close = {slow: 3}
        async with running(tmp_path, bank, before) as run:
            await bank.say("tv", "1")
            await asyncio.sleep(60)
            assert (bank.held("alice"), bank.held("bob")) == (D("0.1"), D("0.2"))
            await run.apply(after, wait=30)
            assert (bank.held("alice"), bank.held("bob")) == (D("0.2"), D("0.1"))
            states = queries_of(run.engine).state()["accounts"]
            assert {state["status"] for state in states.values()} == {"running"}


async def test_nothing_is_read_or_ordered_before_the_identity_is_known(tmp_path: Path, bank: Bank) -> None:
    bank.mute = True
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(300)
        assert bank.at("alice").calls == []
        assert bank.at("alice").requests == []
        assert queries_of(run.engine).state()["accounts"]["one"]["status"] == "failing"
        bank.mute = False
        await asyncio.sleep(130)
        assert bank.held("alice") == D("0.1")


async def test_who_an_account_is_must_not_be_forgotten(tmp_path: Path, bank: Bank) -> None:
    """Otherwise a plugin that fails to identify it once would trade the same account under another book."""
    async with running(tmp_path, bank, ONE) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        bank.nameless = True
        await run.apply(changed(ONE, "accounts.one.key", "other key of alice"), wait=60)
        await bank.say("tv", "0")
        await asyncio.sleep(60)
        assert bank.held("alice") == D("0.1")
        state = queries_of(run.engine).state()["accounts"]["one"]
        assert state["status"] == "failing"
        assert "does not report which account this is" in state["reason"]
    async with running(tmp_path, bank, ONE):
        await asyncio.sleep(60)
        assert bank.held("alice") == D("0.1"), "also after a restart"
        bank.nameless = False
        await asyncio.sleep(130)
        assert bank.held("alice") == 0


async def test_an_account_that_is_identified_later_continues(tmp_path: Path, bank: Bank) -> None:
    bank.nameless = True
    async with running(tmp_path, bank, ONE):
        await bank.say("tv", "1")
        await asyncio.sleep(1)
    bank.nameless = False
    async with running(tmp_path, bank, ONE) as run:
        await asyncio.sleep(60)
        await run.apply(changed(ONE, "accounts.one.key", "other key of alice"), wait=60)
        assert len(bank.at("alice").requests) == 1
        await bank.say("tv", "0")
        await asyncio.sleep(60)
        assert bank.held("alice") == 0


async def test_an_account_unreached_at_start_shows_the_journal(tmp_path: Path, bank: Bank) -> None:
    async with running(tmp_path, bank, ONE):
        await bank.say("tv", "1")
        await asyncio.sleep(1)
    bank.mute = True
    async with running(tmp_path, bank, ONE) as run:
        await run.apply(changed(ONE, "accounts.one.leverage", 2), wait=60)
        targets = queries_of(run.engine).state()["accounts"]["one"]["targets"]
        assert targets["BTCUSDT"]["depth"] == "0.5"
        bank.mute = False
        await asyncio.sleep(130)
        assert bank.held("alice") == D("0.2")
        assert all(not order.reduce_only for order in bank.at("alice").requests), (
            "it never counted as unwanted"
        )


@pytest.mark.parametrize("edit", [("accounts.one", None), ("plugins.fake.enabled", False)])
async def test_what_no_section_trades_any_more_counts_in_the_total(
    tmp_path: Path, bank: Bank, edit: tuple[str, Any]
) -> None:
    """5,000 of a limit of 6,000 are held by an account that is removed, or whose plugin is disabled."""
    gone = changed(
        changed(LIMITED, *edit), "accounts.two", {"plugin": "other", "observe": False, "key": "bob"}
    )
    async with running(tmp_path, bank, LIMITED) as run:
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        assert bank.held("alice") == D("0.1")
        await run.apply(gone, wait=60)
        assert bank.held("bob") == D("0.02")
    async with running(tmp_path, bank, gone):
        await asyncio.sleep(60)
        assert bank.held("bob") == D("0.02"), "also after a restart"


async def test_a_removed_account_that_was_flat_takes_no_room(tmp_path: Path, bank: Bank) -> None:
    removed = changed(LIMITED, "accounts.two", {"plugin": "fake", "observe": False, "key": "bob"})
    removed = changed(removed, "accounts.one", None)
    async with running(tmp_path, bank, LIMITED):
        await bank.say("tv", "1")
        await asyncio.sleep(1)
        await bank.say("tv", "0")
        await asyncio.sleep(60)
    async with running(tmp_path, bank, removed):
        await bank.say("tv", "1")
        await asyncio.sleep(60)
        assert bank.held("bob") == D("0.1")
