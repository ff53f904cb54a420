"""The page's commands for programs: planned, confirmed by the plan's mark, followed; and commands from elsewhere."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import TIMEOUT, EngineProcess, te
from tests.page.visiting import CONTROL, Visitor

pytestmark = pytest.mark.real_clock
ROUTE = "/api/v1/actions"


def ask(engine: EngineProcess, path: str, body: object = None, token: str = CONTROL) -> tuple[int, Any]:
    """Send one request as a program does."""
    address = urlsplit(engine.announcement()["private"])
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(
            "GET" if body is None else "POST", path, None if body is None else json.dumps(body), headers
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture
def engine(paper: EngineProcess) -> Iterator[EngineProcess]:
    """Remaining halts are lifted afterwards."""
    yield paper
    paper.command("resume", accounts=[], reason="the test is over")
    paper.wait(lambda: paper.state()["commands"] == [])
    paper.wait(paper.at_rest)


def test_a_program_plans_confirms_and_follows_what_the_page_does(engine: EngineProcess) -> None:
    status, shown = ask(engine, ROUTE, {"verb": "flatten", "preview": True})
    assert (status, shown["plan"]["title"]) == (200, "Close everything: all accounts")
    assert {order["symbol"] for order in shown["plan"]["orders"]} == {"BTCUSDT", "ETHUSDT"}
    assert engine.state()["commands"] == []
    given = {"verb": "flatten", "id": "flatten-1", "mark": shown["plan"]["mark"], "by": "a cron job"}
    status, made = ask(engine, ROUTE, given)
    assert (status, made["id"], made["by"]) == (200, "flatten-1", "a cron job")
    done = engine.wait(lambda: (found := ask(engine, f"{ROUTE}/flatten-1")[1])["state"] == "done" and found)
    assert (done["before"], done["left"]) == ({"paper": 2}, {"paper": []})
    assert ask(engine, ROUTE, given)[1]["at"] == done["at"], "given twice, done once"
    assert len(engine.state()["commands"]) == 1

    status, refused = ask(engine, ROUTE, {"verb": "resume"})
    assert status == 409
    assert "confirm with the plan's mark" in refused["error"]
    plan = refused["plan"]
    assert (plan["opens"], all(order["worth"] for order in plan["orders"])) == (True, True)
    assert {order["said"] for order in plan["orders"]} == {"tradingview"}
    stale = {"verb": "resume", "mark": "0" * 24}
    status, refused = ask(engine, ROUTE, stale)
    assert (status, "nothing was done" in refused["error"]) == (409, True)
    assert len(engine.state()["commands"]) == 1
    flat = {"verb": "resume", "flat": ["ETHUSDT"]}
    plan = ask(engine, ROUTE, {**flat, "preview": True})[1]["plan"]
    assert [order["symbol"] for order in plan["orders"]] == ["BTCUSDT"]
    assert "ETHUSDT is left flat until a source sends a signal for it." in plan["sentences"]
    assert ask(engine, ROUTE, {**flat, "mark": plan["mark"]})[1]["state"] == "done"
    engine.wait(lambda: engine.position("BTCUSDT") and engine.at_rest())
    assert engine.position("ETHUSDT") == 0


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"verb": "explode"}, 404, "explode"),
        ({"verb": "halt", "who": "nobody"}, 404, "no account nobody"),
        ({"verb": "pause", "who": "paper"}, 404, "no source paper"),
        ({"verb": "halt", "symbol": "<b>"}, 404, "not a symbol"),
        ({"verb": "halt", "colour": "red"}, 400, "colour"),
        ({"verb": "halt", "id": "x"}, 400, "id"),
        ({"verb": "accept", "who": "paper"}, 409, "No positions changed by others"),
        ({"verb": "resume"}, 409, "Nothing there is halted"),
    ],
)
def test_what_makes_no_sense_is_refused(engine: EngineProcess, body: object, status: int, why: str) -> None:
    found, answer = ask(engine, ROUTE, body)
    assert found == status
    assert why in str(answer)


def test_only_those_with_the_token_may(engine: EngineProcess) -> None:
    assert ask(engine, ROUTE, {"verb": "halt"}, token="wrong")[0] == 401
    assert ask(engine, ROUTE, token="wrong")[0] == 401
    assert ask(engine, f"{ROUTE}/nothing-like-it")[0] == 404


def test_what_te_commands_is_among_them(engine: EngineProcess) -> None:
    assert te(engine.home, "halt", "paper", "--reason", "lunch").returncode == 0
    newest = ask(engine, ROUTE)[1]["actions"][0]
    assert (newest["verb"], newest["accounts"], newest["reason"]) == ("halt", ["paper"], "lunch")
    shown = Visitor(engine).sign_in().get(f"/action/{newest['id']}")
    assert "Halt: paper" in shown.words
    assert "lunch" in shown.words
    table = te(engine.home, "actions")
    assert table.returncode == 0, table.stdout
    assert "Halt: paper" in table.stdout
    assert json.loads(te(engine.home, "actions", newest["id"], "--json").stdout)["actions"] == [
        {**newest, "seconds": pytest.approx(newest["seconds"], abs=60)}
    ]
    assert te(engine.home, "actions", "nothing").returncode == 1
