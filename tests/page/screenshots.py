"""Takes the pictures of docs/page: ``python -m tests.page.screenshots``. They show emulated exchanges and paper money.

What they were taken of is kept next to them, so that a test can tell when they show a page that has changed since.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.conftest import CHROMIUM
from tests.page.exchanges import Exchanges, exchanges
from tests.page.visiting import CONTROL, secrets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "page"
SOURCE = FOLDER / "source.sha256"
VENUES = ("bybit", "blofin", "kucoin", "mexc")
PRICES = {
    "BTC": "65000",
    "ETH": "3000",
    "SOL": "150",
    "XRP": "0.6",
    "ADA": "0.45",
    "DOGE": "0.12",
    "LTC": "80",
    "BNB": "600",
    "AVAX": "30",
    "LINK": "15",
    "DOT": "6",
    "TRX": "0.12",
}
SAID = {
    "tradingview": (30, -20, 0, 20, -80, 0, 40, 60, 0, -30, 15, -40),
    "momentum": (40, 15, -15, -40, 0, 0, 20, 0, 0, 0, 30, 0),
}
"""What each source says of each coin, in hundredths."""
PICTURES = (
    ("now-desk-light", "/", 1440, 1180, "light", 1),
    ("now-phone-dark", "/", 375, 812, "dark", 1),
    ("positions-phone-light", "/#positions", 375, 812, "light", 1),
    ("why-desk-dark", "/why/ETHUSDT?account=bybit", 1100, 760, "dark", 1),
    ("stop-phone-light", "/do/flatten/all", 375, 812, "light", 1),
    ("activity-desk-light", "/activity", 1100, 620, "light", 1),
    ("money-desk-dark", "/money?period=all", 1440, 1000, "dark", 1),
)


def digest() -> str:
    """Return what names the present look of the page."""
    files = sorted(
        path for part in ("templates", "static") for path in (ROOT / "te_core" / "page" / part).iterdir()
    )
    found = hashlib.sha256()
    for path in (*files, Path(__file__)):
        found.update(path.name.encode() + b"\n" + path.read_bytes())
    return found.hexdigest()


def settings(world: Exchanges) -> dict[str, Any]:
    """Return four exchanges and a paper account, two sources and twelve symbols."""
    symbols = {f"{coin}USDT": f"{coin}USDT" for coin in PRICES}
    accounts: dict[str, Any] = {name: world.section(name) for name in VENUES}
    accounts["bybit"]["drift"] = "alert"
    accounts["kucoin"]["limits"] = {"symbol_exposure": 900}
    return {
        **PLAIN,
        "engine": {"resync": "1s", "backoff_first": "200ms"},
        "sources": {name: {"plugin": "tradingview", "symbols": symbols} for name in SAID},
        "accounts": {**accounts, "paper": {"plugin": "paper", "balance": 10000}},
        "symbols": {
            symbol: {"leverage": 3, "weights": {"tradingview": 0.10, "momentum": 0.15}} for symbol in symbols
        },
        "limits": {"account_exposure": 40_000, "leverage": 5},
    }


def tell(engine: EngineProcess) -> None:
    """Send every alert."""
    for source, depths in SAID.items():
        for coin, depth in zip(PRICES, depths, strict=True):
            direction = "long" if depth > 0 else "short" if depth < 0 else "flat"
            engine.accept(
                source=source,
                symbol=f"{coin}USDT",
                direction=direction,
                action="buy" if depth > 0 else "sell",
                size=f"{abs(depth)}/100",
                price=PRICES[coin],
            )


def move(world: Exchanges) -> None:
    """Let prices move for a while, so that there is a line to draw."""
    chance = random.Random(7)
    walk = {coin: Decimal(price) for coin, price in PRICES.items()}
    for _ in range(40):
        for coin, price in walk.items():
            walk[coin] = price * (1 + Decimal(round(chance.gauss(0, 0.0006), 6)))
            world.set_price(f"{coin}USDT", walk[coin])
        time.sleep(0.6)


def disturb(engine: EngineProcess, world: Exchanges) -> None:
    """Have an exchange fail, a hand interfere and an alert refused."""
    world.close_by_hand("bybit", "LTCUSDT")
    engine.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "5/100"})
    engine.wait(lambda: "drift" in str(engine.state()["accounts"]["bybit"]["targets"]["LTCUSDT"]["status"]))
    world.fail("mexc")
    engine.wait(lambda: engine.state()["accounts"]["mexc"]["status"] == "unreadable")


def take(browser: Browser, engine: EngineProcess, folder: Path) -> Iterator[Path]:
    """Take every picture."""
    origin = engine.announcement()["private"]
    first = browser.new_context(base_url=origin)
    page = first.new_page()
    page.goto("/login")
    page.get_by_label("Token").fill(CONTROL)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{origin}/")
    state = first.storage_state()
    first.close()
    for name, path, width, height, scheme, scale in PICTURES:
        context = browser.new_context(
            base_url=origin,
            storage_state=state,
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=scale,
        )
        page = context.new_page()
        page.goto(path)
        page.locator("#live.on").wait_for()
        page.screenshot(path=folder / f"{name}.png")
        context.close()
        yield folder / f"{name}.png"


def main() -> None:
    """Take them all, and note what of."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM:
        raise SystemExit("Chromium is not installed (apt-get install chromium)")
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        exchanges(*VENUES) as world,
        sync_playwright() as playwright,
    ):
        home = Home(Path(scratch) / "home", settings(world))
        home.write_secrets(tomlkit.dumps(secrets(sources={name: {"token": TOKEN} for name in SAID})))
        with EngineProcess(home) as engine:
            engine.until_ready()
            tell(engine)
            engine.wait(lambda: engine.position("ETHUSDT", "bybit") and engine.position("DOTUSDT", "mexc"))
            time.sleep(8)  # until each account was seen with what its orders cost
            move(world)
            disturb(engine, world)
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for path in take(browser, engine, FOLDER):
                print(path.relative_to(ROOT), path.stat().st_size)
            browser.close()
    SOURCE.write_text(f"{digest()}\n")


if __name__ == "__main__":
    main()
