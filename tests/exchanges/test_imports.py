"""ccxt is imported for accounts that need it, once, in a thread, while alerts are answered; others do not pay for
it."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.real_clock

ROOT = Path(__file__).parents[2]


def python(code: str, folder: Path) -> str:
    """Run code in a process of its own; return the last line that it printed."""
    return process(["-c", textwrap.dedent(code), str(folder)])


def process(arguments: list[str]) -> str:
    """Run Python in a process of its own; gives what it printed last."""
    found = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return found.stdout.strip().splitlines()[-1]


def test_the_core_paper_and_tradingview_load_no_ccxt(tmp_path: Path) -> None:
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


def test_alerts_are_answered_while_a_thread_imports_ccxt_once(tmp_path: Path) -> None:
    seen = json.loads(process(["-m", "tests.exchanges.importing_process", str(tmp_path)]))
    assert sorted(name for name, _ in seen["threads"]) == ["ccxt.async_support", "ccxt.pro"], "once each"
    assert not any(in_main for _, in_main in seen["threads"]), "not in the thread of the event loop"
    assert seen["answers"] > 3, "alerts are answered meanwhile"
