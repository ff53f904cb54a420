"""docs/set-up.md: every row is there, its commands exist with their options, and its tests do."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from te_core.cli.main import app

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (SU-\d+)? ?\| (?P<what>[^|]+) \| (?P<commands>[^|]+) \| (?P<tests>[^|]+) \|$", re.M)
QUOTED = re.compile(r"`([^`]+)`")
SENTENCES = [f"SU-{number}" for number in range(1, 28)]


def rows(text: str) -> list[tuple[str, str, list[str], list[str]]]:
    """Return number, sentence, commands and tests of each row."""
    return [
        (
            match[1] or "",
            match["what"].strip(),
            QUOTED.findall(match["commands"]),
            QUOTED.findall(match["tests"]),
        )
        for match in ROW.finditer(text)
        if match["commands"].strip() not in {"with", "---"}
    ]


@pytest.fixture(scope="module")
def guide() -> str:
    return (ROOT / "docs" / "set-up.md").read_text(encoding="utf-8")


def problem_with(command: str) -> str:
    """Return why a command does not exist; empty if it does. Nothing is run."""
    program, *words = shlex.split(command)
    if program == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        return "" if re.search(rf"^{words[0]}:", makefile, re.M) else f"make has no {words[0]}"
    if program != "te":
        return f"{program} is not of this program"
    found: Any = get_command(app)
    while isinstance(found, TyperGroup):
        if not words or (inner := found.commands.get(words[0])) is None:
            return f"te has no command {' '.join(words[:1])}"
        found, words = inner, words[1:]
    try:
        found.make_context(found.name, list(words))
    except Exception as error:  # noqa: BLE001 - whatever the parser raises
        return str(error)
    return ""


def problem_with_test(name: str) -> str:
    path, _, function = name.partition("::")
    if not (ROOT / path).is_file():
        return f"there is no {path}"
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return "" if not function or function in names else f"{path} has no {function}"


def problems(text: str) -> list[str]:
    found = rows(text)
    listed = [number for number, *_ in found if number]
    wrong = [f"{number} has no row" for number in SENTENCES if number not in listed]
    wrong += [f"{number} is not one of them, or twice" for number in listed if listed.count(number) != 1]
    for number, what, commands, tests in found:
        wrong += [f"{number}: no sentence"] * (len(what) < 20)
        wrong += [f"{number}: no command"] * (not commands) + [f"{number}: no test"] * (not tests)
        wrong += [f"{number}: {why}" for command in commands if (why := problem_with(command))]
        wrong += [f"{number}: {why}" for test in tests if (why := problem_with_test(test))]
    return wrong


def test_every_sentence_has_a_command_and_a_test(guide: str) -> None:
    assert problems(guide) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("| SU-12 |", "| SU-29 |", "SU-12 has no row"),
        ("`te configure mappings`", "`te configure`", "Missing parameter"),
        ("--quarantine", "--quarantined", "No such option"),
        ("`te settings undo`", "`te settings redo`", "te has no command redo"),
        ("`make clean`", "`make tidy`", "make has no tidy"),
        ("test_one_by_one_keeps", "test_one_by_one_loses", "has no test_one_by_one_loses"),
        ("`te explain BTCUSDT`, `te plan`", "the page", "SU-23: no command"),
    ],
)
def test_what_is_not_so_is_found(guide: str, old: str, new: str, found: str) -> None:
    assert old in guide
    assert any(found in problem for problem in problems(guide.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("exchange", "asked"),
    [
        ("bybit", ["api_key", "secret"]),
        ("mexc", ["api_key", "secret"]),
        ("blofin", ["api_key", "secret", "password"]),
        ("kucoin", ["api_key", "secret", "password"]),
    ],
)
def test_an_exchange_is_asked_for_exactly_its_credentials(
    tmp_path: Path, exchange: str, asked: list[str]
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[accounts.main]\nplugin = "{exchange}"\n[accounts.paper]\nplugin = "paper"\n')
    answers = "".join(f"answer-{key}\n" for key in asked) + "n\ny\n"
    command = ["--settings", str(settings), "configure", "credentials", "--no-try"]
    result = CliRunner().invoke(app, command, input=answers)
    assert result.exit_code == 0, result.output
    assert re.findall(r"^(\w+): ", result.output, re.M) == asked
    secrets = (tmp_path / ".secrets.toml").read_text()
    assert all(f'{key} = "answer-{key}"' in secrets for key in asked)
    assert (tmp_path / ".secrets.toml").stat().st_mode & 0o077 == 0
