"""One account on a phone: what fits, sheets, stopping, and all of it without script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.engine_process import EngineProcess
from tests.page.tabs import HEIGHT, WIDTHS, expect, fits, live

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.real_clock, pytest.mark.page]

PHONE = 375
PAGES = (
    *("/", "/why/BTCUSDT?account=paper", "/account/paper", "/activity", "/money"),
    *("/do/halt/all", "/do/flatten/all", "/do/pause/tradingview"),
)


@pytest.fixture(scope="module")
def engine(paper: EngineProcess) -> EngineProcess:
    return paper


@pytest.fixture(autouse=True)
def as_before(engine: EngineProcess) -> Iterator[None]:
    """Remaining halts are lifted, and both positions are restored."""
    yield
    engine.command("resume", accounts=[], reason="the test is over")
    engine.wait(lambda: engine.position("BTCUSDT") and engine.position("ETHUSDT") and engine.at_rest())


def test_no_page_is_wider_than_its_window_with_one_account(tab: Any) -> None:
    one = tab()
    for path in PAGES:
        one.page.goto(path)
        for width in WIDTHS:
            fits(one.page, width)


def test_a_sheet_rises_from_the_lower_edge_and_returns_the_focus(tab: Any, engine: EngineProcess) -> None:
    one = tab(width=PHONE)
    one.page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    one.page.goto("/")
    live(one.page)
    cell, sheet = (
        one.page.locator("#c-paper-BTCUSDT"),
        one.page.get_by_role("dialog", name="BTCUSDT on paper"),
    )
    cell.focus()
    one.page.keyboard.press("Enter")
    sheet.wait_for()
    box = sheet.bounding_box()
    assert box is not None
    assert (box["x"], box["width"]) == (0, PHONE)
    assert round(box["y"] + box["height"]) == HEIGHT
    assert one.page.evaluate("document.documentElement.scrollWidth") == PHONE
    # the element that opened it is replaced meanwhile
    row = one.page.locator('[data-part="r-BTCUSDT"]').element_handle()
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="60/100", price="65000")
    row.wait_for_element_state("hidden")
    assert sheet.is_visible()
    one.page.keyboard.press("Escape")
    sheet.wait_for(state="detached")
    assert one.page.evaluate("document.activeElement.id") == "c-paper-BTCUSDT"
    for outside in (False, True):
        cell.click()
        sheet.wait_for()
        if outside:
            one.page.mouse.click(PHONE / 2, 5)
        else:
            sheet.get_by_role("button", name="Close").click()
        sheet.wait_for(state="detached")
        assert one.page.evaluate("document.activeElement.id") == "c-paper-BTCUSDT"
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")


def in_sight(page: Page, name: str) -> None:
    """Check that a button can be pressed without scrolling."""
    box = page.get_by_role("button", name=name).bounding_box()
    assert box is not None
    assert 0 <= box["x"] < box["x"] + box["width"] <= PHONE
    assert 0 <= box["y"] < box["y"] + box["height"] <= HEIGHT


@pytest.mark.parametrize("script", [True, False])
def test_everything_closes_with_two_taps_and_opens_with_a_tick(
    tab: Any, engine: EngineProcess, *, script: bool
) -> None:
    one = tab(width=PHONE, script=script)
    page = one.page
    page.set_viewport_size({"width": PHONE, "height": HEIGHT})
    page.goto("/")
    page.get_by_role("link", name="■ Stop…").click()
    page.get_by_role("link", name="Close all").click()
    close = "■ Close 2 positions, then halt"
    in_sight(page, close)
    page.get_by_role("link", name="Cancel, change nothing").click()
    assert page.get_by_role("heading", name="Needs attention", exact=True).is_visible()
    assert engine.state()["commands"] == []
    page.goto("/do/flatten/all")
    page.get_by_label("Reason").fill("on a phone")
    page.keyboard.press("Enter")  # like the Go key of a phone's keyboard
    expect(page.get_by_role("heading", name="everything is closed")).to_be_visible(timeout=60_000)
    assert "on a phone" in page.locator("main").inner_text()
    assert engine.position("BTCUSDT") == engine.position("ETHUSDT") == 0
    page.go_back()
    assert engine.position("BTCUSDT") == 0, "going back does nothing"
    page.go_forward()
    page.get_by_role("link", name="Resume…").click()
    resume = page.get_by_role("button", name="Resume all accounts, 2 orders")
    resume.click()  # without the tick: the browser itself does not send it
    assert page.url.endswith("/do/resume/all")
    assert engine.state()["commands"] != []
    page.get_by_role("checkbox").check()
    in_sight(page, "Resume all accounts, 2 orders")
    resume.click()
    expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)
    engine.wait(lambda: engine.position("BTCUSDT") and engine.position("ETHUSDT"))
    assert engine.state()["commands"] == []


def test_every_page_is_whole_and_linked_without_script(tab: Any) -> None:
    page = tab(width=PHONE, script=False).page
    page.goto("/")
    assert page.locator('noscript meta[http-equiv="refresh"]').count() == 1
    assert page.locator("#live").inner_text() == ""
    for heading in ("Needs attention", "Accounts", "Positions", "Sources", "Limits and notifiers", "Equity"):
        assert page.get_by_role("heading", name=heading).first.is_visible(), heading
    assert page.locator("time[data-age]").first.inner_text() != ""
    page.locator("#c-paper-BTCUSDT").click()
    assert page.get_by_role("heading", name="BTCUSDT on paper").is_visible()
    assert page.get_by_role("heading", name="How the target was calculated").is_visible()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Now").click()
    page.locator("#a-paper").click()
    assert page.get_by_role("heading", level=1, name="paper").is_visible()
    assert page.locator("main").get_by_role("link", name="BTC").first.is_visible()
    page.get_by_role("link", name="Activity", exact=True).first.click()
    page.get_by_label("Symbol").select_option("ETHUSDT")
    page.get_by_role("button", name="Show").click()
    entries = page.locator(".stream > li")
    assert entries.count() > 0
    assert "BTCUSDT" not in page.locator(".stream").inner_text()
    page.get_by_role("link", name="Money").click()
    page.get_by_role("link", name="30d", exact=True).click()
    assert page.locator('a[aria-current="true"]').inner_text() == "30d"
    assert page.locator("figure svg, figure p").count() > 0
    page.goto("/do/pause/tradingview")
    page.get_by_role("link", name="Close its share").click()
    assert "Its share is closed" in page.locator("main").inner_text()
    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_label("Token").is_visible()
