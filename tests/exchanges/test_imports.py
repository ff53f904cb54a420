"""ccxt is imported for accounts that need it, once, aside, while alerts are answered; nobody else pays for it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_clock


def python(code: str, folder: Path) -> str:
    """Run code in a process of its own; gives what it printed last."""
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout.strip().splitlines()[-1]


def test_the_core_the_paper_exchange_and_tradingview_load_no_ccxt(tmp_path: Path) -> None:
    code = """
        import asyncio, json, sys
        from te_core.cli.main import app
        from te_core.runtime.engine import Engine
        from te_core.plugins.registry import Registry
        registry = Registry()
        asyncio.run(registry.ensure(["paper", "tradingview"]))
        assert {"paper"} <= set(registry.exchanges) and {"tradingview"} <= set(registry.sources)
        print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] == "ccxt")))
    """
    assert json.loads(python(code, tmp_path)) == []


def test_a_plugin_that_is_only_loaded_imports_no_ccxt(tmp_path: Path) -> None:
    code = """
        import asyncio, json, sys
        from te_core.plugins.registry import Registry
        registry = Registry()
        asyncio.run(registry.ensure(["bybit", "blofin", "kucoin", "mexc", "ccxt"]))
        assert len(registry.exchanges) == 5, registry.reports
        print(json.dumps(sorted(name for name in sys.modules if name.partition(".")[0] == "ccxt")))
    """
    assert json.loads(python(code, tmp_path)) == []


def test_alerts_are_answered_while_ccxt_is_imported_once_in_a_thread(tmp_path: Path) -> None:
    code = """
        import asyncio, json, sys, threading
        from pathlib import Path
        from datetime import datetime, timezone
        from loguru import logger
        from te_core.api import WebhookRequest
        from te_core.clock import SystemClock
        from te_core.runtime.engine import Engine
        from te_core.journal.journal import Journal
        from te_core.plugins.registry import Registry
        from te_core.reporting.queries import Queries
        from te_core.settings.resolution import resolve
        from te_core.settings.schema import Settings
        from te_emulators.venues import running

        logger.remove()
        seen = {"threads": [], "answers": 0}

        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name in ("ccxt.pro", "ccxt.async_support"):
                    seen["threads"].append((name, threading.current_thread() is threading.main_thread()))

        TOKEN = "import-Qm3vX8tRk1sZ6pWc9yLd4hNf"

        def alert(number):
            body = {"symbol": "BTCUSDT", "direction": "long", "action": "buy", "size": f"{number % 50 + 1}/100"}
            return WebhookRequest(
                method="POST", tail=(TOKEN,), query={}, headers={}, body=json.dumps(body).encode(),
                client="127.0.0.1", received_at=datetime.now(timezone.utc),
            )

        async def main():
            sys.meta_path.insert(0, Watch())
            clock = SystemClock()
            folder = Path(sys.argv[1])
            async with running("bybit") as server:
                server.exchange.open_account("second", key="K2", secret="S")
                keys = {"plugin": "bybit", "url": server.url, "api_key": "K", "secret": "S", "streams": False}
                keys["observe"] = False
                settings = Settings.model_validate({
                    "sources": {"tv": {"plugin": "tradingview", "token": TOKEN, "symbols": {"BTCUSDT": "BTCUSDT"}}},
                    "accounts": {"one": keys, "two": {**keys, "api_key": "K2"}},
                    "symbols": {"BTCUSDT": {"weights": {"tv": 0.5}}},
                })
                registry = Registry()
                await registry.ensure(settings.plugins_in_use())
                journal = Journal.open(folder / "j.sqlite3", clock=clock, new_id=lambda: "imports")
                engine = Engine(journal=journal, registry=registry, clock=clock, log=logger, state_dir=folder)
                await engine.start(resolve(settings, registry))
                number = 0
                while "ccxt.pro" not in sys.modules or not Queries(engine).readiness()["ready"]:
                    number += 1
                    answer = await engine.on_webhook("tv", alert(number))
                    if answer.status == 200 and not Queries(engine).readiness()["ready"]:
                        seen["answers"] += 1
                    await asyncio.sleep(0)
                await engine.stop()
                journal.close()

        asyncio.run(main())
        print(json.dumps(seen))
    """
    seen = json.loads(python(code, tmp_path))
    assert sorted(name for name, _ in seen["threads"]) == ["ccxt.async_support", "ccxt.pro"], "once each"
    assert not any(in_main for _, in_main in seen["threads"]), "not in the thread of the event loop"
    assert seen["answers"] > 3, "alerts are answered meanwhile"
