"""Wizards at a terminal of 80 columns: no line is wider, and every question states its subject and its default."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest

from tests.end_to_end.home import PLAIN, Home
from tests.end_to_end.terminal import Terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ASKED = re.compile(r": $")
DEFAULT = re.compile(
    r"(\[[^\]]+\]|now .+|default .+|is set|not set|required|, (Enter|-) (for none|ends)|new)(, - for none)?: ?$"
)
SCREEN = re.compile(r"^\[[a-z0-9._-]+\].*\n(?:(?!\[).*\n)*?(?=Which ones|Which groups)", re.M)
"""From the heading of a table to the question about it."""
KEY = re.compile(r"^(now .+|default .+|is set|not set|required): ?$")

LONG = "A_RATHER_LONG_SPELLING:1000PEPEUSDT.P"
TALKS = {
    "limits": (["configure", "limits"], ["1 4", "2 6", "-1", "20000", "x", "0.02", "", "n"]),
    "engine, every key": (["configure", "engine", "--all"], [""] * 11),
    "listeners": (["configure", "listen"], ["client_ca 3", "", "10.0.0.1, 10.0.0.2", "a", *[""] * 5, "y"]),
    "a new source": (
        ["configure", "bittensor"],
        [
            "sn8",
            "v.example.org",
            "https://v.example.org/miner-positions",
            "K",
            "y",
            "1 3 7 9",
            *["a", *[""] * 8],
            *["6", "3", "", "2", "0.3", "5", "1h", "y"],
        ],
    ),
    "mappings": (
        ["configure", "mappings"],
        ["x", "m", *[""] * 2, "TAOUSD", "", f"{LONG} ETHUSDT", "y", "b", "BTCUSD BTCUSDT", "b", "", "y"],
    ),
    "an account": (["configure", "paper"], ["1 2", "2", "5000", "drift leverage", "heal", "0", "3", "y"]),
    "weights": (["configure", "weights"], ["30", "4", "0.95", "", *[""] * 2, "n", "y"]),
    "a symbol": (["add", "symbol", "TAOUSDT"], ["2", "0.05", "TAOUSD", "y"]),
    "a notifier": (
        ["configure", "notifiers"],
        ["", "phone", "https://example.org/x", "y", "a", *[""] * 8, "y"],
    ),
}


def plain(shown: str) -> list[str]:
    """Return the lines as they appear on the screen."""
    return ESCAPES.sub("", shown).replace("\r", "").split("\n")


def talk(home: Home, arguments: list[str], answers: list[str]) -> tuple[str, list[list[str]]]:
    """Type the answers to the prompts. Returns all output, and the lines up to each question."""
    terminal = Terminal(home, *arguments)
    questions = []
    for answer in [*answers, *[""] * 20]:
        try:
            terminal.until(ASKED.pattern)
        except OSError:  # it ended
            break
        questions.append(plain(terminal.shown)[-9:])
        terminal.type(answer + "\n")
    assert terminal.end() in {0, 1}, terminal.shown
    return terminal.shown.replace(str(home.settings.parent), "…"), questions


@pytest.mark.parametrize("name", TALKS)
def test_every_screen_fits_and_every_question_explains_itself(name: str, tmp_path: Path) -> None:
    tree = copy.deepcopy(PLAIN)
    home = Home(tmp_path / "home", tree)
    arguments, answers = TALKS[name]
    shown, questions = talk(home, arguments, answers)
    assert len(questions) >= 4, shown
    assert [line for line in plain(shown) if len(line) > 80] == []
    assert "Traceback" not in shown
    screens = SCREEN.findall("\n".join(plain(shown)))
    assert len(screens) >= shown.count("Numbers or keys")
    assert [screen for screen in screens if screen.count("\n") > 22] == []
    for lines in questions:
        asked = lines[-1].strip()
        assert DEFAULT.search(asked), lines
        if KEY.search(asked):
            assert re.search(r"^[a-z_.]+: \w", "\n".join(lines[:-1]), re.M), lines


def test_a_line_that_is_too_wide_would_be_found() -> None:
    assert [line for line in plain("\x1b[1m" + "x" * 81 + "\x1b[0m\r\nshort\r\n") if len(line) > 80]
    assert not DEFAULT.search("  your symbol: ")
