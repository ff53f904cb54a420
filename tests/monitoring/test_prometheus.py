"""A real Prometheus scrapes a real engine and evaluates the rules of docs/monitoring."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import EngineProcess, eventually, te
from tests.end_to_end.home import Home
from tests.monitoring.metrics_page import PAGE

pytestmark = [
    pytest.mark.real_clock,
    pytest.mark.skipif(
        shutil.which("prometheus") is None or shutil.which("promtool") is None,
        reason="Prometheus is not installed (apt-get install prometheus)",
    ),
]
MONITORING = PAGE.parent / "monitoring"


def test_promtool_accepts_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", str(MONITORING / "alerts.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


TRIPPED = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'te_breaker_used{{breaker="drawdown"}}'
        values: "0.9x5"
      - series: 'te_breaker_tripped{{breaker="drawdown", action="halt"}}'
        values: "0x2 1x5"
      - series: 'te_breaker_tripped{{account="one", breaker="slippage", action="warn"}}'
        values: "1x5"
      - series: 'te_request_budget_left{{account="one", limit="orders"}}'
        values: "0.05x9"
    alert_rule_test:
      - eval_time: 2m
        alertname: BreakerNear
        exp_alerts:
          - exp_labels: {{breaker: drawdown, severity: warn}}
            exp_annotations: {{summary: "Breaker drawdown of all accounts is at 90% of its limit"}}
      - eval_time: 4m
        alertname: BreakerNear
        exp_alerts: []
      - eval_time: 4m
        alertname: BreakerTripped
        exp_alerts:
          - exp_labels: {{breaker: drawdown, action: halt, severity: page}}
            exp_annotations:
              summary: "Breaker drawdown of all accounts tripped; te resume with a reason lifts it"
      - eval_time: 4m
        alertname: RequestBudgetLow
        exp_alerts: []
      - eval_time: 6m
        alertname: RequestBudgetLow
        exp_alerts:
          - exp_labels: {{account: one, limit: orders, severity: warn}}
            exp_annotations:
              summary: "one has used up its requests of orders for five minutes: reads wait for orders"
"""


def test_rules_about_breakers_and_budgets_fire_when_they_should(tmp_path: Path) -> None:
    """A warning pages nobody, a tripped breaker is not "near", and one over all accounts is labelled so."""
    played = tmp_path / "played.yml"
    played.write_text(TRIPPED.format(rules=MONITORING / "alerts.yml"))
    tested = subprocess.run(
        ["promtool", "test", "rules", str(played)], capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


class Prometheus:
    """A Prometheus that scrapes one engine four times a second."""

    def __init__(self, folder: Path, engine: EngineProcess) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        folder.mkdir()
        token = folder / "token"
        token.write_text(engine.private_token())
        config = (MONITORING / "prometheus.yml").read_text()
        target = urlsplit(engine.announcement()["private"]).netloc
        config = config.replace("127.0.0.1:8788", target).replace("interval: 15s", "interval: 250ms")
        config = config.replace("/etc/prometheus/trade-engine.token", str(token))
        (folder / "prometheus.yml").write_text("global: {evaluation_interval: 250ms}\n" + config)
        shutil.copy(MONITORING / "alerts.yml", folder)
        self.said = folder / "said.txt"
        with self.said.open("wb") as said:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=said,
                stderr=said,
            )

    def get(self, path: str, **query: str) -> Any:
        """Query its API; return nothing as long as it does not respond."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def value(self, query: str) -> float | None:
        """Evaluate a query with one value."""
        found = (self.get("query", query=query) or {}).get("result")
        return float(found[0]["value"][1]) if found else None


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess(Home(tmp_path / "home")) as running:
        yield running.until_ready()


@pytest.fixture
def prometheus(tmp_path: Path, engine: EngineProcess) -> Iterator[Prometheus]:
    running = Prometheus(tmp_path / "prometheus", engine)
    yield running
    running.process.kill()
    running.process.wait()


def test_a_real_prometheus_scrapes_and_evaluates(engine: EngineProcess, prometheus: Prometheus) -> None:
    def told() -> str:
        return prometheus.said.read_text()

    def target() -> Any:
        targets = (prometheus.get("targets") or {}).get("activeTargets") or []
        return [one for one in targets if one["health"] == "up"]

    assert eventually(target, told=told)[0]["lastError"] == ""
    assert eventually(lambda: prometheus.value("te_ready") == 1, told=told)
    halted = te(engine.home, "halt")
    assert halted.returncode == 0, halted.stderr
    engine.accept(symbol="BTCUSDT.P", direction="long", size="50/100", price="50000")
    eventually(lambda: prometheus.value("max(te_halted)") == 1, told=told)
    eventually(lambda: prometheus.value('te_alerts_total{outcome="accepted"}') == 1, told=told)

    def rules() -> Any:
        groups = (prometheus.get("rules") or {}).get("groups") or []
        found = {rule["name"]: rule for group in groups for rule in group["rules"]}
        return found if found.get("Halted", {}).get("state") == "pending" else None

    found = eventually(rules, told=told)
    assert {name: rule["health"] for name, rule in found.items() if rule["health"] != "ok"} == {}
    assert found["EngineNotReady"]["state"] == "inactive"
