"""A network failure while orders are due is one notice per account, and one at its end."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from te_core.api import Event, Notifier, NotifierSpec
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import running
from tests.exchanges.trading import NoOptions, account, keys, outages, quick, spec_of, trading

pytestmark = pytest.mark.real_clock

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")


class Phone(Notifier):
    """Records the notices that it receives."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    async def notify(self, event: Event) -> None:
        self.told.append(event)

    def of(self, kind: str) -> Counter[str | None]:
        return Counter(event.account for event in self.told if event.kind == kind)


async def test_a_network_failure_is_reported_once_per_account(tmp_path: Path) -> None:
    phone = Phone()
    notifier: Any = NotifierSpec(name="bell", settings=NoOptions, factory=lambda _: phone)
    async with running("bybit") as server:
        server.exchange.open_account("second", key="K2", secret="S2")
        main = account("bybit", server, streams=False)
        settings = {
            "accounts": {"main": main, "second": {**main, **keys(server, "second")}},
            "symbols": {symbol: {"weights": {"said": "0.3"}} for symbol in SYMBOLS},
            "notifiers": {"phone": {"plugin": "bell", "gather": 0, "per_hour": 0, "kinds": ["*"]}},
        }
        async with trading(tmp_path, settings, quick(spec_of("bybit")), notifier) as harness:
            await harness.say(dict.fromkeys(SYMBOLS, "0.5"))
            for kind in ("filled", "position_changed"):
                await harness.until(
                    lambda kind=kind: phone.of(kind) == {"main": 3, "second": 3}, f"{kind} to be reported"
                )
            assert not phone.of("outage")
            phone.told.clear()
            server.faults.add(
                Fault(kind=FaultKind.REJECTED, error="InsufficientMargin", route="order", times=None)
            )
            await harness.say(dict.fromkeys(SYMBOLS, "-0.5"))
            await harness.until(lambda: len(phone.of("outage")) == 2, "both outages to be reported")
            await server.refuse()
            whole = {"main ", "second "}
            await harness.until(lambda: whole <= outages(harness.events()).keys(), "reads to fail, too")
            server.faults.clear()
            await server.listen()
            await harness.until_confirmed(40)
            await harness.until(lambda: len(phone.of("recovery")) == 2, "the end to be reported")
            assert phone.of("outage") == phone.of("recovery") == {"main": 1, "second": 1}
            assert len(outages(harness.events())) == 8, (
                "the journal has each account, and each of its symbols"
            )
