"""``te bittensor``: the ranking as it is shown, and the explanation if there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from te_core.api import CommandFailed, SourceInstance
from te_signals_bittensor.commands import commands
from te_signals_bittensor.options import BittensorOptions
from tests.bittensor.records import hotkey, worked_example


class Context:
    def __init__(self, *names: str, report: Mapping[str, Any]) -> None:
        self.names = names
        self.answer = report
        self.asked: list[str] = []

    def sources(self) -> Mapping[str, SourceInstance]:
        options = BittensorOptions.model_validate({"url": "https://v.example.org"})
        return {
            name: SourceInstance(name=name, symbols={}, options=options, webhook_url="")
            for name in self.names
        }

    def report(self, source: str) -> Mapping[str, Any]:
        self.asked.append(source)
        return self.answer


async def ranked(make_harness: Any) -> Mapping[str, Any]:
    """Return a source's report of the worked example."""
    d = make_harness(strategy="parity")
    d.upstream.serve(worked_example())
    await d.run(1)
    found: Mapping[str, Any] = json.loads(json.dumps(d.source.report()))
    return found


async def test_the_worked_example_is_shown_with_every_term(make_harness: Any) -> None:
    context = Context("sn8", report=await ranked(make_harness))
    result = CliRunner().invoke(commands(context), ["miners", "--json"])
    found = json.loads(result.stdout)
    assert found["source"] == "sn8"
    assert [entry["miner"] for entry in found["ranking"]] == [hotkey(3), hotkey(1), hotkey(2)]
    assert [round(float(entry["score"]), 4) for entry in found["ranking"]] == [4.0510, 3.9361, 3.4481]
    assert [entry["weight"] for entry in found["ranking"]] == ["0.5", "0.333333", "0.166667"]
    assert [entry["holds"] for entry in found["ranking"]] == [
        {"BTCUSDT": "0.5"},
        {"BTCUSDT": "0.3"},
        {"BTCUSDT": "-0.1"},
    ]
    best = found["ranking"][0]["terms"]
    assert best == {
        "drawdown": "1",
        "sharpe": "1",
        "total_return": "1.051",
        "profitable_rate": "1",
        "trades": "0",
        "consistency": "0",
    }
    assert found["depths"] == {"BTCUSDT": "0.333333333", "ETHUSDT": "0"}


async def test_a_printed_ranking_says_that_it_was_cut_at_the_limit(make_harness: Any) -> None:
    context = Context("sn8", report=await ranked(make_harness))
    shown = CliRunner().invoke(commands(context), ["miners", "--limit", "2"]).stdout
    assert "3 of 3 miners count, by parity" in shown
    assert "BTCUSDT 0.333333333" in shown
    assert hotkey(1) in shown
    assert hotkey(2) not in shown
    assert "and 1 more" in shown


@pytest.mark.parametrize(
    ("names", "words", "reason"),
    [
        ((), [], "no Bittensor source can run"),
        (("a", "b"), [], "several sources"),
        (("a",), ["--source", "b"], "there is no Bittensor source b"),
    ],
)
def test_an_ambiguous_source_is_refused(names: tuple[str, ...], words: list[str], reason: str) -> None:
    result = CliRunner().invoke(commands(Context(*names, report={})), ["miners", *words])
    assert isinstance(result.exception, CommandFailed)
    assert reason in result.exception.reason


def test_one_of_several_sources_is_chosen_by_name() -> None:
    context = Context("a", "b", report={"trouble": "upstream is silent: HTTP 503"})
    shown = CliRunner().invoke(commands(context), ["miners", "--source", "b"]).stdout
    assert context.asked == ["b"]
    assert "silent: HTTP 503" in shown
    assert "no payload has been used yet" in shown
