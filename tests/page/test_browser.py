"""The page in a browser: Debian's Chromium, on an engine with paper money. Nothing leaves this machine."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import tomlkit

from te_core.page.ages import span
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.tabs import WIDTHS, accessible, expect, fits, live
from tests.page.visiting import secrets

pytestmark = [pytest.mark.real_clock, pytest.mark.page]

ACCOUNTS = 10
COINS = (
    *(
        "BTC",
        "ETH",
        "SOL",
        "XRP",
        "DOGE",
        "ADA",
        "BNB",
        "TRX",
        "AVAX",
        "LINK",
        "SUI",
        "TAO",
        "HYPE",
        "LTC",
        "DOT",
    ),
    *(
        "NEAR",
        "BCH",
        "UNI",
        "AAVE",
        "ATOM",
        "APT",
        "ARB",
        "OP",
        "FIL",
        "ETC",
        "XLM",
        "HBAR",
        "INJ",
        "ICP",
        "TON",
    ),
)
"""The symbols of a paper account; the others are only in the settings."""
SYMBOLS = [f"{coin}USDT" for coin in (*COINS, *(f"OTHER{number}" for number in range(10)))]
PAGES = ("/", "/why/ETHUSDT?account=paper-1", "/account/paper-1", "/activity", "/money", "/do/flatten/all")
ROW_POSITIONS = """[...document.querySelectorAll("[data-row^=a-], [data-row^=r-]")].map((row) => {
    const top = row.getBoundingClientRect().top;
    return [row.dataset.row, top - row.closest("table").getBoundingClientRect().top, top];
})"""
"""Each row's name, its position in its table, and its position on the screen."""
CUT = "(frames) => frames.map((frame) => frame.scrollWidth > frame.clientWidth)"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Ten accounts and forty symbols, half of which are held: the largest page that is promised to be quick."""
    symbols = {symbol: symbol for symbol in SYMBOLS}
    tree = {
        **PLAIN,
        "engine": {"resync": "20s"},
        "sources": {
            name: {"plugin": "tradingview", "symbols": symbols} for name in ("tradingview", "momentum")
        },
        "accounts": {
            f"paper-{number}": {"plugin": "paper", "balance": 10000, "fee": 0} for number in range(ACCOUNTS)
        },
        "symbols": {
            symbol: {"leverage": 3, "weights": {"tradingview": 0.01, "momentum": 0.01}} for symbol in symbols
        },
        "limits": {"account_exposure": 20_000},
    }
    home = Home(tmp_path_factory.mktemp("browser") / "home", tree)
    tokens = {name: {"token": TOKEN} for name in ("tradingview", "momentum")}
    home.write_secrets(tomlkit.dumps(secrets(sources=tokens)))
    with EngineProcess(home) as started:
        started.until_ready()
        for number in range(0, len(COINS), 2):
            send(started, number, "long" if number % 4 else "short", "90/100")
        started.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "1/100"})
        started.wait(started.at_rest, within=30)
        yield started


def send(engine: EngineProcess, number: int, direction: str, size: str, price: str = "50") -> None:
    action = {"long": "buy", "short": "sell", "flat": "sell"}[direction]
    engine.accept(symbol=SYMBOLS[number], direction=direction, action=action, size=size, price=price)


def test_no_page_is_wider_than_its_window_and_stop_is_in_sight(tab: Any) -> None:
    one = tab(width=WIDTHS[0])
    for path in PAGES:
        one.page.goto(path)
        for width in WIDTHS:
            fits(one.page, width)
            cut = one.page.locator("section[aria-labelledby=h-sources] .frame").evaluate_all(CUT)
            assert width < 768 or not any(cut), f"a button of a source is cut off at {width}"
            cut = one.page.locator(".frame:has(> .matrix)").evaluate_all(CUT)
            assert width < 1440 or not any(cut), "all accounts and the net fit a desk"


def test_axe_finds_nothing_on_the_largest_page(tab: Any) -> None:
    one = tab()
    one.page.goto("/")
    accessible(one.page, ((375, "light"), (1440, "dark")))


def test_no_row_or_page_moves_while_alerts_arrive(tab: Any, engine: EngineProcess) -> None:
    one = tab(width=375)
    one.page.goto("/")
    live(one.page)
    one.page.evaluate("scrollTo(0, document.getElementById('positions').offsetTop)")
    before = one.page.evaluate(ROW_POSITIONS)
    for number in range(50):
        send(engine, number % len(COINS), "short" if number % 3 else "long", f"{30 + number}/100")
    engine.wait(engine.at_rest)
    one.page.locator('[data-row="r-ETHUSDT"].held').wait_for()
    after = one.page.evaluate(ROW_POSITIONS)
    assert [row for row, *_ in after] == [row for row, *_ in before], "their order is that of the settings"
    for (row, inside, there), (_, inside_before, there_before) in zip(after, before, strict=True):
        assert abs(inside - inside_before) <= 1, f"{row} is elsewhere in its table"
        if 0 < there_before < 800:
            assert abs(there - there_before) <= 1, f"{row} moved on the screen"


def test_focus_and_what_is_unfolded_survive_twenty_patches(tab: Any, engine: EngineProcess) -> None:
    engine.command("target", accounts=["paper-0"], symbol="TONUSDT", depth="0.01")  # a note, so it is folded
    one = tab()
    one.page.goto("/")
    live(one.page)
    notes = one.page.locator("details[data-keep]").first
    notes.locator("summary").click()
    kept = one.page.locator(f'details[data-keep="{notes.get_attribute("data-keep")}"]')
    one.page.locator("#c-paper-0-SOLUSDT").focus()
    for number in range(20):
        row = one.page.locator('[data-part="r-SOLUSDT"]').element_handle()
        attention = one.page.locator('[data-part="attention"]').element_handle()
        send(engine, 2, "long", f"{30 + number}/100")
        if number % 5 == 0:
            engine.command("halt" if number % 10 else "resume", accounts=["paper-4"], reason="x")
            engine.command("resume" if number % 10 else "halt", accounts=["paper-5"], reason="x")
            attention.wait_for_element_state("hidden")
        row.wait_for_element_state("hidden")  # replaced
        assert one.page.evaluate("document.activeElement.id") == "c-paper-0-SOLUSDT"
        assert kept.get_attribute("open") is not None
    assert one.page.title() == "■ HALTED · Now · trade-engine"
    engine.command("resume", accounts=["paper-0", "paper-4", "paper-5"])


def test_the_keyboard_reaches_all_and_a_sheet_returns_the_focus(tab: Any) -> None:
    one = tab()
    one.page.goto("/")
    live(one.page)
    order = []
    for _ in range(12):
        one.page.keyboard.press("Tab")
        order.append(one.page.evaluate("document.activeElement.textContent.trim()"))
    assert order[0] == "Skip to content"
    first = order.index("Now")
    assert order[first : first + 5] == ["Now", "Positions", "Activity", "Money", "■ Stop…"]
    chips = order[2:first]
    assert chips
    assert all("▲" in chip or chip in {"Ready", "Halted"} for chip in chips)
    cell = one.page.locator("#c-paper-0-SOLUSDT")
    cell.focus()
    one.page.keyboard.press("Enter")
    sheet = one.page.get_by_role("dialog", name="SOLUSDT on paper-0")
    sheet.wait_for()
    assert "How the target was calculated" in sheet.inner_text()
    one.page.keyboard.press("Escape")
    sheet.wait_for(state="detached")
    assert one.page.evaluate("document.activeElement.id") == "c-paper-0-SOLUSDT"


def test_filters_need_no_script_and_hide_what_is_not_asked_for(tab: Any, engine: EngineProcess) -> None:
    engine.wait(engine.at_rest)
    one = tab(script=False)
    one.page.goto("/")
    rows, shown = one.page.locator(".matrix tbody tr"), one.page.locator(".matrix tbody tr:visible")
    assert rows.count() == len(SYMBOLS)
    one.page.get_by_text("Held", exact=True).click()
    assert 0 < shown.count() < len(SYMBOLS)
    one.page.get_by_text("Not at target", exact=True).click()
    off = one.page.locator(".matrix tbody tr.off").count()
    assert shown.count() == off
    one.page.get_by_text("All", exact=True).click()
    assert shown.count() == len(SYMBOLS)
    cell = one.page.locator("#c-paper-0-SOLUSDT")
    worth = cell.inner_text()
    one.page.get_by_text("Size", exact=True).click()
    assert cell.inner_text() != worth


def test_the_whole_way_to_a_halt_and_back_works_without_script(tab: Any, engine: EngineProcess) -> None:
    one = tab(width=375, script=False)
    one.page.goto("/")
    one.page.get_by_role("link", name="■ Stop…").click()
    one.page.get_by_role("link", name="paper-5").click()
    one.page.get_by_label("Reason").fill("no script")
    one.page.get_by_role("button", name="■ Halt paper-5").click()
    one.page.get_by_text("Done").wait_for()
    assert "no script" in engine.state()["commands"][0]["text"]
    one.page.get_by_role("link", name="Resume…").click()
    if (tick := one.page.get_by_role("checkbox")).count():
        tick.check()
    one.page.get_by_role("button", name="Resume paper-5").click()
    one.page.get_by_text("Done").wait_for()
    assert engine.state()["commands"] == []


def test_a_silent_engine_is_shown_and_stop_stays(tab: Any, engine: EngineProcess) -> None:
    one = tab()
    one.page.clock.install()
    one.page.goto("/")
    one.page.clock.run_for(1000)
    live(one.page)
    engine.process.send_signal(signal.SIGSTOP)
    try:
        one.page.clock.run_for(12_000)
        status = one.page.locator("#live")
        assert status.inner_text().startswith("NOT LIVE for 1")
        assert "stale" in (one.page.locator("body").get_attribute("class") or "")
        assert one.page.get_by_role("link", name="■ Stop…").is_enabled()
    finally:
        engine.process.send_signal(signal.SIGCONT)
    one.page.clock.run_for(3000)
    expect(status).to_have_text("live")
    expect(one.page.locator("body.stale")).to_have_count(0)


def test_ages_are_counted_on_in_the_words_that_the_engine_writes(tab: Any) -> None:
    one = tab()
    one.page.goto("/")
    live(one.page)
    seconds = (130, 3000, 7300, 90_000, 200_000)
    forms = ("", "ago", "for")
    found = one.page.evaluate(
        """([seconds, forms]) => seconds.flatMap((age) => forms.map((form) => {
            const element = document.createElement("time");
            element.dateTime = new Date(Date.now() - age * 1000).toISOString();
            element.dataset.age = form;
            document.querySelector("main").append(element);
            return [age, form];
        }))""",
        [seconds, forms],
    )
    expect(one.page.locator("main > time").last).not_to_have_text("")
    texts = one.page.locator("main > time").all_inner_texts()
    words = {"": "{}", "ago": "{} ago", "for": "for {}"}
    assert texts == [words[form].format(span(age)) for age, form in found]


def test_what_is_injected_is_refused(tab: Any) -> None:
    one = tab()
    one.page.goto("/")
    refused = one.page.evaluate(
        """() => new Promise((done) => {
            const found = [];
            document.addEventListener("securitypolicyviolation", (event) => found.push(event.effectiveDirective));
            const script = document.createElement("script");
            try { script.textContent = "window.acted = true"; } catch { found.push("trusted types"); }
            document.body.append(script);
            try { document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.acted = true'>"); }
            catch { found.push("trusted types"); }
            const image = document.createElement("img");
            image.src = "https://elsewhere.example/x.png";
            document.body.append(image);
            setTimeout(() => done([window.acted === true, found]), 300);
        })"""
    )
    assert refused[0] is False
    assert {"trusted types", "img-src"} <= set(refused[1])
    one.complaints.clear()  # a problem was reported, as it should
    one.elsewhere.clear()


def test_the_largest_page_is_small_and_soon_there(tab: Any, engine: EngineProcess) -> None:
    del engine
    one = tab(width=375)
    sizes: dict[str, int] = {}
    one.page.on(
        "requestfinished",
        lambda request: sizes.__setitem__(
            request.url.rpartition("/")[2].partition("?")[0], request.sizes()["responseBodySize"]
        ),
    )
    one.page.goto("/")
    live(one.page)
    assert sizes[""] <= 20 * 1024, sizes
    assert sizes["app.css"] + sizes["app.js"] <= 10 * 1024, sizes
