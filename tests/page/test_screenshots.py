"""The pictures in the documentation show the page as it is."""

from __future__ import annotations

from tests.page.screenshots import FOLDER, PICTURES, SOURCE, digest


def test_the_pictures_were_taken_of_this_page() -> None:
    assert SOURCE.read_text().strip() == digest(), "take them again: python -m tests.page.screenshots"
    assert {path.stem for path in FOLDER.glob("*.png")} == {name for name, *_ in PICTURES}
    guide = (FOLDER.parent / "page.md").read_text(encoding="utf-8")
    assert [name for name, *_ in PICTURES if f"page/{name}.png" not in guide] == []
