"""Every page in both schemes, on a phone and a desktop: five accounts, some halted, a source paused, an alert
refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomlkit

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.tabs import WIDTHS, accessible, fits
from tests.page.visiting import Visitor, secrets

pytestmark = [pytest.mark.real_clock, pytest.mark.page]

ACCOUNTS, SOURCES = 5, ("tradingview", "momentum")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "OTHERUSDT")
PAGES = (
    *("/", "/why/BTCUSDT?account=paper-0", "/why/BTCUSDT", "/account/paper-0", "/account/paper-1"),
    *("/activity", "/activity?kind=refused", "/money", "/money?period=all", "/account/nobody"),
    *("/do/halt/all", "/do/flatten/all", "/do/resume/paper-1", "/do/pause/tradingview"),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    symbols = {symbol: symbol for symbol in SYMBOLS}
    tree = {
        **PLAIN,
        "engine": {"resync": "20s"},
        "sources": {name: {"plugin": "tradingview", "symbols": symbols} for name in SOURCES},
        "accounts": {f"paper-{number}": {"plugin": "paper", "balance": 10000} for number in range(ACCOUNTS)},
        "symbols": {symbol: {"leverage": 3, "weights": dict.fromkeys(SOURCES, 0.1)} for symbol in symbols},
        "limits": {"symbol_exposure": 1_500},
    }
    home = Home(tmp_path_factory.mktemp("looks") / "home", tree)
    home.write_secrets(tomlkit.dumps(secrets(sources={name: {"token": TOKEN} for name in SOURCES})))
    with EngineProcess(home) as started:
        started.until_ready()
        for number, symbol in enumerate(SYMBOLS[:4]):
            direction, action = (("long", "buy"), ("short", "sell"))[number % 2]
            started.accept(
                symbol=symbol, direction=direction, action=action, size=f"{90 - 20 * number}/100", price="50"
            )
        started.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "1/100"})
        started.wait(started.at_rest)
        started.command("target", accounts=["paper-2"], symbol="ADAUSDT", depth="0.01")
        started.command("pause", sources=["momentum"], reason="being tuned")
        yield started


@pytest.fixture(scope="module")
def action(engine: EngineProcess) -> str:
    """The page of a command's result."""
    return Visitor(engine).sign_in().confirm("/do/halt/paper-1", reason="for the tests").location


def test_axe_finds_nothing_on_any_page_in_any_look(tab: Any, action: str) -> None:
    one = tab()
    for path in (*PAGES, action):
        one.page.goto(path)
        accessible(one.page)
    one.page.goto("/")
    one.page.locator("#c-paper-0-BTCUSDT").click()
    one.page.get_by_role("dialog").wait_for()
    accessible(one.page)
    one.context.clear_cookies()
    one.page.goto("/")
    assert one.page.url.endswith("/login?next=%2F")
    accessible(one.page)
    one.complaints.clear()  # the browser's message about the missing page


def test_no_page_is_wider_than_its_window_with_five_accounts(tab: Any, action: str) -> None:
    one = tab()
    for path in (*PAGES, action):
        one.page.goto(path)
        for width in WIDTHS:
            fits(one.page, width)
    one.complaints.clear()
