"""One engine with paper money for a whole module of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import tomlkit

from harness.chromium import CHROMIUM, MISSING, chromium
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.tabs import Opened, Scheme
from tests.page.visiting import CONTROL, Visitor, secrets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
    """A browser without a session."""
    return Visitor(paper)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The Chromium of the system."""
    if not CHROMIUM:
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def signed_in(browser: Browser, engine: EngineProcess) -> Any:
    """The cookie of a browser that signed in to the module's engine."""
    context = browser.new_context(base_url=engine.announcement()["private"])
    page = context.new_page()
    page.goto("/money")
    page.get_by_label("Token").fill(CONTROL)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/money")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def tab(browser: Browser, engine: EngineProcess, signed_in: Any) -> Iterator[Any]:
    """Open tabs: ``tab(width=375, scheme="dark")``. Fails at the end if one reported a problem."""
    opened: list[Opened] = []
    origin = engine.announcement()["private"]

    def start(*, width: int = 1440, scheme: Scheme = "light", script: bool = True) -> Opened:
        context = browser.new_context(
            base_url=origin,
            storage_state=signed_in,
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            java_script_enabled=script,
        )
        opened.append(Opened(context, origin))
        return opened[-1]

    yield start
    for one in opened:
        one.context.close()
    assert [one.complaints for one in opened if one.complaints] == []
    assert [one.elsewhere for one in opened if one.elsewhere] == []
