"""Active commands are in the journal: the newest of each kind, scope and symbol, in the order of the commands."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from te_core.journal.entries import reduces
from te_core.journal.journal import Journal
from te_core.model.control import Control, ControlState, Topic
from tests.journal.journal_samples import NOW, open_journal

HALT = Control(
    topic=Topic.HALT, scope="one", symbol="", state=ControlState.HALTED, at=NOW, by="alice", reason="news"
)
BY_HAND = Control(
    topic=Topic.TARGET,
    scope="one",
    symbol="BTCUSDT",
    state=ControlState.SET,
    at=NOW,
    by="alice",
    depth=Decimal("-0.25"),
    until=NOW + timedelta(hours=1),
)
PAUSE = Control(
    topic=Topic.PAUSE,
    scope="tv",
    symbol="",
    state=ControlState.HOLD,
    at=NOW,
    by="alice",
    held={"BTCUSDT": {"depth": "0.5"}},
)


async def test_commands_survive_a_restart_and_the_newest_comes_last(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    await journal.append(HALT, BY_HAND, PAUSE)
    journal.close()
    journal = open_journal(tmp_path)
    lifted = replace(
        HALT, state=ControlState.OVER, at=NOW - timedelta(hours=3)
    )  # the wall clock was set back
    await journal.append(lifted)
    assert journal.snapshot().controls == (BY_HAND, PAUSE, lifted)
    journal.close()
    reader = Journal.open_readonly(tmp_path / "journal.sqlite3")
    assert reader.snapshot().controls == (BY_HAND, PAUSE, lifted)
    reader.close()


def test_a_full_disk_keeps_what_tightens_and_not_what_loosens() -> None:
    assert reduces(HALT)
    assert reduces(replace(HALT, state=ControlState.FOREIGN))
    assert not reduces(replace(HALT, state=ControlState.OVER))
    assert not reduces(replace(HALT, state=ControlState.NEXT_SIGNAL))
    assert not reduces(BY_HAND)
