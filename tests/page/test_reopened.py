"""A browser that stays open while the engine stops and another one starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import tomlkit

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import TOKEN, Home
from tests.page.conftest import PAPER
from tests.page.tabs import live
from tests.page.visiting import secrets

pytestmark = [pytest.mark.real_clock, pytest.mark.page]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine whose private listener has a fixed port, which the next one uses, too."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    tree = {**PAPER, "listen": {"public": {"port": 0}, "private": {"port": port}}}
    home = Home(tmp_path_factory.mktemp("reopened") / "home", tree)
    home.write_secrets(tomlkit.dumps(secrets(sources={"tradingview": {"token": TOKEN}})))
    with EngineProcess(home) as started:
        started.until_ready()
        started.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")
        started.wait(lambda: started.position("BTCUSDT"))
        yield started


def test_an_open_page_survives_a_restart_and_shows_changes(tab: Any, engine: EngineProcess) -> None:
    one = tab(width=375)
    page = one.page
    page.goto("/")
    live(page)
    page.evaluate("window.stayed = true")
    page.locator("#c-paper-BTCUSDT").focus()
    assert engine.stop() == 0
    status = page.locator("#live")
    page.locator("body.stale").wait_for()
    assert status.inner_text().startswith("NOT LIVE for ")
    assert "the engine is stopping" in status.inner_text()
    assert page.get_by_role("link", name="■ Stop…").is_enabled()
    with EngineProcess(engine.home) as another:
        another.until_ready()
        live(page)
        page.locator("body.stale").wait_for(state="detached")
        another.accept(symbol="ETHUSDT.P", direction="short", action="sell", size="50/100", price="3000")
        page.locator('[data-row="r-ETHUSDT"].held').wait_for()
        assert page.evaluate("window.stayed") is True, "it was not loaded again"
        assert page.evaluate("document.activeElement.id") == "c-paper-BTCUSDT"
        page.close()
        # the browser's messages about a stream that was cut off, and an address where nobody listens
        assert all("net::ERR_" in line for line in one.complaints), one.complaints
        one.complaints.clear()
