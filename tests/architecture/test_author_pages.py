"""The pages for authors agree with the code: whole examples, and complete tables."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

import te_core.api
from te_core.api import ExchangeAccount, Notifier, SignalSource
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.exchange_harness import Ability
from te_core.testing.notifier_conformance import NotifierConformance
from te_core.testing.notifier_harness import NotifierAbility
from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import SourceAbility
from tests.architecture.author_pages import (
    FILE,
    METHODS,
    NOTIFIER_METHODS,
    PAGES,
    SOURCE_METHODS,
    TABLE,
    TABLES,
    Row,
    ability_texts,
    cases_of,
    files,
    filled,
    public_methods,
)
from tests.architecture.test_plugin_guide import run

CONTRACTS: list[tuple[type, Mapping[str, Row], type, set[str]]] = [
    (
        ExchangeAccount,
        METHODS,
        ExchangeConformance,
        {"E41"},
    ),  # the engine watches prices: no method is checked
    (SignalSource, SOURCE_METHODS, SourceConformance, set()),
    (Notifier, NOTIFIER_METHODS, NotifierConformance, set()),
]
"""A contract, its table, its suite, and the cases that are not about a method of it."""


@pytest.mark.parametrize("page", files(), ids=lambda page: page.name)
def test_a_page_agrees_with_the_code(page: Path) -> None:
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


@pytest.mark.parametrize(("contract", "methods", "suite", "others"), CONTRACTS)
def test_every_method_of_a_contract_is_described(
    contract: type, methods: Mapping[str, Row], suite: type, others: set[str]
) -> None:
    assert {name for name, _ in public_methods(contract)} == methods.keys()
    cases = {number for number, _, _ in cases_of(suite)}
    named = {case for row in methods.values() for case in row.cases.split()}
    assert named - cases == set()
    assert cases - named == others
    errors = {name for row in methods.values() for name in re.findall(r"`([A-Z]\w+)`", row.raises)}
    assert [name for name in errors if not hasattr(te_core.api, name)] == []


@pytest.mark.parametrize("kind", [Ability, SourceAbility, NotifierAbility])
def test_every_ability_is_described(kind: type[StrEnum]) -> None:
    assert [ability.name for ability in kind if not ability_texts(kind).get(ability.name)] == []


@pytest.mark.parametrize("suite", [SourceConformance, NotifierConformance])
def test_every_case_says_what_it_is_about(suite: type) -> None:
    assert [number for number, _, text in cases_of(suite) if not text] == []


def test_examples_install_and_are_listed(bare_environment: Path, root: Path, tmp_path: Path) -> None:
    """Next to the core and the ccxt base only; ``te plugins`` loads each in a process of its own."""
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
