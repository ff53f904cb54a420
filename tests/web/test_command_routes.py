"""The operator's commands over the private listener: who may send them, and their format."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from te_core.model.control import Action, Command
from te_core.web.commands import BadCommand, parse_command

ROUTE = "/api/v1/commands"


@pytest.mark.real_clock
async def test_no_web_page_can_pretend_to_give_commands(serve: Any) -> None:
    async with serve() as site:
        url = f"{site.private}{ROUTE}"

        async def post(action: str, **how: Any) -> tuple[int, Any]:
            async with site.http.post(f"{url}/{action}", **how) as response:
                return response.status, await response.json()

        assert (await post("halt", json={"by": "alice", "accounts": ["paper"]}))[0] == 200
        assert (await post("flatten", json={"preview": True}))[0] == 200
        assert site.engine.commands == [
            (Command(action=Action.HALT, by="alice", accounts=("paper",)), False),
            (Command(action=Action.FLATTEN, by="the API"), True),
        ]
        refusals: list[tuple[int, dict[str, Any]]] = [
            (404, {"json": {"accounts": ["nobody"]}}),
            (400, {"json": {"symbols": "BTCUSDT"}}),
            (415, {"data": {"by": "a form"}}),
            (401, {"json": {}, "headers": {"Authorization": "Bearer wrong"}}),
            (403, {"json": {}, "headers": {"Origin": "https://evil.example"}}),
        ]
        for refused, how in refusals:
            assert (await post("halt", **how))[0] == refused
        assert (await post("explode", json={}))[0] == 404
        assert len(site.engine.commands) == 2
        async with site.http.get(url) as response:
            assert (await response.json())["commands"] == [{"text": "all accounts: halted"}]


def test_a_whole_command_is_understood() -> None:
    body = b'{"by": "bob", "accounts": ["a"], "symbol": "BTCUSDT", "depth": "-0.25", "lasts": 90}'
    command, preview = parse_command("target", body)
    assert not preview
    assert (command.by, command.symbol, command.depth) == ("bob", "BTCUSDT", Decimal("-0.25"))
    assert command.lasts == timedelta(seconds=90)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b'{"depth": "1.5"}', "depth"),
        (b'{"depth": "NaN"}', "depth"),
        (b'{"lasts": 0}', "lasts"),
        (b'{"lasts": 1e300}', "lasts"),
        (b'{"accounts": "paper"}', "accounts"),
        (b'{"accounts": [""]}', "accounts.0"),
        (b'{"forein": true}', "forein"),
    ],
)
def test_what_does_not_hold_is_named(body: bytes, field: str) -> None:
    with pytest.raises(BadCommand, match=field):
        parse_command("halt", body)
