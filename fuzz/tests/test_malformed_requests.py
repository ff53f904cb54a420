"""A tenth of ``make fuzz``: malformed requests against the real engine, in a process of its own."""

from itertools import repeat
from pathlib import Path

import pytest

from fuzz.campaign import PARTS, REQUESTS, RESYNC, Findings, bombard, fuzz, report, traces, trade
from fuzz.odd_requests import GOOD, Case, OddRequests, request
from harness.engine_process import EngineProcess

pytestmark = pytest.mark.real_clock

BREAKS_HTTP = {"broken headers", "broken chunks", "broken protocol"}


def test_malformed_requests_change_no_state_and_cost_no_memory(tmp_path: Path) -> None:
    found = fuzz(tmp_path, REQUESTS // 20)
    assert not found.problems, "\n".join(report(found))
    assert {status // 100 for kind, status in found.statuses if kind not in BREAKS_HTTP} == {4}


def test_the_campaign_notices_an_accepted_request(tmp_path: Path) -> None:
    found = Findings(requests=PARTS)
    with EngineProcess(tmp_path, resync=RESYNC) as engine:
        trade(engine, "20/100", found)
        assert not found.problems
        bombard(engine, repeat(Case("good", request(engine.path, GOOD))), found)
    problems = "\n".join(found.problems)
    assert "good: [200]" in problems
    assert "changed.state.sources.tradingview.signals.BTCUSDT.depth: from 0.2 to 0.77" in problems
    assert "changed.rows.signals" in problems


def test_the_campaign_notices_what_must_not_be_printed() -> None:
    assert list(traces("2026-01-01T00:00:00Z INFO    all is well", "secret")) == []
    for line in ("Traceback (most recent call last):", "… ERROR   a request failed", "?token=secret"):
        assert list(traces(line, "secret"))


def test_a_number_generates_the_same_requests_again() -> None:
    once, again = iter(OddRequests("a" * 43, 7)), iter(OddRequests("a" * 43, 7))
    assert [next(once) for _ in range(500)] == [next(again) for _ in range(500)]
