"""``te plugin new``: names, folders, and what is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from typer.testing import CliRunner

from te_core import __version__
from te_core.cli.main import app
from te_core.errors import CommandFailed
from te_core.plugin_kit.kinds import KINDS, LONGEST_NAME, core_bounds, naming
from te_core.plugin_kit.writing import files, write

SHORT, LONG = "a", "zz_top_of_the_long_names"


def new(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["plugin", "new", *arguments])
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("wrong", "usable"),
    [
        ("My-Source", "my_source"),
        ("9gate", "gate"),
        ("MyGate", "my_gate"),
        ("two__scores", "two_scores"),
        ("trailing_", "trailing"),
        ("Ünï", "n"),
        ("…", "my_plugin"),
        ("x" * 30, "x" * LONGEST_NAME),
        ("../evil", "evil"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused_with_one_that_can(
    wrong: str, usable: str, tmp_path: Path
) -> None:
    code, shown = new("source", wrong, "--dir", str(tmp_path))
    assert code == 1
    assert f"te plugin new source {usable}" in shown
    assert naming("source", usable).name == usable
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    there = tmp_path / "te-signals-oracle"
    there.mkdir()
    (there / "mine.txt").write_text("mine")
    code, shown = new("source", "oracle", "--dir", str(tmp_path))
    assert code == 1
    assert f"{there} is there already" in shown
    assert [path.name for path in there.iterdir()] == ["mine.txt"]


def test_a_name_that_an_installed_plugin_has_is_refused(tmp_path: Path) -> None:
    code, shown = new("exchange", "paper", "--dir", str(tmp_path))
    assert code == 2
    assert "te-exchange-paper offers a plugin named 'paper' already" in shown


def test_an_exchange_that_ccxt_does_not_know_is_refused(tmp_path: Path) -> None:
    code, shown = new("ccxt-exchange", "mine", "--dir", str(tmp_path))
    assert code == 2
    assert "ccxt knows no exchange 'mine'" in shown
    assert "te plugin new ccxt-exchange mine --exchange ID" in shown
    code, shown = new("ccxt-exchange", "mine", "--exchange", "gat", "--dir", str(tmp_path))
    assert "did you mean 'gate'?" in shown
    code, shown = new("exchange", "mine", "--exchange", "gate", "--dir", str(tmp_path))
    assert code == 2
    assert list(tmp_path.iterdir()) == []


def test_an_author_that_would_break_the_metadata_is_refused(tmp_path: Path) -> None:
    code, shown = new("source", "oracle", "--author", 'A "B"', "--dir", str(tmp_path))
    assert code == 1
    assert "without quotes" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_next_commands_are_shown(tmp_path: Path) -> None:
    code, shown = new("notifier", "bell", "--author", "Ada", "--dir", str(tmp_path / "with space"))
    assert code == 0
    folder = tmp_path / "with space" / "te-notify-bell"
    assert f"cd '{folder}'" in shown
    for command in ('pip install -e ".[test]"', "pytest", "te plugin dev .", "te plugin check ."):
        assert command in shown
    assert "Ada" in (folder / "LICENSE").read_text()
    assert 'authors = [{ name = "Ada" }]' in (folder / "pyproject.toml").read_text()
    assert (folder / ".github" / "workflows" / "test.yml").exists()
    assert (folder / ".gitignore").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_template_is_left_in_what_is_written(kind: str) -> None:
    written = files(naming(kind, "acme"), author="", year=2026, exchange_id="gate")
    names = {str(path) for path in written}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", ".github/workflows/test.yml"} <= names
    for path, text in written.items():
        assert "PACKAGE" not in str(path)
        assert "NAME" not in str(path)
        assert "TESTS" not in str(path)
        left = text.replace("${{ matrix.python }}", "")
        assert "$" not in left, path
        assert text.endswith("\n") or not text


def test_the_workflow_has_the_expression_that_it_needs() -> None:
    written = files(naming("source", "acme"), author="", year=2026)
    assert "${{ matrix.python }}" in written[PurePosixPath(".github/workflows/test.yml")]


def test_what_cannot_be_written_whole_is_not_written(tmp_path: Path) -> None:
    target = tmp_path / "plugin"
    with pytest.raises(CommandFailed, match="cannot be written"):
        write(target, {PurePosixPath("a"): "x", PurePosixPath("a/b"): "y"})
    assert not target.exists()


def test_a_plugin_is_made_for_the_core_that_writes_it() -> None:
    assert core_bounds("0.1.0") == ">=0.1,<0.2"
    assert core_bounds("0.9.3") == ">=0.9,<0.10"
    assert core_bounds("2.4.1") == ">=2.4,<3"
    text = files(naming("ccxt-exchange", "acme"), author="", year=2026)[PurePosixPath("pyproject.toml")]
    assert f'"te-core{core_bounds(__version__)}"' in text
    assert f'"te-exchange-ccxt{core_bounds(__version__)}"' in text


def test_a_written_plugin_keeps_to_its_style_whatever_its_name(tmp_path: Path) -> None:
    for name in (SHORT, LONG):
        for kind in KINDS:
            named = naming(kind, name)
            write(tmp_path / name / kind, files(named, author="", year=2026, exchange_id="gate"))
    assert len(LONG) == LONGEST_NAME
    for command in (("format", "--check"), ("check", "--output-format", "concise")):
        ruff = (sys.executable, "-m", "ruff", *command, "--no-cache", str(tmp_path))
        done = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


PROMISED = re.compile(r"te_core\.(api|testing)\b|te_exchange_ccxt\.api\b")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_imports_only_names_that_are_promised(kind: str) -> None:
    named = naming(kind, "acme")
    written = files(named, author="", year=2026, exchange_id="gate")
    imported = re.compile(r"^\s*(?:from|import) (te_(?:core|exchange_ccxt)\S*)", re.M)
    found = {
        module for path, text in written.items() if path.suffix == ".py" for module in imported.findall(text)
    }
    assert found
    assert [module for module in found if PROMISED.match(module) is None] == []
