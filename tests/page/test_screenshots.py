"""The pictures in the documentation show the page as it is."""

from __future__ import annotations

from tests.page.screenshots import FOLDER, LAYOUTS, PICTURES, SOURCE, WEEKEND, digest

NAMES = {name for name, *_ in (*PICTURES, *LAYOUTS, *WEEKEND)}


def test_the_pictures_show_the_current_page() -> None:
    assert SOURCE.read_text().strip() == digest(), "take them again: python -m tests.page.screenshots"
    assert {path.stem for path in FOLDER.glob("*.png")} == NAMES
    guide = (FOLDER.parent / "page.md").read_text(encoding="utf-8")
    assert [name for name in NAMES if f"page/{name}.png" not in guide] == []
