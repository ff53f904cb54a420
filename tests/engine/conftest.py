from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.engine_harness import Trader
from tests.engine.worker_harness import WorkerHarness


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def account(clock: VirtualClock) -> FakeAccount:
    return FakeAccount(clock, equity="10000", BTCUSDT="50000", ETHUSDT="2500", SOLUSDT="100")


@pytest.fixture
def trader(clock: VirtualClock) -> Trader:
    return Trader(clock)


@pytest.fixture
def open_harness(
    tmp_path: Path, account: FakeAccount, clock: VirtualClock
) -> Iterator[Callable[..., WorkerHarness]]:
    made: list[WorkerHarness] = []

    def make(**settings: Any) -> WorkerHarness:
        made.append(WorkerHarness(tmp_path, settings.pop("account", account), clock, **settings))
        return made[-1]

    yield make
    for harness in made:
        harness.journal.close()
