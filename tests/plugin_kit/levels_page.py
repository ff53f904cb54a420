"""docs/plugin-levels.md, generated from the table in the code: ``python -m tests.plugin_kit.levels_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from te_core.plugin_kit.levels import table

PAGE = Path(__file__).parents[2] / "docs" / "plugin-levels.md"
INTRODUCTION = """\
# Quality levels of plugins

`te plugin check PATH` reports a plugin's level and what the next level requires, and prints a badge. Each level
includes the requirements of the previous one. A requirement that cannot be checked (mypy or pytest is not installed)
is not met.

    te plugin check . --at-least silver --badge badge.svg

A package written by `te plugin new` is silver. The rest for gold is up to its author.

A package states its level by a keyword in `[project]`, such as `trade-engine-silver`. `te plugins` shows what packages
state, and `te plugin check` reports when it is more than it finds.

"""


def page() -> str:
    """Return the text of the page."""
    return INTRODUCTION + "\n".join(table()).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
