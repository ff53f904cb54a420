"""Tabs of a signed-in browser, and all problems that they report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

HEIGHT = 800
WIDTHS = (320, 375, 768, 1440)
LOOKS: tuple[tuple[int, Scheme], ...] = ((375, "light"), (375, "dark"), (1440, "light"), (1440, "dark"))
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
Scheme = Literal["light", "dark"]


class Opened:
    """A tab, its reported problems, and its requests to other hosts."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "request",
            lambda request: (
                self.elsewhere.append(request.url) if not request.url.startswith(origin) else None
            ),
        )


def expect(locator: Locator) -> Any:
    """Wait for a condition of an element. (The page's policy refuses evaluated strings.)"""
    from playwright.sync_api import expect as wait

    return wait(locator)


def live(page: Page) -> None:
    """Wait until the stream is up."""
    expect(page.locator("#live")).to_have_text("live", timeout=30_000)


def fits(page: Page, width: int) -> None:
    """Set the window's width: nothing is wider, and *Stop* is visible."""
    page.set_viewport_size({"width": width, "height": HEIGHT})
    found = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert found == [width, width], f"{page.url} at {width}: {found}"
    box = page.locator("nav.pages .stop").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width, f"Stop is off the screen of {page.url} at {width}"
    assert box["y"] + box["height"] <= HEIGHT


def accessible(page: Page, windows: tuple[tuple[int, Scheme], ...] = LOOKS) -> None:
    """Check that axe finds no problems on a page in several widths and schemes."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    for width, scheme in windows:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour in mid-transition
        # injected past the content security policy, which applies to the page and not to what the driver evaluates
        found = Axe().run(page, options=AXE)
        assert found.violations_count == 0, f"{page.url}, {width} px, {scheme}: {found.generate_report()}"
