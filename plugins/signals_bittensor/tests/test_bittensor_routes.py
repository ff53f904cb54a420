"""What upstream states besides positions: fetched, waited for, and never dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from te_core.clock import SystemClock
from te_core.testing.fakes import SourceRecorder
from te_core.testing.virtual_clock import VirtualClock
from te_emulators.bittensor import tiers
from te_emulators.bittensor.network import MadeNetwork, TieredNetwork
from te_emulators.bittensor.server import BittensorServer, serving
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.routes import RouteFailed, Routes
from te_signals_bittensor.source import BittensorSource

NOW_MS = int(SystemClock().now().timestamp() * 1000)
MAPPED = {"BTCUSDC": "BTCUSDT", "ETHUSDC": "ETHUSDT", "ADAUSDC": "ADAUSDT"}
LOOSE = {"min_trades": 1, "min_profitable_rate": 0, "max_drawdown_threshold": -1, "min_total_return": -1}


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def chosen(url: str = "http://127.0.0.1:1", **options: Any) -> BittensorOptions:
    return BittensorOptions.model_validate(
        {"url": f"{url}/miner-positions", "api_key": "K", "scoring": LOOSE, **options}
    )


class Scripted(Routes):
    """Responds from memory: a value is the body, a text the reason of a failure, or of a refusal if it ends in "!"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(chosen(**options), self._http_of_none, VirtualClock(), inline)
        self.requested: list[str] = []
        made = MadeNetwork(miners=3, seed=1, now_ms=NOW_MS)
        self.script: dict[str, Any] = {
            "trade-pairs": made.trade_pairs(),
            "collateral/": made.collateral(),
            "eliminations": {"eliminations": []},
        }

    def _http_of_none(self) -> Any:
        raise AssertionError("nothing is requested over HTTP")

    async def _get(self, path: str, request: Mapping[str, Any]) -> bytes:
        del request
        self.requested.append(path)
        answer = self.script.get(path, "HTTP 404!")
        if isinstance(answer, str):
            raise RouteFailed(f"/{path}: {answer}", refused=answer.endswith("!"))
        return json.dumps(answer).encode()

    async def pass_time(self, seconds: float, idle: list[str] | None = None) -> None:
        """Refresh every 15 s, as a source does."""
        for _ in range(int(seconds // 15)):
            await self.refresh(idle or [])
            await asyncio.sleep(15)


async def test_no_route_is_requested_before_it_is_due() -> None:
    routes = Scripted()
    assert await routes.refresh([])
    assert not await routes.refresh([])
    assert sorted(routes.requested) == ["collateral/", "eliminations", "trade-pairs"]
    assert routes.awaited(MAPPED) == ""
    await routes.pass_time(3600)
    assert len(routes.requested) == pytest.approx(3 * 7, abs=3)
    assert routes.status() == {}


async def test_signals_wait_until_limits_are_known() -> None:
    routes = Scripted()
    routes.script["trade-pairs"] = "HTTP 503"
    await routes.pass_time(7200)
    assert "/trade-pairs: HTTP 503" in routes.awaited(MAPPED)
    assert "max_leverage" in routes.awaited(MAPPED)
    routes.script["trade-pairs"] = MadeNetwork(miners=1, seed=1, now_ms=NOW_MS).trade_pairs()
    await routes.pass_time(900)
    assert routes.awaited(MAPPED) == ""
    table = routes.limits.table
    routes.script["trade-pairs"] = "HTTP 503"
    await routes.pass_time(3600)
    assert routes.awaited(MAPPED) == "", "what is known stays known"
    assert routes.limits.table is table
    assert routes.status() == {"not_served": "/trade-pairs: HTTP 503"}


async def test_the_operators_limits_need_no_upstream() -> None:
    routes = Scripted(max_leverage=dict.fromkeys(MAPPED, 2.5))
    routes.script["trade-pairs"] = "HTTP 503"
    await routes.refresh([])
    assert routes.awaited(MAPPED) == ""


@pytest.mark.parametrize("answer", ["HTTP 404!", {"error": "another shape"}])
async def test_a_server_without_the_route_is_accepted(answer: Any) -> None:
    routes = Scripted()
    routes.script["trade-pairs"] = answer
    await routes.refresh([])
    assert routes.awaited(MAPPED) == ""
    assert "/trade-pairs" in routes.status()["not_served"]


@pytest.mark.parametrize("path", ["collateral/", "eliminations"])
async def test_signals_wait_a_while_for_the_other_routes(path: str) -> None:
    routes = Scripted()
    routes.script[path] = "HTTP 502"
    await routes.refresh([])
    assert f"/{path}: HTTP 502" in routes.awaited(MAPPED)
    await asyncio.sleep(301)
    assert routes.awaited(MAPPED) == ""


async def test_eliminated_miners_count_if_the_setting_says_so() -> None:
    routes = Scripted(exclude_eliminated=False)
    routes.script["eliminations"] = {"eliminations": [{"hotkey": "a"}]}
    await routes.refresh(["b"])
    assert "eliminations" not in routes.requested
    assert not routes.eliminated


async def test_without_eliminations_idle_miners_are_queried_singly() -> None:
    routes = Scripted()
    routes.script["eliminations"] = "HTTP 404!"
    stages = {"a": "ELIMINATED", "b": "MAINCOMP"}
    for name, bucket in stages.items():
        routes.script[f"challenge-period/{name}"] = {"challenge_period": {"bucket": bucket}}
    assert await routes.refresh(["a", "b", "gone"])
    assert set(routes.eliminated) == {"a"}
    await routes.pass_time(1190, ["b", "gone"])
    assert routes.requested.count("challenge-period/b") == 2
    assert routes.requested.count("challenge-period/gone") == 2
    assert routes.requested.count("challenge-period/a") == 1
    assert set(routes.eliminated) == {"a"}


async def test_a_refused_key_is_not_tried_for_every_miner() -> None:
    routes = Scripted()
    routes.script["eliminations"] = "HTTP 403!"
    idle = [f"m{n}" for n in range(30)]
    routes.script |= dict.fromkeys((f"challenge-period/{name}" for name in idle), "HTTP 403!")
    await routes.refresh(idle)
    assert len([path for path in routes.requested if path.startswith("challenge-period/")]) == 1


async def test_an_account_in_the_eliminated_stage_is_eliminated() -> None:
    routes = Scripted()
    out = tiers.account("x", bucket="ELIMINATED")
    routes.script["collateral/"] = {"data": {"x": [out], "y": [tiers.account("y")]}}
    await routes.refresh([])
    assert set(routes.eliminated) == {"x"}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"max_leverage": {"BTCUSDC": 0}}, "max_leverage.BTCUSDC"),
        ({"per_entity": -1}, "per_entity"),
        ({"per_entity": "best"}, "per_entity"),
        ({"facts_url": "ws://x"}, "facts_url"),
    ],
)
def test_settings_without_meaning_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        chosen(**wrong)


# -- over HTTP


@asynccontextmanager
async def asking(server: BittensorServer, **options: Any) -> AsyncIterator[Routes]:
    async with aiohttp.ClientSession() as session:
        yield Routes(chosen(server.url, **options), lambda: session, SystemClock(), inline)


@pytest.mark.real_clock
@pytest.mark.parametrize("auth", ["header", "body"])
async def test_everything_that_a_server_states_is_read(auth: str) -> None:
    made = TieredNetwork(miners=30, seed=3, now_ms=NOW_MS, orders=20)
    out = next(iter(made.miners))
    made.eliminate(out)
    async with serving(made, auth_by=auth) as server, asking(server, auth=auth) as routes:
        assert await routes.refresh([])
        assert set(routes.eliminated) == {out}
        assert routes.limits.accounts.keys() == made.miners.keys()
        assert routes.limits.table.pairs["BTCUSDC"].standard["3"] == 2.5
        assert routes.status() == {}


@pytest.mark.real_clock
async def test_routes_can_be_at_another_address() -> None:
    async with serving(MadeNetwork(miners=3, seed=1, now_ms=NOW_MS)) as server:
        elsewhere = BittensorServer(network=server.network, port=1)
        async with asking(elsewhere, facts_url=server.url) as routes:
            await routes.refresh([])
            assert routes.status() == {}


@pytest.mark.real_clock
@pytest.mark.parametrize(
    ("status", "waits"), [(403, False), (404, False), (302, False), (429, True), (500, True)]
)
async def test_refusals_differ_from_failures(status: int, waits: bool) -> None:
    faults = {"trade-pairs": status}
    made = MadeNetwork(miners=3, seed=1, now_ms=NOW_MS)
    async with serving(made, route_faults=faults) as server, asking(server) as routes:
        await routes.refresh([])
        assert bool(routes.awaited(MAPPED)) is waits
        assert f"HTTP {status}" in routes.status()["not_served"]


@pytest.mark.real_clock
async def test_signals_wait_if_nothing_listens_at_the_routes() -> None:
    async with asking(
        BittensorServer(network=MadeNetwork(miners=1, seed=1, now_ms=NOW_MS), port=1)
    ) as routes:
        await routes.refresh([])
        assert "ClientConnectorError" in routes.awaited(MAPPED)


class Station:
    """A running source against a server."""

    def __init__(self, server: BittensorServer, session: aiohttp.ClientSession, **options: Any) -> None:
        self.recorder = SourceRecorder(clock=SystemClock())
        options = {"interval": "1h", **options}
        context = self.recorder.context(
            chosen(server.url, **options), symbols=MAPPED, name="sn8", state_dir=Path()
        )
        self.source = BittensorSource(replace(context, http=lambda: session))


@asynccontextmanager
async def station(server: BittensorServer, **options: Any) -> AsyncIterator[Station]:
    async with aiohttp.ClientSession() as session:
        made = Station(server, session, **options)
        await made.source.cycle()
        yield made


@pytest.mark.real_clock
async def test_a_source_follows_tiers_eliminations_and_entities() -> None:
    made = TieredNetwork(miners=120, seed=3, now_ms=NOW_MS, orders=40, entities=3, subaccounts=20)
    async with serving(made) as server, station(server, per_entity=0) as found:
        report = found.source.report()
        used = {(n, MAPPED[a]): u for (n, a), u in made.used.items() if a in MAPPED}
        shown = {(e["miner"], s): float(v) for e in report["ranking"] for s, v in e["holds"].items()}
        assert len(shown) > 5
        assert shown == pytest.approx({key: used[key] for key in shown})
        assert report["clamped"] == 0
        best = report["ranking"][0]["miner"]
    made.eliminate(best)
    async with serving(made) as server, station(server) as found:
        report = found.source.report()
        assert best not in {entry["miner"] for entry in report["ranking"]}
        assert report["excluded"]["eliminated"] == 1
        entities = [e["miner"].split("_")[0] for e in report["ranking"] if "_" in e["miner"]]
        assert len(entities) == len(set(entities)) > 1
        assert report["excluded"]["entity"] > 0


@pytest.mark.real_clock
async def test_a_source_works_with_a_server_of_2025() -> None:
    made = TieredNetwork(miners=60, seed=3, now_ms=NOW_MS, orders=40)
    missing = frozenset({"trade-pairs", "collateral", "eliminations", "challenge-period"})
    async with serving(made, missing=missing) as server, station(server) as found:
        status = found.source.status()
        assert "/trade-pairs: HTTP 404" in status["not_served"]
        assert status["clamped"] > 0
        assert [event.kind for event in found.recorder.events] == ["clamped"]
        assert found.recorder.current.keys() == set(MAPPED.values())
