"""The journal fails for a moment, then works again: what must survive a restart is in it before an order is sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from te_core.api import NotReady
from te_core.errors import JournalError
from te_core.journal.committer import Outcome, Work
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, scripted
from tests.engine.worker_harness import Open, WorkerHarness

D = Decimal


class FullDisk:
    """Stores nothing while it is ``full``."""

    def __init__(self, harness: WorkerHarness) -> None:
        self.full = False
        self._commit = harness.journal._writer._commit
        harness.journal._writer._commit = self.commit

    def commit(self, batch: Sequence[Work]) -> list[Outcome]:
        if self.full:
            return [(work.done, JournalError("disk full")) for work in batch]
        return self._commit(batch)


@pytest.mark.parametrize("then", ["0", "0.5", "-0.3"])
async def test_an_unpersisted_target_is_journaled_before_its_order(
    open_harness: Open, account: FakeAccount, then: str
) -> None:
    harness = open_harness()
    await harness.go(1)
    disk = FullDisk(harness)
    disk.full = True
    await harness.want("BTCUSDT", "0.5", wait=1)
    assert account.requests == []
    disk.full = False
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    await harness.restart()
    await harness.want("BTCUSDT", then, wait=60)
    assert account.quantity("BTCUSDT") == D(then) / 5


@pytest.mark.parametrize("moment", range(10))
async def test_whatever_is_not_kept_for_a_moment_a_restart_goes_on(
    open_harness: Open, account: FakeAccount, moment: int
) -> None:
    """One commit fails, each in its turn: of a target, a goal, an intent, an outcome, a confirmation."""
    faulty = FaultyAccount(account, scripted({"place_order": [Fault(refused=NotReady("busy"))]}))
    harness = open_harness(account=faulty)
    disk = FullDisk(harness)
    commits = 0
    keep = disk.commit

    def fail_once(batch: Sequence[Work]) -> list[Outcome]:
        nonlocal commits
        disk.full = commits == moment
        commits += 1
        return keep(batch)

    harness.journal._writer._commit = fail_once
    for depth in ("0.5", "-0.5", "0.25"):
        await harness.want("BTCUSDT", depth, wait=40)
        assert account.quantity("BTCUSDT") == D(depth) / 5
    assert commits > moment
    assert harness.worker.last_error() == ""
    await harness.restart()
    sent = len(account.requests)
    await harness.want("BTCUSDT", "0.25", wait=60)
    assert len(account.requests) == sent
    await harness.want("BTCUSDT", "0", wait=60)
    assert account.quantity("BTCUSDT") == 0
