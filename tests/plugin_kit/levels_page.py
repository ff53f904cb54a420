"""docs/plugin-levels.md as the table in code says it: ``python -m tests.plugin_kit.levels_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from te_core.plugin_kit.levels import table

PAGE = Path(__file__).parents[2] / "docs" / "plugin-levels.md"
INTRODUCTION = """\
# Quality levels of plugins

`te plugin check PATH` reports how far a plugin is and what the next level needs, and prints a badge. Each level needs
what the one before it needs. What cannot be checked, because mypy or pytest is not installed, is not met.

    te plugin check . --at-least silver --badge badge.svg

A package as `te plugin new` writes it is silver. What is left for gold is for its author to say.

"""


def page() -> str:
    """Return the text of the page."""
    return INTRODUCTION + "\n".join(table()).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
