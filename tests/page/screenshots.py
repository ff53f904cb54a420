"""Draw the pictures of docs/page: ``python -m tests.page.screenshots``. They show emulated exchanges and paper money.

There are three sets: the guide's; the first page with 1 x 3, 5 x 20 and 10 x 40 accounts and symbols; and a weekend on
virtual time. ``--only guide``, ``layouts`` or ``weekend`` draws one set, ``--into FOLDER`` writes to another folder,
and ``--whole`` captures pages in full height. The digest of their sources is stored next to them, so that a test fails
once the page has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import tomlkit

from harness.chromium import CHROMIUM, MISSING, chromium
from te_core.reporting.view import Mark, view
from tests.end_to_end.engine_process import EngineProcess, eventually
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.exchanges import Exchanges, exchanges
from tests.page.test_browser import COINS, SYMBOLS, send
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
DEPTHS = {
    "tradingview": (30, -20, 0, 20, -80, 0, 40, 60, 0, -30, 15, -40),
    "momentum": (40, 15, -15, -40, 0, 0, 20, 0, 0, 0, 30, 0),
}
"""The depth that each source publishes for each coin, in hundredths."""


class Picture(NamedTuple):
    """A window onto one page."""

    name: str
    path: str
    width: int
    height: int
    scheme: str
    vision: str = "none"
    """A deficiency that Chromium simulates."""


PICTURES = (
    Picture("now-desk-light", "/", 1440, 1180, "light"),
    Picture("now-desk-deuteranopia", "/", 1440, 1700, "light", vision="deuteranopia"),
    Picture("now-phone-dark", "/", 375, 812, "dark"),
    Picture("positions-phone-light", "/#positions", 375, 812, "light"),
    Picture("why-desk-dark", "/why/ETHUSDT?account=bybit", 1100, 760, "dark"),
    Picture("stop-phone-light", "/do/flatten/all", 375, 812, "light"),
    Picture("activity-desk-light", "/activity", 1100, 620, "light"),
    Picture("money-desk-dark", "/money?period=all", 1440, 1000, "dark"),
)
LOOKS = (
    ("phone-light", 375, 812, "light"),
    ("phone-dark", 375, 812, "dark"),
    ("desk-light", 1440, 1300, "light"),
    ("desk-dark", 1440, 1300, "dark"),
)
SIZES = ((1, 3), (5, 20), (10, 40))
LAYOUTS = tuple(
    Picture(f"layout-{accounts}x{symbols}-{look}", "/", width, height, scheme)
    for accounts, symbols in SIZES
    for look, width, height, scheme in LOOKS
)
WEEKEND = (
    Picture("weekend-now-desk", "/", 1440, 1180, "light"),
    Picture("weekend-now-phone", "/", 375, 812, "dark"),
    Picture("weekend-activity-desk", "/activity", 1100, 900, "light"),
    Picture("weekend-money-desk", "/money?period=7d", 1440, 1180, "light"),
)
HOURS, ALERTS = 4, 120
"""A part of a weekend: minutes of CPU time instead of half an hour."""
Pictures = tuple[Picture, ...]


def digest() -> str:
    """Return a digest of everything that determines the look of the page."""
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
        "sources": {name: {"plugin": "tradingview", "symbols": symbols} for name in DEPTHS},
        "accounts": {**accounts, "paper": {"plugin": "paper", "balance": 10000}},
        "symbols": {
            symbol: {"leverage": 3, "weights": {"tradingview": 0.10, "momentum": 0.15}} for symbol in symbols
        },
        "limits": {"account_exposure": 40_000, "leverage": 5},
    }


def send_alerts(engine: EngineProcess) -> None:
    """Send every alert."""
    for source, depths in DEPTHS.items():
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
    """Move prices for a while, so that there is a line to draw."""
    chance = random.Random(7)
    walk = {coin: Decimal(price) for coin, price in PRICES.items()}
    for _ in range(40):
        for coin, price in walk.items():
            walk[coin] = price * (1 + Decimal(round(chance.gauss(0, 0.0006), 6)))
            world.set_price(f"{coin}USDT", walk[coin])
        time.sleep(0.6)  # the equity curve is drawn over real time


def at_rest(state: Mapping[str, Any]) -> bool:
    """Return whether nothing is in flight, and every account was read after its last order, so that it has a margin."""
    seen = view(state)
    working = any(cell.mark is Mark.WORKING for row in seen.symbols for cell in row.cells)
    return not working and not any(total.without_free for total in seen.totals)


def disturb(engine: EngineProcess, world: Exchanges) -> None:
    """Close a position by hand, send an alert that is refused, and let an exchange fail."""
    world.close_by_hand("bybit", "LTCUSDT")
    engine.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "5/100"})
    engine.wait(lambda: "drift" in str(engine.state()["accounts"]["bybit"]["targets"]["LTCUSDT"]["status"]))
    world.fail("mexc")
    engine.wait(lambda: engine.state()["accounts"]["mexc"]["status"] == "unreadable")


def take(
    browser: Browser,
    origin: str,
    pictures: Pictures,
    folder: Path,
    *,
    token: str = CONTROL,
    whole: bool = False,
) -> Iterator[Path]:
    """Capture pictures. ``whole``: in full height instead of a window's."""
    first = browser.new_context(base_url=origin)
    page = first.new_page()
    page.goto("/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{origin}/")
    state = first.storage_state()
    first.close()
    for name, path, width, height, scheme, vision in pictures:
        context = browser.new_context(
            base_url=origin,
            storage_state=state,
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page = context.new_page()
        context.new_cdp_session(page).send("Emulation.setEmulatedVisionDeficiency", {"type": vision})
        page.goto(path)
        page.locator("#live.on").wait_for()
        if whole:  # a window as tall as the page, so that nothing sticks to its lower edge
            full = page.evaluate("document.documentElement.scrollHeight")
            page.set_viewport_size({"width": width, "height": full})
        page.screenshot(path=folder / f"{name}.png")
        context.close()
        yield folder / f"{name}.png"


def guide(browser: Browser, folder: Path, *, whole: bool) -> Iterator[Path]:
    """Capture the pages of an engine with four exchanges, one of which fails."""
    with tempfile.TemporaryDirectory() as scratch, exchanges(*VENUES) as world:
        home = Home(Path(scratch) / "home", settings(world))
        home.write_secrets(tomlkit.dumps(secrets(sources={name: {"token": TOKEN} for name in DEPTHS})))
        for coin, price in PRICES.items():
            world.set_price(f"{coin}USDT", Decimal(price))
        with EngineProcess(home) as engine:
            engine.until_ready()
            send_alerts(engine)
            engine.wait(lambda: engine.position("ETHUSDT", "bybit") and engine.position("DOTUSDT", "mexc"))
            engine.wait(lambda: at_rest(engine.state()))
            move(world)
            disturb(engine, world)
            yield from take(browser, engine.announcement()["private"], PICTURES, folder, whole=whole)


@contextmanager
def sized(place: Path, accounts: int, symbols: int) -> Iterator[EngineProcess]:
    """Run an engine with that many paper accounts and symbols, half of which are held."""
    names = SYMBOLS[:symbols]
    mapped = {symbol: symbol for symbol in names}
    weights = {"tradingview": 0.02, "momentum": 0.02} if accounts > 1 else {"tradingview": 0.1}
    tree = {
        **PLAIN,
        "engine": {"resync": "20s"},
        "sources": {name: {"plugin": "tradingview", "symbols": mapped} for name in weights},
        "accounts": {f"paper-{number}": {"plugin": "paper", "balance": 10000} for number in range(accounts)},
        "symbols": {symbol: {"leverage": 3, "weights": weights} for symbol in names},
        "limits": {"account_exposure": 20_000, "symbol_exposure": 1_500 if accounts > 1 else 4_500},
    }
    home = Home(place / f"{accounts}x{symbols}", tree)
    home.write_secrets(tomlkit.dumps(secrets(sources={name: {"token": TOKEN} for name in weights})))
    with EngineProcess(home) as engine:
        engine.until_ready()
        for number in range(0, min(symbols, len(COINS)), 2 if accounts > 1 else 1):
            send(engine, number, ("long", "short", "long", "flat")[number // 2 % 4], f"{60 + number}/100")
        engine.wait(engine.at_rest, within=60)
        if accounts > 1:
            engine.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "1/100"})
            engine.command("halt", accounts=["paper-1"], reason="exchange maintenance")
            engine.command("pause", sources=["momentum"], reason="being tuned")
        engine.wait(lambda: at_rest(engine.state()))
        yield engine


def layouts(browser: Browser, folder: Path, *, whole: bool) -> Iterator[Path]:
    """Capture the first page in every size, width and scheme."""
    with tempfile.TemporaryDirectory() as scratch:
        for accounts, symbols in SIZES:
            begin = f"layout-{accounts}x{symbols}-"
            with sized(Path(scratch), accounts, symbols) as engine:
                wanted = tuple(one for one in LAYOUTS if one[0].startswith(begin))
                yield from take(browser, engine.announcement()["private"], wanted, folder, whole=whole)


def weekend(browser: Browser, folder: Path, *, whole: bool) -> Iterator[Path]:
    """Capture the pages after a weekend on virtual time, from the engine that it leaves running."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "weekend"
        many = ["--hours", str(HOURS), "--alerts", str(ALERTS), "--stay"]
        command = [sys.executable, "-m", "tests.weekend", str(home), *many]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as lived:
            try:
                assert lived.stdout is not None
                next(line for line in lived.stdout if "goes on until" in line)
                announced = json.loads((home / "state" / "engine.json").read_text())
                token = tomllib.loads((home / ".secrets.toml").read_text())["listen"]["private"]["token"]
                asked = urllib.request.Request(
                    f"{announced['private']}/api/v1/state", headers={"Authorization": f"Bearer {token}"}
                )
                eventually(lambda: at_rest(json.load(urllib.request.urlopen(asked))))
                yield from take(browser, announced["private"], WEEKEND, folder, token=token, whole=whole)
            finally:
                lived.terminate()


SETS = {"guide": (guide, PICTURES), "layouts": (layouts, LAYOUTS), "weekend": (weekend, WEEKEND)}


def main() -> None:
    """Draw the pictures, and record the digest of their sources."""
    parser = argparse.ArgumentParser(prog="python -m tests.page.screenshots", description=__doc__)
    parser.add_argument("--only", choices=SETS, action="append")
    parser.add_argument("--into", type=Path, default=FOLDER)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    if not CHROMIUM:
        raise SystemExit(MISSING)
    folder: Path = given.into
    folder.mkdir(exist_ok=True)
    with chromium() as browser:
        for name in given.only or SETS:
            for path in SETS[name][0](browser, folder, whole=given.whole):
                print(path.name, path.stat().st_size, flush=True)
    if folder == FOLDER and not given.only and not given.whole:
        SOURCE.write_text(f"{digest()}\n")


if __name__ == "__main__":
    main()
