"""``te mcp``, called by the SDK's own client over real pipes, with a real engine and a paper account."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mcp import Client, Implementation, StdioServerParameters
from mcp.client.stdio import stdio_client

from te_core.assistant.confirmation import LASTS, MOST, Confirmations
from te_core.cli.failure import Failure
from te_core.settings.peek import SECRETS_FILE
from tests.cli.conftest import TE, Folder, Process

READING = {
    *("status", "attention", "explain", "plan", "orders", "why_order", "events", "signals", "refused_input"),
    *("profit", "equity", "settings", "doctor"),
}
ALERT = (
    *("signal", "send", "--symbol", "BTCUSDT.P", "--direction", "long"),
    *("--size", "1", "--price", "50000"),
)
CONTROL = {"halt", "flatten", "resume", "pause", "set_target", "close", "confirm"}


@asynccontextmanager
async def assistant(folder: Folder, *options: str) -> AsyncIterator[Client]:
    server = StdioServerParameters(
        command=str(TE), args=["--settings", str(folder.settings), "mcp", *options], cwd=folder.path
    )
    with (folder.path / "mcp.log").open("a") as log:
        client = Client(
            stdio_client(server, errlog=log), client_info=Implementation(name="Claude\x1b[2J", version="1")
        )
        async with client:
            yield client


async def ask(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.content
    return str(result.content[0].text)  # type: ignore[union-attr]  # an error is a text


async def until_confirmed(client: Client) -> None:
    async with asyncio.timeout(20):
        while not (await ask(client, "status"))["accounts"]["paper"]["targets"]["BTCUSDT"]["confirmed"]:
            await asyncio.sleep(0)


async def commands_in_two_steps(client: Client) -> None:
    """Plan, confirm and lift a command; nothing happens without the code, and a code works once."""
    calm = await ask(client, "attention")
    assert calm["ready"]
    assert not [one for one in calm["attention"] if one["severity"] != "note"]
    planned = await ask(client, "close", account="paper", symbol="BTCUSDT", reason="the user asked")
    assert planned["plan"]["accounts"]["paper"]["symbols"]["BTCUSDT"]["steps"][0]["side"] == "sell"
    assert not planned["done"]
    assert not (await ask(client, "status"))["commands"], "nothing happens without the code"
    done = await ask(client, "confirm", code=planned["code"])
    assert done["done"]
    (command,) = (await ask(client, "status"))["commands"]
    assert command["by"] == "mcp (Claude\\x1b[2J)"
    assert command["reason"] == "the user asked"
    assert (await ask(client, "attention"))["attention"][0]["kind"] == "by_hand"
    assert "already used" in await refusal(client, "confirm", code=planned["code"])
    again = await ask(client, "resume", accounts=["paper"])
    assert (await ask(client, "confirm", code=again["code"]))["done"]
    assert not (await ask(client, "status"))["commands"]


@pytest.mark.real_clock
async def test_an_assistant_reads_and_commands_in_two_steps(engine: Process) -> None:
    folder = engine.folder
    done = await asyncio.to_thread(folder.te, *ALERT)
    assert done.exit_code == 0, done.stderr
    async with assistant(folder, "--control") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == READING | CONTROL
        assert [
            name for name, tool in tools.items() if not (tool.annotations and tool.annotations.read_only_hint)
        ] == ["confirm"]
        state = await ask(client, "status", account="paper", symbol="btcusdt")
        assert set(state["accounts"]) == {"paper"}
        assert set(state["accounts"]["paper"]["targets"]) == {"BTCUSDT"}
        await until_confirmed(client)
        found = await ask(client, "explain", symbol="btcusdt")
        assert found["accounts"]["paper"]["terms"][0]["source"] == "tradingview"
        assert (await ask(client, "signals", limit=1))["signals"][0]["symbol"] == "BTCUSDT"
        (order,) = (await ask(client, "orders", since="1h", symbol="btcusdt"))["orders"]
        assert order["cause"] == "signal"
        story = await ask(client, "why_order", order=order["client_order_id"])
        assert "tradingview" in json.dumps(story)
        assert (await ask(client, "profit", by="symbol"))["rows"][0]["key"] == "BTCUSDT"
        assert "paper" in json.dumps(await ask(client, "equity"))
        assert (await ask(client, "events", kind="outage"))["events"] == []
        assert "since" in await refusal(client, "orders", since="the day before the flood")
        assert (await ask(client, "doctor"))["accounts"]["paper"]
        assert "plan" not in await ask(client, "plan")
        secrets = re.findall(r'"([\w-]{20,})"', (folder.path / SECRETS_FILE).read_text())
        shown = json.dumps([await ask(client, tool) for tool in ("settings", "status", "refused_input")])
        assert "[symbols.BTCUSDT]" in shown
        assert secrets
        assert not [secret for secret in secrets if secret in shown]

        await commands_in_two_steps(client)

        assert "accounts: paper" in await refusal(client, "status", account="bybit")
        assert "nobody" in await refusal(client, "halt", accounts=["nobody"])
        assert "30m" in await refusal(
            client, "set_target", account="paper", symbol="BTCUSDT", depth="0.1", lasts="x"
        )
        assert "depth" in await refusal(client, "set_target", account="paper", symbol="BTCUSDT", depth="2")
    assert "Traceback" not in (folder.path / "mcp.log").read_text()


@pytest.mark.real_clock
async def test_without_an_engine_and_without_leave(folder: Folder) -> None:
    async with assistant(folder) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING
        for tool in ("status", "plan"):
            assert "run" in (told := await refusal(client, tool))
            assert "no engine" in told
        folder.settings.write_text('[accounts.live]\nplugin = "bybit"\nsecret = "hunter2-hunter2"\n')
        assert 'secret = "***"' in (await ask(client, "settings"))["text"]
        folder.settings.write_text('secret = "hunter2-hunter2"\n[accounts.live]\nplugin = 7')
        told = await refusal(client, "settings")
        assert "refused" in told
        assert "hunter2" not in told


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    def suspended(self) -> float:
        return 0.0


def test_a_code_is_good_once_and_not_for_long() -> None:
    clock, codes = Clock(), iter(f"code-{number}" for number in range(100))
    waiting = Confirmations(clock, lambda: next(codes))
    code = waiting.offer("halt", {"symbol": ""})
    assert waiting.redeem(f" {code} ").action == "halt"
    with pytest.raises(Failure, match="already used"):
        waiting.redeem(code)
    late = waiting.offer("flatten", {})
    clock.at += LASTS + timedelta(seconds=1)
    with pytest.raises(Failure, match="expired"):
        waiting.redeem(late)
    first, *others = [waiting.offer("halt", {}) for _ in range(MOST + 1)]
    with pytest.raises(Failure, match="never issued"):
        waiting.redeem(first)
    assert all(waiting.redeem(other) for other in others)


def test_the_sdk_is_imported_by_this_command_only(folder: Folder) -> None:
    code = (
        "import sys; sys.modules['mcp'] = None; from te_core.cli.main import main; "
        f"sys.argv = ['te', '--settings', {str(folder.settings)!r}, *sys.argv[1:]]; main()"
    )
    for arguments, expected in ((["mcp"], "pip install 'trade-engine[mcp]'"), (["check"], "missing")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
        )
        assert expected in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
