"""The pages for authors show what the code says: whole examples, and complete tables."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import te_core.api
from te_core.api import ExchangeAccount
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.exchange_harness import Ability
from tests.architecture.author_pages import (
    ABILITY_TEXTS,
    FILE,
    METHODS,
    PAGES,
    TABLE,
    TABLES,
    files,
    filled,
    public_methods,
)
from tests.architecture.test_plugin_guide import run

CASES = {name.split("_")[1].upper() for name in dir(ExchangeConformance) if name.startswith("test_e")}


@pytest.mark.parametrize("page", files(), ids=lambda page: page.name)
def test_a_page_shows_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == files()[page], "run python -m tests.architecture.author_pages"


def test_a_page_that_differs_is_noticed() -> None:
    file = "examples/signals_feed/te_signals_feed/__init__.py"
    page = f"```python file={file}\nSTALE\n```\n<!-- harness -->\nSTALE\n<!-- /harness -->\n"
    assert "STALE" not in filled(page)
    assert '"""Depths from an address."""' in filled(page)


def test_every_example_and_every_table_is_shown(root: Path) -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    shown = {found["file"].split("/")[1] for found in FILE.finditer(pages)}
    linked = set(re.findall(r"examples/(\w+)/README\.md", pages))
    assert shown | linked == {path.parent.name for path in root.glob("examples/*/pyproject.toml")}
    assert {found["name"] for found in TABLE.finditer(pages)} == set(TABLES)


def test_every_method_of_an_account_is_described() -> None:
    assert [name for name, _ in public_methods(ExchangeAccount) if name not in METHODS] == []
    assert len(METHODS) == len(list(public_methods(ExchangeAccount)))


def test_cases_and_errors_of_the_table_exist_and_none_is_left_out() -> None:
    named = {case for row in METHODS.values() for case in row.cases.split()}
    assert named - CASES == set()
    assert CASES - named == {"E41"}, "the engine watches prices: no method of the plugin is checked"
    errors = {name for row in METHODS.values() for name in re.findall(r"`([A-Z]\w+)`", row.raises)}
    assert [name for name in errors if not hasattr(te_core.api, name)] == []


def test_every_ability_is_described() -> None:
    assert [ability.name for ability in Ability if not ABILITY_TEXTS.get(ability.name)] == []


def test_examples_install_and_are_listed(bare_environment: Path, root: Path, tmp_path: Path) -> None:
    """Next to the core, the ccxt base and nothing else; ``te plugins`` loads each in a process of its own."""
    folders = [root, root / "plugins" / "exchange_ccxt"]
    folders += [path.parent for path in sorted(root.glob("examples/*/pyproject.toml"))]

    pip = [sys.executable, "-m", "pip", "--python", str(bare_environment), "install", "-q", "--no-index"]
    pip += ["--no-build-isolation", "--disable-pip-version-check"]
    run(*pip, *(word for folder in folders for word in ("-e", str(folder))), cwd=root)
    settings = tmp_path / "settings.toml"
    names = ("bitget", "gate", "hyperliquid", "discord", "feed", "telegram-channel")
    exchanges = [f'[accounts.{name}]\nplugin = "{name}"\n' for name in names[:3]]
    sources = [f'[sources.{name}]\nplugin = "{name}"\n' for name in names[4:]]
    settings.write_text("".join((*exchanges, *sources, '[notifiers.discord]\nplugin = "discord"\n')))
    te = str(bare_environment.with_name("te"))
    command = (te, "--settings", str(settings), "plugins", "--json")
    listed = json.loads(run(*command, cwd=tmp_path, TE_HOME=str(tmp_path)))["plugins"]
    found = {plugin["name"]: (plugin["kind"], plugin["reason"]) for plugin in listed}
    assert {name: found[name] for name in names} == {
        **dict.fromkeys(("bitget", "gate", "hyperliquid"), ("exchange", "")),
        "discord": ("notifier", ""),
        **dict.fromkeys(("feed", "telegram-channel"), ("source", "")),
    }


RUN = re.compile(r"^```python run\n(?P<code>.*?)^```$", re.M | re.S)


@pytest.mark.parametrize("page", files(), ids=lambda page: page.name)
def test_every_other_example_runs(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for found in RUN.finditer(text):
        exec(compile(found["code"], page.name, "exec"), {"__name__": page.stem})
    assert len(re.findall(r"^```python", text, re.M)) == len(RUN.findall(text)) + len(FILE.findall(text))
