"""The operator's commands on four exchanges at once, by real processes that are killed and exchanges that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_emulators.core.faults import Fault, FaultKind
from te_emulators.threads import served
from te_emulators.venues import VENUES
from te_emulators.wire.server import WireServer
from tests.end_to_end.engine_process import EngineProcess, eventually, te
from tests.end_to_end.home import PLAIN, Home
from tests.exchanges.trading import account, held

NAMES = tuple(VENUES)
LATENCY = 0.05
"""Seconds that each request takes: a plan of twenty orders lasts long enough to be interrupted in the middle."""
ORDERS = 20
DOWN = Fault(kind=FaultKind.SERVER_ERROR, status=502, times=None)
FLAT = dict.fromkeys(NAMES, Decimal(0))


class World:
    """Four exchanges, on a thread of their own."""

    def __init__(self, servers: Mapping[str, WireServer]) -> None:
        self.servers = servers

    def orders(self, *, increases: bool = True) -> dict[str, int]:
        """Return how many orders came, by exchange."""
        return {
            name: sum(not (increases and order.request.reduce_only) for order in list(main.orders.values()))
            for name, main in self._accounts()
        }

    def held(self) -> dict[str, Decimal]:
        """Return the true positions."""
        return {name: held(server, "BTCUSDT") for name, server in self.servers.items()}

    def ids(self) -> list[str]:
        """Return the client order ids of all orders."""
        return [str(o.request.client_id) for _, main in self._accounts() for o in list(main.orders.values())]

    def _accounts(self) -> Iterator[tuple[str, Any]]:
        for name, server in self.servers.items():
            yield name, server.exchange.accounts["main"]

    def fail(self) -> None:
        """Answer every request to every exchange with a 502."""
        for server in self.servers.values():
            server.faults.add(DOWN)

    def recover(self) -> None:
        """End the failures."""
        for server in self.servers.values():
            server.faults.clear()


@pytest.fixture
def world() -> Iterator[World]:
    with served(*NAMES, latency=LATENCY) as found:
        yield World(found.servers)


def settings(world: World) -> dict[str, Any]:
    accounts = {name: account(name, server, streams=False) for name, server in world.servers.items()}
    for section in accounts.values():
        del section["observe"]
    return {
        **PLAIN,
        "engine": {"backoff_first": "100ms", "backoff_last": "500ms", "resync": "500ms"},
        "limits": {"order_notional": 600},
        "accounts": accounts,
        "symbols": {"BTCUSDT": {"leverage": 4, "weights": {"tradingview": 0.3}}},
    }


def done(home: Home, *arguments: str) -> str:
    """Run a command that has to work, and return what it printed."""
    ran = te(home, *arguments)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def rows(engine: EngineProcess) -> list[Any]:
    """Return what the engine reports about the symbol on each account."""
    return [one["targets"].get("BTCUSDT", {}) for one in engine.state()["accounts"].values()]


def in_the_middle(world: World, before: dict[str, int]) -> bool:
    """Return whether each exchange has received some of its plan's orders since then."""
    return all(now - before[name] >= 3 for name, now in world.orders(increases=False).items())


Start = Callable[[Home], EngineProcess]


def halt_in_the_middle(world: World, home: Home, engine: EngineProcess) -> None:
    """Let new accounts go, which observe until then, and halt in the middle of the twenty orders of each."""
    none = dict.fromkeys(NAMES, 0)
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="100/100", price="65000")
    engine.wait(lambda: done(home, "status").count("observing: would") == 4)
    assert world.orders() == none
    assert "Let " not in done(home, "go", *NAMES, "--yes")
    eventually(lambda: in_the_middle(world, none))
    status, answer = engine.command("halt", reason="enough")  # `te` itself takes longer than a plan
    assert status == 200, answer
    engine.wait(lambda: all(row.get("status") == "halted" for row in rows(engine)))
    halted = world.orders()
    assert all(3 <= count < ORDERS for count in halted.values()), halted
    engine.wait(lambda: engine.get("/readyz")[1]["halts"])
    assert world.orders() == halted


def halt_while_it_is_dead(world: World, home: Home, engine: EngineProcess, start: Start) -> EngineProcess:
    """Resume, kill in the middle, and halt the engine that is not there."""
    part, reached = world.held(), world.orders(increases=False)
    done(home, "resume", "--yes")
    eventually(lambda: in_the_middle(world, reached))
    engine.kill()
    assert "the next one starts halted" in done(home, "halt", "--reason", "it died")
    engine = start(home).until_ready()
    engine.wait(lambda: all(row.get("status") == "halted" for row in rows(engine)))
    assert all(abs(now) > abs(part[name]) for name, now in world.held().items())
    return engine


def flatten_while_exchanges_fail(
    world: World, home: Home, engine: EngineProcess, start: Start
) -> EngineProcess:
    """Flatten, and kill before anything could be closed."""
    killed = world.orders()
    world.fail()
    done(home, "flatten", "--yes", "--reason", "502")
    engine.wait(lambda: home.events().count("flatten: still open") == 4)
    engine.kill()
    assert all(world.held().values()), "nothing could be closed"
    world.recover()
    engine = start(home).until_ready()
    engine.wait(lambda: world.held() == FLAT)
    engine.wait(lambda: home.events().count("everything that was to be closed is closed") == 4)
    assert world.orders() == killed
    return engine


def flatten_without_an_engine(world: World, home: Home, engine: EngineProcess, start: Start) -> None:
    """Resume, stop in the middle, and close everything; the next start opens nothing."""
    closed = world.orders(increases=False)
    done(home, "resume", "--yes")
    eventually(lambda: in_the_middle(world, closed))
    engine.stop()
    done(home, "flatten", "--direct", "--yes")
    assert world.held() == FLAT
    direct = world.orders()
    engine = start(home).until_ready()
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")
    engine.wait(lambda: all(row.get("status") == "halted" for row in rows(engine)))
    assert (world.held(), world.orders()) == (FLAT, direct), "nothing is opened again"


def test_commands_on_four_exchanges_through_kills_and_outages(
    world: World, tmp_path: Path, start: Start
) -> None:
    home = Home(tmp_path / "home", settings(world))
    engine = start(home).until_ready()
    halt_in_the_middle(world, home, engine)
    engine = halt_while_it_is_dead(world, home, engine, start)
    engine = flatten_while_exchanges_fail(world, home, engine, start)
    flatten_without_an_engine(world, home, engine, start)
    ids = world.ids()
    assert len(ids) == len(set(ids)), "no order was sent twice"
