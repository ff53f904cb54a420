"""A command imports only what it needs, so that querying the engine takes no longer than necessary."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.cli import main
from te_core.cli.client import JOURNAL_FILE
from te_core.settings import layers
from te_core.settings.layers import Given
from te_core.settings.peek import peek
from te_core.settings.schema import JournalSettings, Settings

IN_A_PROCESS = """
import sys
from te_core.cli.main import app
try:
    app({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules)
"""

ALL_MODELS = """
import asyncio, sys
from te_core.wizards.parameters import parameters
from te_core.plugins.registry import Registry
registry = Registry()
asyncio.run(registry.ensure(list(registry.reports), {}))
specs = {**registry.sources, **registry.exchanges, **registry.notifiers}
assert {"bybit", "blofin", "kucoin", "mexc", "ccxt", "paper", "tradingview", "bittensor", "webhook"} <= set(specs)
for spec in specs.values():
    assert list(parameters(spec.settings))
"""


def modules_after(code: str, folder: Path) -> set[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("TE_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder, env=env
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_every_plugins_settings_are_known_without_its_clients(tmp_path: Path) -> None:
    loaded = modules_after(f"{ALL_MODELS}\nprint(*sys.modules)", tmp_path)
    assert not loaded & {"ccxt", "aiohttp", "sqlalchemy", "websockets"}


def test_an_exchange_is_configured_without_its_client(folder: Any) -> None:
    arguments = ["--settings", str(folder.settings), "configure", "bybit", "--set", "test=demo"]
    loaded = modules_after(IN_A_PROCESS.format(arguments=arguments), folder.path)
    assert not loaded & {"ccxt", "aiohttp", "sqlalchemy"}
    assert "[accounts.bybit]" in folder.settings.read_text()


def test_help_loads_no_wizard_and_no_schema(folder: Any) -> None:
    loaded = modules_after("import sys, te_core.cli.main\nprint(*sys.modules)", folder.path)
    assert not loaded & {"pydantic", "asyncio", "dynaconf", "tomlkit", "rich", "te_core.settings.schema"}
    assert "te_core.wizards.asking" not in loaded


def test_the_cores_own_sections_need_no_client(folder: Any) -> None:
    arguments = ["--settings", str(folder.settings), "configure", "limits", "--set", "paper.leverage=3"]
    loaded = modules_after(IN_A_PROCESS.format(arguments=arguments), folder.path)
    assert not loaded & {"ccxt", "aiohttp", "sqlalchemy"}


def test_asking_the_engine_loads_neither_journal_nor_schema(engine: Any) -> None:
    arguments = ["--settings", str(engine.folder.settings), "status", "--json"]
    loaded = modules_after(IN_A_PROCESS.format(arguments=arguments), engine.folder.path)
    assert not loaded & {"ccxt", "aiohttp", "sqlalchemy", "alembic", "dynaconf", "tomlkit", "rich", "asyncio"}
    assert not loaded & {"te_core.settings.schema", "te_core.plugins.registry"}


def test_pydantic_searches_for_no_plugins_that_nobody_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes a tenth of a second, and would import whatever it finds."""
    monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", "")  # so that it is restored afterwards
    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS")
    seen = []
    monkeypatch.setattr(main, "app", lambda: seen.append(os.environ.get("PYDANTIC_DISABLE_PLUGINS")))
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    main.main()
    assert seen == ["1"]


# -- the short cut to single values says what the settings say


def reference(file: Path, env: dict[str, str], path: tuple[str, ...]) -> Any:
    """Return the value from the merged layers."""
    tree: Any = layers.merge(layers.read(file), env, Settings).tree
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree.value if isinstance(tree, Given) else None


def test_the_journals_name_is_the_schemas() -> None:
    assert JournalSettings().file == JOURNAL_FILE


_value = st.sampled_from(['"a"', '"@int 3"', "7", "true", '"é"'])
_text = st.builds(
    lambda private, journal: "".join(
        [
            f"[listen.private]\ntoken = {private}\n" if private else "",
            f"[journal]\nfile = {journal}\n" if journal else "",
        ]
    ),
    st.none() | _value,
    st.none() | _value,
)
_word = st.sampled_from(["b", "", "{ broken", "007"])
_variables = st.fixed_dictionaries(
    {},
    optional={
        "TE_LISTEN__PRIVATE__TOKEN": _word,
        "TE_listen__private__token": _word,
        "TE_JOURNAL__FILE": _word,
        "TE_JOURNAL": st.just("{ file = 'c' }"),
        "TE_LISTEN__PRIVATE": st.just("{ token = 'd' }"),
        "TE_LISTEN": st.sampled_from(["{ private = { token = 'd' } }", "{ public = { port = 1 } }"]),
        "TE_HOME": _word,
    },
)


@given(
    _text,
    st.none() | _text,
    _variables,
    st.sampled_from([("listen", "private", "token"), ("journal", "file")]),
)
def test_one_value_is_what_the_layers_make_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    settings: str,
    secrets: str | None,
    env: dict[str, str],
    path: tuple[str, ...],
) -> None:
    file = tmp_path_factory.getbasetemp() / "settings.toml"
    file.write_text(settings)
    hidden = file.with_name(".secrets.toml")
    hidden.unlink(missing_ok=True)
    if secrets is not None:
        hidden.write_text(secrets)
    assert peek(file, env, path) == reference(file, env, path)


@pytest.mark.parametrize("text", ["[listen", "\xff"])
def test_a_broken_file_hides_no_other(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.toml").write_bytes(text.encode("latin-1"))
    (tmp_path / ".secrets.toml").write_text('[listen.private]\ntoken = "t"\n')
    assert peek(tmp_path / "settings.toml", {}, ("listen", "private", "token")) == "t"
