"""A process that starts two accounts at an emulated exchange, and answers alerts until ccxt is imported for them.

Usage: ``python -m tests.exchanges.importing_process FOLDER``. Prints which threads imported it, and how many were
answered.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.api import WebhookRequest
from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.reporting.readiness import readiness
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_emulators.venues import running
from te_emulators.wire.server import WireServer

TOKEN = "import-Qm3vX8tRk1sZ6pWc9yLd4hNf"


class Watch:
    """Notes in which thread the parts of ccxt are imported: whether it is the event loop's."""

    def __init__(self) -> None:
        self.threads: list[tuple[str, bool]] = []

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name in ("ccxt.pro", "ccxt.async_support"):
            self.threads.append((name, threading.current_thread() is threading.main_thread()))


def alert(number: int) -> WebhookRequest:
    body = {"symbol": "BTCUSDT", "direction": "long", "action": "buy", "size": f"{number % 50 + 1}/100"}
    return WebhookRequest(
        method="POST",
        tail=(TOKEN,),
        query={},
        headers={},
        body=json.dumps(body).encode(),
        client="127.0.0.1",
        received_at=datetime.now(UTC),
    )


def settings(server: WireServer) -> Settings:
    server.exchange.open_account("second", key="K2", secret="S")
    keys: dict[str, Any] = {"plugin": "bybit", "url": server.url, "api_key": "K", "secret": "S"}
    keys |= {"streams": False, "observe": False}
    return Settings.model_validate(
        {
            "sources": {"tv": {"plugin": "tradingview", "token": TOKEN, "symbols": {"BTCUSDT": "BTCUSDT"}}},
            "accounts": {"one": keys, "two": {**keys, "api_key": "K2"}},
            "symbols": {"BTCUSDT": {"weights": {"tv": 0.5}}},
        }
    )


async def answered_meanwhile(engine: Engine) -> int:
    """Answer alerts until everything is ready; returns how many were answered before."""
    number = answers = 0
    while "ccxt.pro" not in sys.modules or not readiness(engine)["ready"]:
        number += 1
        answer = await engine.on_webhook("tv", alert(number))
        if answer.status == 200 and not readiness(engine)["ready"]:
            answers += 1
        await asyncio.sleep(0)
    return answers


async def main(folder: Path) -> dict[str, Any]:
    watch, clock, registry = Watch(), SystemClock(), Registry()
    sys.meta_path.insert(0, watch)
    async with running("bybit") as server:
        wanted = settings(server)
        await registry.ensure(wanted.plugins_in_use())
        journal = Journal.open(folder / "j.sqlite3", clock=clock, new_id=lambda: "imports")
        engine = Engine(journal=journal, registry=registry, clock=clock, log=logger, state_dir=folder)
        await engine.start(resolve(wanted, registry))
        answers = await answered_meanwhile(engine)
        await engine.stop()
        journal.close()
    return {"threads": watch.threads, "answers": answers}


if __name__ == "__main__":
    logger.remove()
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
