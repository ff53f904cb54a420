"""A breaker trips in the real program, which is killed at that moment; the next one holds what it held."""

from __future__ import annotations

import copy
from decimal import Decimal
from pathlib import Path

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import PLAIN, Home


def test_a_breaker_survives_a_kill_and_is_lifted_with_a_reason(tmp_path: Path) -> None:
    tree = copy.deepcopy(PLAIN)
    tree["engine"]["resync"] = "500ms"
    tree["accounts"]["paper"]["breakers"] = {"drawdown": {"percent": 5, "action": "flatten"}}
    home = Home(tmp_path, tree)
    alert = {"symbol": "BTCUSDT.P", "direction": "long", "action": "buy", "size": "50/100"}
    with EngineProcess(home) as engine:
        engine.until_ready().wait(lambda: engine.state()["accounts"]["paper"]["last_seen"])
        engine.accept(**alert, price="50000")
        engine.until_position("BTCUSDT", "0.09")
        engine.accept(**alert, price="44000")
        engine.wait(lambda: "breaker" in home.events())
        engine.kill()
    stopped = te(home, "status")
    assert "! breaker drawdown 5.4% of 5% (paper): flattened" in stopped.stdout
    with EngineProcess(home) as engine:
        engine.until_ready()
        engine.until_position("BTCUSDT", "0")
        engine.accept(**alert, price="45000")
        assert engine.state()["breakers"][0]["tripped_at"]
        refused = te(home, "resume", "paper", "--yes")
        assert refused.returncode == 1
        assert "lifting it needs a reason" in refused.stderr
        assert engine.position("BTCUSDT") == 0
        lifted = te(home, "resume", "paper", "--yes", "--reason", "looked into it")
        assert lifted.returncode == 0, lifted.stderr
        assert "re-arms: breaker drawdown" in lifted.stdout
        engine.wait(lambda: engine.position("BTCUSDT") > Decimal("0.08"))
        assert not [row for row in engine.state()["breakers"] if row["tripped_at"]]
