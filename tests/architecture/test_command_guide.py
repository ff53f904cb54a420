"""docs/operations.md lists every command of ``te`` with its options and exit codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from te_core.cli.failure import ExitCode
from te_core.cli.main import app

ROW = re.compile(
    r"^\| `te (?P<name>[a-z0-9 -]*[a-z0-9])(?: [A-Z]+…?)*` \| (?P<what>.+?) \| (?P<options>.*?) ?\|$", re.M
)


def commands() -> Iterator[tuple[str, set[str], str]]:
    """Yield (name, long options, help) of every command."""
    pending = [("", get_command(app))]
    while pending:
        name, command = pending.pop()
        if isinstance(command, TyperGroup):
            pending += [(f"{name} {inner}".strip(), found) for inner, found in command.commands.items()]
        else:
            options = {
                option for parameter in command.params for option in parameter.opts if option[:2] == "--"
            }
            yield name, options - {"--help"}, command.help or ""


@pytest.fixture(scope="session")
def rows(root: Path) -> dict[str, set[str]]:
    text = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    return {
        match["name"]: set(re.findall(r"`(--[a-z-]+)`", match["options"])) for match in ROW.finditer(text)
    }


def test_every_command_is_listed_with_its_options(rows: dict[str, set[str]]) -> None:
    assert rows == {name: options for name, options, _ in commands()}


def test_every_command_shows_an_example_of_itself() -> None:
    for name, _, text in commands():
        assert f"Example: te {name}" in text


def test_every_exit_code_is_listed(root: Path) -> None:
    text = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    listed = {int(number) for number in re.findall(r"^\| (\d) \| ", text, re.M)}
    assert listed == {code.value for code in ExitCode}
