"""Dependencies point one way: model, errors ← contracts, api ← plugins, settings, journal, engine ← web, cli."""

from __future__ import annotations

import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.architecture.conftest import Module

LAYERS = (
    {"te_core", "te_core.model", "te_core.errors", "te_core.clock", "te_core.secrets"},
    {"te_core.contracts", "te_core.hookspecs", "te_core.api"},
    {
        *("te_core.plugins", "te_core.settings", "te_core.logs", "te_core.journal"),
        *("te_core.engine", "te_core.reporting"),
    },
    {"te_core.web", "te_core.cli", "te_core.__main__"},
    {"te_core.testing"},
)
EXCHANGE_LIBRARIES = {"ccxt", "pybit", "binance", "kucoin"}


def layer(module: str) -> int:
    room = module if module == "te_core" else ".".join(module.split(".")[:2])
    ranks = [rank for rank, rooms in enumerate(LAYERS) if room in rooms]
    assert ranks, f"{module} stands in no layer: give {room} its place in LAYERS"
    return ranks[0]


def imported_core_modules(module: Module, known: set[str]) -> set[str]:
    """Resolve ``from te_core.model import order`` to the module, not to the package around it."""
    found = set()
    for base, name in module.imports():
        target = f"{base}.{name}" if f"{base}.{name}" in known else base
        if target.partition(".")[0] == "te_core" and target != module.name:
            assert target in known, f"{module.where} imports {target}, which does not exist"
            found.add(target)
    return found


@pytest.fixture(scope="session")
def graph(core: list[Module]) -> dict[str, set[str]]:
    known = {module.name for module in core}
    return {module.name: imported_core_modules(module, known) for module in core}


def test_every_core_import_points_to_its_own_layer_or_below(graph: dict[str, set[str]]) -> None:
    upward = [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in sorted(targets)
        if layer(target) > layer(module)
    ]
    assert not upward


def test_the_core_modules_import_each_other_without_a_cycle(graph: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("import cycle: " + " → ".join(error.args[1]))


def test_the_core_knows_no_exchange_library_and_no_plugin(
    core: list[Module], plugins: dict[str, list[Module]]
) -> None:
    foreign = EXCHANGE_LIBRARIES | set(plugins)
    found = [
        f"{module.where} imports {base}"
        for module in core
        for base, _ in module.imports()
        if base.partition(".")[0] in foreign
    ]
    assert not found


def is_test_kit(module: Module) -> bool:
    return bool({"tests", "testing", "conformance"} & set(module.name.split(".")))


def test_plugins_import_only_the_api_of_the_core(plugins: dict[str, list[Module]]) -> None:
    found = []
    for module in (module for modules in plugins.values() for module in modules):
        for base, name in module.imports():
            allowed = base == "te_core.api" or (base, name) == ("te_core", "api")
            allowed |= base.startswith("te_core.testing") and is_test_kit(module)
            if base.partition(".")[0] == "te_core" and not allowed:
                found.append(f"{module.where} imports {base}")
    assert not found


def test_no_plugin_imports_another_except_exchanges_built_on_ccxt(plugins: dict[str, list[Module]]) -> None:
    found = []
    for package, modules in plugins.items():
        shared = {"te_exchange_ccxt"} if package.startswith("te_exchange_") else set()
        others = set(plugins) - {package} - shared
        found += [
            f"{module.where} imports {base}"
            for module in modules
            for base, _ in module.imports()
            if base.partition(".")[0] in others
        ]
    assert not found


PROBE = """
import sys

class Watch:
    seen = set()
    def find_spec(self, name, path=None, target=None):
        self.seen.add(name.partition(".")[0])

sys.meta_path.insert(0, Watch())
import {modules}
asked = sorted(Watch.seen & {unwanted!r})
print(*asked)
"""


@pytest.mark.parametrize(
    ("modules", "unwanted"),
    [
        (
            "te_core.api",
            EXCHANGE_LIBRARIES
            | {"aiohttp", "sqlalchemy", "alembic", "dynaconf", "typer", "rich", "watchfiles"},
        ),
        ("te_core.cli.main", EXCHANGE_LIBRARIES),
        ("te_core.cli.main, te_exchange_paper.plugin, te_signals_tradingview.plugin", EXCHANGE_LIBRARIES),
    ],
    ids=["the api is light", "the command line", "core, paper and tradingview"],
)
def test_importing_loads_nothing_heavy(modules: str, unwanted: set[str]) -> None:
    code = PROBE.format(modules=modules, unwanted=unwanted)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split(), f"importing {modules} asks for {done.stdout.strip()}"
