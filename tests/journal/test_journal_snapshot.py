"""A start reads back what a dictionary would contain."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from te_core.errors import JournalError
from te_core.journal.entries import Entry
from te_core.journal.snapshot import JournalSnapshot, SymbolRecord
from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.order import Intent, IntentState, OrderOutcome
from te_core.model.signal import Signal
from te_core.model.target import Confirmation, Goal, Target
from te_core.testing import virtual_clock
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    event,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
)


class Model:
    """The journal as dictionaries."""

    def __init__(self) -> None:
        self.signals: dict[tuple[str, str], Signal] = {}
        self.targets: dict[tuple[str, str], Target] = {}
        self.goals: dict[tuple[str, str], Goal] = {}
        self.confirmations: dict[tuple[str, str], Confirmation] = {}
        self.intents: dict[str, tuple[Intent, IntentState]] = {}
        self.ended: dict[str, datetime] = {}
        self.revisions: set[tuple[str, str, int]] = set()

    def accepts(self, entry: Entry) -> bool:
        match entry:
            case Target():
                return (entry.account, entry.symbol, entry.revision) not in self.revisions
            case Intent(client_order_id=order):
                return order not in self.intents
            case OrderOutcome(client_order_id=order):
                return order in self.intents
        return True

    def take(self, entry: Entry) -> None:
        match entry:
            case Signal(current=True):
                self.signals[entry.source, entry.symbol] = entry
            case Target():
                self.targets[entry.account, entry.symbol] = entry
                self.revisions.add((entry.account, entry.symbol, entry.revision))
            case Goal():
                self.goals[entry.account, entry.symbol] = entry
            case Confirmation():
                self.confirmations[entry.account, entry.symbol] = entry
            case Intent():
                self.intents[entry.client_order_id] = (entry, IntentState.OPEN)
            case OrderOutcome(client_order_id=order):
                self.intents[order] = (self.intents[order][0], entry.state)
                self.ended[order] = entry.at

    def _last_step(self, target: Target) -> int:
        steps = [
            held.step
            for held, _ in self.intents.values()
            if (held.account, held.symbol, held.revision) == (target.account, target.symbol, target.revision)
        ]
        return max(steps, default=0)

    def _last_outcome(self, target: Target) -> datetime | None:
        ended = [
            (held.revision, held.step, number, self.ended[held.client_order_id])
            for number, (held, state) in enumerate(self.intents.values())
            if (held.account, held.symbol) == (target.account, target.symbol)
            and state in (IntentState.FILLED, IntentState.CANCELLED)
            and held.client_order_id in self.ended
        ]
        return max(ended)[-1] if ended else None

    def prune(self) -> None:
        """Drop the end times of orders of earlier revisions."""
        for order, (held, _) in self.intents.items():
            target = self.targets.get((held.account, held.symbol))
            if target is None or held.revision != target.revision:
                self.ended.pop(order, None)

    def snapshot(self) -> JournalSnapshot:
        books = {
            key: SymbolRecord(
                target=held,
                goal=self.goals.get(key),
                confirmation=self.confirmations.get(key),
                last_step=self._last_step(held),
                last_outcome_at=self._last_outcome(held),
            )
            for key, held in self.targets.items()
        }
        opened = tuple(held for held, state in self.intents.values() if state is IntentState.OPEN)
        return JournalSnapshot(
            signals=tuple(self.signals[key] for key in sorted(self.signals)), books=books, open_intents=opened
        )


accounts = st.sampled_from(["paper", "bybit"])
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT"])
revisions = st.integers(1, 4)
orders = st.sampled_from([f"o{n}" for n in range(6)])
depths = st.decimals("-1", "1", places=4, allow_nan=False).map(str)
amounts = st.decimals("-1000", "1000", allow_nan=False, allow_infinity=False)
moments = st.integers(0, 10**9).map(lambda microseconds: NOW + timedelta(microseconds=microseconds))
optional_text = st.none() | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
details = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
    ),
    max_size=3,
)

_values = st.decimals("0.000001", "1000000", allow_nan=False, allow_infinity=False)
_shares = st.none() | st.decimals("0.01", "1", places=2)
levels = st.builds(Exit, value=_values, unit=st.sampled_from(ExitUnit), share=_shares)
trails = st.builds(Exit, value=_values, unit=st.sampled_from([ExitUnit.DISTANCE, ExitUnit.PERCENT]))
exits = st.builds(
    Exits,
    take_profit=st.lists(levels, max_size=3).map(tuple),
    stop_loss=st.none() | levels,
    trailing_stop=st.none() | trails,
)

entries = st.one_of(
    st.builds(
        signal,
        source=st.sampled_from(["tv", "sn8"]),
        symbol=symbols,
        depth=depths,
        current=st.booleans(),
        received_at=moments,
        sequence=optional_text,
        delivery_id=optional_text,
        exits=st.none() | exits,
        detail=details,
    ),
    st.builds(
        target, account=accounts, symbol=symbols, revision=revisions, depth=amounts, price=st.none() | amounts
    ),
    st.builds(goal, account=accounts, symbol=symbols, revision=revisions, quantity=amounts, sized_at=moments),
    st.builds(
        intent, order=orders, account=accounts, symbol=symbols, revision=revisions, step=st.integers(1, 5)
    ),
    st.builds(order_outcome, order=orders, state=st.sampled_from(IntentState)),
    st.builds(
        confirmation, account=accounts, symbol=symbols, revision=revisions, quantity=amounts, at=moments
    ),
    st.builds(event, text=st.just("x"), detail=details),
    st.builds(quarantined, source=st.just("tv"), body=st.just("{}")),
)


def on_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    virtual_clock.run(main)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(entries, max_size=40), reopen_at=st.integers(0, 40), prune=st.booleans())
def test_the_snapshot_after_a_restart_is_what_was_appended(
    history: list[Entry], reopen_at: int, prune: bool
) -> None:
    async def scenario(folder: Path) -> None:
        model = Model()
        journal = open_journal(folder)
        for position, entry in enumerate(history):
            if position == reopen_at:
                journal.close()
                journal = open_journal(folder)
            if model.accepts(entry):
                await journal.append(entry)
                model.take(entry)
            else:
                with pytest.raises(JournalError):
                    await journal.append(entry)
        if prune:
            await journal.prune(timedelta(days=-1))
            model.prune()
        journal.close()
        again = open_journal(folder)
        assert again.snapshot() == model.snapshot()
        again.close()

    with tempfile.TemporaryDirectory() as folder:
        on_virtual_time(scenario(Path(folder)))


@settings(max_examples=25, deadline=None)
@given(history=st.lists(entries, max_size=30))
def test_one_batch_and_single_appends_make_the_same_snapshot(history: list[Entry]) -> None:
    async def scenario(folder: Path) -> None:
        model = Model()
        journal = open_journal(folder)
        outcomes = await asyncio.gather(*(journal.append(entry) for entry in history), return_exceptions=True)
        for entry, outcome in zip(history, outcomes, strict=True):
            assert model.accepts(entry) == (outcome is None)
            if outcome is None:
                model.take(entry)
        assert journal.snapshot() == model.snapshot()
        journal.close()

    with tempfile.TemporaryDirectory() as folder:
        on_virtual_time(scenario(Path(folder)))


async def test_a_signal_that_is_not_current_never_becomes_the_latest(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    late = signal(depth="-1", current=False)
    await journal.append(signal(depth="1"))
    await journal.append(late)
    assert [read.depth for read in journal.snapshot().signals] == [Decimal(1)]
    assert journal.signals(1) == [late]
    journal.close()


async def test_a_book_with_only_a_target_starts_at_step_zero(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target(), intent("o1", "bybit"), intent("o2", symbol="ETHUSDT", step=7))
    assert journal.snapshot().books == {("paper", "BTCUSDT"): SymbolRecord(target=target(), last_step=0)}
    journal.close()


@pytest.mark.parametrize("outcome", list(IntentState))
async def test_a_step_number_is_used_up_whatever_became_of_its_order(
    tmp_path: Path, outcome: IntentState
) -> None:
    """Even that of an order that was never sent: an id that is never created twice cannot be sent twice (I3)."""
    journal = open_journal(tmp_path)
    await journal.append(target(), intent("o1", step=4), order_outcome("o1", outcome))
    journal.close()
    again = open_journal(tmp_path)
    assert again.snapshot().books["paper", "BTCUSDT"].last_step == 4
    again.close()


async def test_deliveries_show_what_was_received_since_a_time(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    second = timedelta(seconds=1)
    await journal.append(
        signal(delivery_id="old", received_at=NOW - second),
        signal(delivery_id="a", received_at=NOW),
        signal("other", delivery_id="a", received_at=NOW + second, current=False),
        signal(delivery_id=None, received_at=NOW + second),
    )
    journal.close()
    again = open_journal(tmp_path)
    assert again.deliveries(NOW) == {("tradingview", "a"): NOW, ("other", "a"): NOW + second}
    again.close()


async def test_what_was_superseded_after_the_active_signal_is_known(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    second = timedelta(seconds=1)
    late = signal(received_at=NOW + second, current=False)
    await journal.append(
        signal(received_at=NOW - second, current=False),
        signal(received_at=NOW),
        late,
        signal("other", received_at=NOW + second, current=False),
        signal("other", received_at=NOW + 2 * second),
    )
    assert journal.superseded(NOW) == [late]
    assert journal.superseded(NOW + 2 * second) == []
    journal.close()


async def test_only_the_last_superseded_of_each_is_read(
    tmp_path: Path,
) -> None:
    """A flood of them does not cost a start minutes or memory (I10)."""
    journal = open_journal(tmp_path)
    keys = [("tradingview", "BTCUSDT"), ("tradingview", "ETHUSDT"), ("other", "BTCUSDT")]
    await journal.append(*(signal(source, symbol=symbol) for source, symbol in keys))
    for count in range(20):
        after = NOW + timedelta(seconds=count + 1)
        await journal.append(*(signal(s, symbol=n, received_at=after, current=False) for s, n in keys))
    last = NOW + timedelta(seconds=20)
    found = journal.superseded(NOW)
    assert [(s.source, s.symbol) for s in found] == keys
    assert {s.received_at for s in found} == {last}
    journal.close()


async def test_the_journal_id_is_made_once(tmp_path: Path) -> None:
    first = open_journal(tmp_path)
    first.close()
    again = open_journal(tmp_path)
    assert again.journal_id == first.journal_id == "journal-1"
    again.close()
