"""What is appended comes back as it was: digits, times, text and detail, without secrets."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.errors import EntryRefused, JournalError
from te_core.model.order import IntentState
from tests.journal.journal_samples import (
    NOW,
    confirmation,
    event,
    full_signal,
    goal,
    intent,
    open_journal,
    order_outcome,
    quarantined,
    signal,
    target,
)


async def test_every_kind_of_entry_comes_back_as_it_was(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    entries = (
        full_signal(),
        quarantined(),
        target(),
        goal(),
        intent(),
        confirmation(),
        event(detail={"a": [1]}),
    )
    await journal.append(*entries)
    journal.close()

    again = open_journal(tmp_path)
    assert again.signals(9) == [full_signal()]
    assert again.quarantine(9) == [quarantined()]
    assert again.targets(9, account="paper", symbol="BTCUSDT") == [target()]
    assert again.goals(9, account="paper", symbol="BTCUSDT") == [goal()]
    assert [record.intent for record in again.intents(9)] == [intent()]
    assert again.events(9) == [event(detail={"a": [1]})]
    book = again.snapshot().books["paper", "BTCUSDT"]
    assert (book.target, book.goal, book.confirmation) == (target(), goal(), confirmation())
    again.close()


async def test_decimals_keep_every_digit_and_times_every_microsecond(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(signal(depth="0.10", price=Decimal("0.00000000000000000000012345678901234567890")))
    (read,) = journal.signals(1)
    assert str(read.depth) == "0.10"
    assert str(read.price) == "1.2345678901234567890E-22"
    assert read.time == NOW
    assert read.time.microsecond == 123456
    journal.close()


async def test_invalid_or_unwritable_entries_are_refused_without_harm(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for bad in (
        "text",
        replace(event(), at=NOW.replace(tzinfo=None)),
        intent("o", step=2**70),
        event(detail={"x": deep}),
    ):
        with pytest.raises(JournalError, match=r"journal .*journal\.sqlite3"):
            await journal.append(bad)  # type: ignore[arg-type]  # on purpose
    await journal.append(event("fine"))
    assert [read.text for read in journal.events(9)] == ["fine"]
    journal.close()


async def test_text_that_no_database_stores_is_made_storable(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    odd = "a\0b\ud800c é"
    await journal.append(quarantined(body=odd), signal(sequence=odd, detail={odd: odd}))
    assert journal.quarantine(1)[0].body == "a\N{REPLACEMENT CHARACTER}b?c é"
    assert journal.signals(1)[0].detail == {odd: odd}
    journal.close()


@pytest.mark.parametrize("state", list(IntentState))
async def test_an_intent_is_recorded_once_whatever_became_of_it(tmp_path: Path, state: IntentState) -> None:
    journal = open_journal(tmp_path)
    await journal.append(intent("o1"))
    await journal.append(order_outcome("o1", state))
    with pytest.raises(EntryRefused, match="o1: an intent with this client order id is already recorded"):
        await journal.append(intent("o1", quantity=Decimal("0.02")))
    (record,) = journal.intents(9)
    assert (record.intent, record.state) == (intent("o1"), state)
    journal.close()


async def test_quarantine_is_bounded_per_source(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quarantine_limit=3)
    for number in range(7):
        await journal.append(quarantined("noisy", str(number)), quarantined("noisy", f"{number}b"))
    await journal.append(quarantined("quiet", "kept"))
    assert [read.body for read in journal.quarantine(9, source="noisy")] == ["6b", "6", "5b"]
    assert [read.body for read in journal.quarantine(9, source="quiet")] == ["kept"]
    journal.close()

    none = open_journal(tmp_path, quarantine_limit=0)
    await none.append(quarantined("noisy"))
    assert none.quarantine(9, source="noisy") == []
    none.close()


async def test_no_secret_is_written(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, redact=lambda text: text.replace('s3"cret', "***"))
    secret = 'my s3"cret!'
    await journal.append(
        signal(detail={"token": secret, "list": [{"deep": secret}], secret: 1}),
        quarantined(body=secret, field=secret, reason=secret),
        event(secret, detail={"url": secret}),
        intent("o1"),
        order_outcome("o1", IntentState.REJECTED, reason=secret),
    )
    assert journal.signals(1)[0].detail == {"token": "my ***!", "list": [{"deep": "my ***!"}], "my ***!": 1}
    assert journal.events(1)[0].text == "my ***!"
    journal.close()
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"my ***!" in written
    assert b'3"cret' not in written
    assert json.dumps('3"cret').encode()[1:-1] not in written


async def test_detail_that_is_not_json_is_stored_as_text(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(event(detail={"price": Decimal("1.50"), "at": NOW, "pair": (1, 2)}))
    assert journal.events(1)[0].detail == {"price": "1.50", "at": str(NOW), "pair": [1, 2]}
    journal.close()
