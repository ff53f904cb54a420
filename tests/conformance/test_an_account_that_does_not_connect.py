"""An account that cannot connect fails the suite at once: one case waits for it, no other does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError, ExchangeAccount
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock


class Refused(FakeAccount):
    async def open(self) -> None:
        raise AuthError("the key is refused")


class Silent(FakeAccount):
    async def open(self) -> None:
        await asyncio.Event().wait()


class Exchange:
    """The part of a venue that is used before an account is connected."""

    dates: Any = None

    def __init__(self, kind: type[FakeAccount]) -> None:
        self.clock, self.kind, self.symbols = VirtualClock(), kind, ("BTCUSDT", "ETHUSDT")

    def connect(self) -> ExchangeAccount:
        return self.kind(self.clock)


def suite(kind: type[FakeAccount]) -> Any:
    class Suite(ExchangeConformance):
        def make_exchange(self, folder: Path) -> Any:
            del folder
            return Exchange(kind)

    return Suite()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(Refused, "the key is refused"), (Silent, r"open\(\) and identity\(\) did not return within 20 s")],
)
async def test_one_case_waits_and_the_others_do_not(
    kind: type[FakeAccount], reason: str, tmp_path: Path
) -> None:
    tried = suite(kind)
    loop = asyncio.get_running_loop()
    with pytest.raises(AssertionError, match=f"the account does not connect: {reason}"):
        await tried.test_e01_flat_to_long(tried.make_harness(tmp_path))
    assert loop.time() < 40
    next_case = type(tried)()
    with pytest.raises(pytest.fail.Exception, match=f"not run.*{reason}"):
        next_case.make_harness(tmp_path)
    suite(kind).make_harness(tmp_path)  # another suite tries again
