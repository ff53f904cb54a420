"""An account is identified by its exchange: its targets and goals follow it, not its name in the settings (I20)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.errors import JournalError
from te_core.journal.identities import book_of
from te_core.journal.journal import Journal
from te_core.journal.snapshot import AccountRecord
from tests.journal.journal_samples import NOW, StoppedClock, open_journal, target


async def met(journal: Journal, name: str, uid: str, *, plugin: str = "bybit", host: str = "api") -> str:
    return await journal.identify(name=name, plugin=plugin, host=host, uid=uid)


async def test_the_first_account_of_a_name_inherits_its_entries(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    await journal.append(target("main"))
    assert await met(journal, "main", "7") == "main"
    assert await met(journal, "main", "7") == "main"
    journal.close()


async def test_an_account_keeps_its_book_under_another_name(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    assert await met(journal, "main", "7") == "main"
    journal.close()
    journal = open_journal(tmp_path)
    assert await met(journal, "renamed", "7") == "main"
    assert await met(journal, "main", "8") != "main", "another account that has the name now"
    journal.close()


async def test_other_credentials_under_an_old_name_are_another_account(tmp_path: Path) -> None:
    """Otherwise the operator's own positions there would count as the engine's."""
    journal = open_journal(tmp_path)
    await met(journal, "main", "7")
    other = await met(journal, "main", "8")
    assert other.startswith("main~")
    assert len(other) == len("main~") + 8
    journal.close()
    journal = open_journal(tmp_path)
    assert await met(journal, "main", "8") == other, "the same book after a restart"
    assert await met(journal, "main", "7") == "main", "and the first one is still there"
    journal.close()


@pytest.mark.parametrize("other", [{"plugin": "kucoin"}, {"host": "demo"}, {"uid": "8"}])
async def test_plugin_host_and_uid_all_belong_to_an_identity(tmp_path: Path, other: dict[str, str]) -> None:
    journal = open_journal(tmp_path)
    identity: dict[str, Any] = {"plugin": "bybit", "host": "api", "uid": "7"}
    assert await journal.identify(name="main", **identity) == "main"
    assert await journal.identify(name="main", **{**identity, **other}) != "main"
    journal.close()


async def test_accounts_that_connect_at_once_get_books_of_their_own(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    books = await asyncio.gather(*(met(journal, "main", str(uid)) for uid in range(5)))
    assert len(set(books)) == 5
    assert [record.book for record in journal.accounts()] == sorted(books)
    journal.close()


async def test_an_identity_and_when_it_was_seen_are_durable(tmp_path: Path) -> None:
    clock = StoppedClock()
    journal = open_journal(tmp_path, clock=clock)
    await met(journal, "main", "7")
    reader = Journal.open_readonly(journal.path)
    record = AccountRecord(book="main", name="main", plugin="bybit", host="api", uid="7", seen_at=NOW)
    assert reader.snapshot().accounts == (record,)
    reader.close()
    clock.now = lambda: NOW + timedelta(days=1)  # type: ignore[method-assign]  # a day later
    await met(journal, "renamed", "7")
    journal.close()
    journal = open_journal(tmp_path)
    (record,) = journal.accounts()
    assert (record.book, record.name, record.seen_at) == ("main", "renamed", NOW + timedelta(days=1))
    journal.close()


async def test_an_account_that_cannot_be_recorded_is_not_identified(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    connection = journal._committer.connection
    connection.exec_driver_sql(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON accounts BEGIN SELECT RAISE(ABORT, 'x'); END"
    )
    connection.commit()
    with pytest.raises(JournalError):
        await met(journal, "main", "7")
    assert journal.accounts() == []
    journal.close()


identities = st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("12"))


@given(st.lists(st.tuples(st.sampled_from(["main", "other", "main~0"]), identities), max_size=20))
def test_two_identities_never_share_or_change_a_book(
    meetings: list[tuple[str, tuple[str, str, str]]],
) -> None:
    books: dict[tuple[str, str, str], str] = {}
    known: dict[str, AccountRecord] = {}
    for name, (plugin, host, uid) in meetings:
        book = book_of(tuple(known.values()), name=name, plugin=plugin, host=host, uid=uid)
        assert books.setdefault((plugin, host, uid), book) == book
        known[book] = AccountRecord(book=book, name=name, plugin=plugin, host=host, uid=uid, seen_at=NOW)
    assert len(set(books.values())) == len(books)
