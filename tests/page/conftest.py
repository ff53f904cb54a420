"""One engine with paper money for a whole module of tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import tomlkit

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.visiting import Visitor, secrets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or ""

PAPER = {
    **PLAIN,
    "engine": {"backoff_first": "200ms", "resync": "20s"},
    "page": {"url": "https://engine.example.org"},
}


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine with one paper account that holds BTC and ETH."""
    home = Home(tmp_path_factory.mktemp("page") / "home", PAPER)
    home.write_secrets(tomlkit.dumps(secrets(sources={"tradingview": {"token": TOKEN}})))
    with EngineProcess(home) as engine:
        engine.until_ready()
        engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")
        engine.accept(symbol="ETHUSDT.P", direction="short", action="sell", size="50/100", price="3000")
        engine.wait(lambda: engine.position("BTCUSDT") and engine.position("ETHUSDT"))
        yield engine


@pytest.fixture
def visitor(paper: EngineProcess) -> Visitor:
    """A browser that has not been here."""
    return Visitor(paper)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium of the system; none is ever downloaded."""
    if not CHROMIUM:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=root)
        yield started
        started.close()
