"""The rules for imports between rooms, by the table in docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.architecture.conftest import Module

ROW = re.compile(r"^\| (?P<rooms>`[^|]*`) \|", re.M)
NEUTRAL = {"te_core", "te_core.__main__"}
"""The package itself, which imports nothing, and its entry point, which may import anything."""
EXCHANGE_LIBRARIES = {"ccxt", "pybit", "binance", "kucoin"}


def ranks_in(guide: str) -> dict[str, int]:
    """Read the table of rooms: each room's rank is the number of its row."""
    section = guide.partition("## The rooms")[2].partition("\n## ")[0]
    ranks = {}
    for rank, row in enumerate(ROW.finditer(section)):
        for room in re.findall(r"`([^`]+)`", row["rooms"]):
            ranks[room.rstrip("/").removesuffix(".py").replace("/", ".")] = rank
    return ranks


@pytest.fixture(scope="session")
def ranks(root: Path) -> dict[str, int]:
    return ranks_in((root / "docs" / "architecture.md").read_text(encoding="utf-8"))


def room_of(module: str) -> str:
    return module if module == "te_core" else ".".join(module.split(".")[:2])


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


def upward(graph: dict[str, set[str]], ranks: dict[str, int]) -> list[str]:
    """Return the imports from a room to one of a higher rank, or to another room of the same row."""
    return [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in sorted(targets)
        if room_of(module) not in NEUTRAL and room_of(target) not in NEUTRAL
        if ranks[room_of(target)] > ranks[room_of(module)]
    ]


def test_every_room_has_one_row_in_the_table(graph: dict[str, set[str]], ranks: dict[str, int]) -> None:
    rooms = {room_of(module) for module in graph} - NEUTRAL
    assert rooms == ranks.keys() - {"plugins"}
    assert len(set(ranks.values())) >= 15


def test_no_import_points_upward(graph: dict[str, set[str]], ranks: dict[str, int]) -> None:
    assert upward(graph, ranks) == []


def test_a_planted_upward_import_is_found(graph: dict[str, set[str]], ranks: dict[str, int]) -> None:
    for low, high in (("journal.journal", "accounts.worker"), ("settings.schema", "reporting.state")):
        planted = {**graph, f"te_core.{low}": {f"te_core.{high}"}}
        assert upward(planted, ranks) == [f"te_core.{low} imports te_core.{high}"]


def test_accounts_and_signals_never_import_each_other(graph: dict[str, set[str]]) -> None:
    rooms = ("te_core.accounts", "te_core.signals")
    crossing = [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in targets
        if {room_of(module), room_of(target)} == set(rooms)
    ]
    assert not crossing


def test_rules_are_pure(core: list[Module], graph: dict[str, set[str]]) -> None:
    impure = []
    for module in (module for module in core if room_of(module.name) == "te_core.rules"):
        outside = {room_of(target) for target in graph[module.name]} - {"te_core.rules", "te_core.model"}
        impure += [f"{module.where} imports {room}" for room in outside]
        impure += [
            f"{module.where}:{node.lineno} is async"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor)
        ]
        foreign = {base.partition(".")[0] for base, _ in module.imports()} & {"asyncio", "pydantic", "loguru"}
        impure += [f"{module.where} imports {name}" for name in foreign]
    assert not impure


MUTATING = {"append", "add", "clear", "discard", "extend", "pop", "remove", "setdefault", "update"}


KEEPERS_OWN = re.compile(r"\bkeepers?\b(\[[^]]*\])?\.")


def written(node: ast.AST) -> list[ast.expr]:
    """Return what a node assigns, deletes or changes in place."""
    match node:
        case ast.Assign(targets=targets):
            return [part for target in targets for part in ast.walk(target) if isinstance(part, ast.expr)]
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
        case ast.Delete(targets=targets):
            return targets
        case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in MUTATING:
            return [value]
    return []


def foreign_writes(tree: ast.Module) -> list[str]:
    """Return what a module changes in a symbol's keeper: its attributes, or a collection in it."""
    return [
        ast.unparse(target)
        for node in ast.walk(tree)
        for target in written(node)
        if isinstance(target, ast.Attribute | ast.Subscript) and KEEPERS_OWN.search(ast.unparse(target))
    ]


def test_only_the_keeper_writes_a_symbols_state(core: list[Module]) -> None:
    others = [module for module in core if module.name != "te_core.accounts.keeper"]
    assert {module.where: found for module in others if (found := foreign_writes(module.tree))} == {}


def test_a_planted_write_to_a_keeper_is_found() -> None:
    planted = "keeper.goal = None\nkeeper.orders.open.pop(1)\nself.keepers[symbol].hold = None\nkeeper = 1\n"
    assert len(foreign_writes(ast.parse(planted))) == 3


def test_nothing_but_the_kit_and_plugins_imports_the_kit(graph: dict[str, set[str]]) -> None:
    found = [
        module
        for module, targets in graph.items()
        if room_of(module) != "te_core.testing" and any(room_of(t) == "te_core.testing" for t in targets)
    ]
    assert not found


def cycle(graph: dict[str, set[str]]) -> str:
    """Return an import cycle as text; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " → ".join(error.args[1])
    return ""


def imports_within(modules: list[Module]) -> dict[str, set[str]]:
    """Return what the modules of one package import from each other, anywhere in their files."""
    names = {module.name for module in modules}
    return {
        module.name: {
            f"{base}.{name}" if f"{base}.{name}" in names else base for base, name in module.imports()
        }
        & names - {module.name}
        for module in modules
    }


def test_the_core_modules_import_each_other_without_a_cycle(graph: dict[str, set[str]]) -> None:
    assert cycle(graph) == ""


def test_no_plugin_has_an_import_cycle(plugins: dict[str, list[Module]]) -> None:
    graphs = {package: imports_within(modules) for package, modules in plugins.items()}
    assert sum(len(targets) for graph in graphs.values() for targets in graph.values()) > 100
    found = {package: text for package, graph in graphs.items() if (text := cycle(graph))}
    assert found == {}


def test_a_planted_cycle_is_found(tmp_path: Path) -> None:
    modules = []
    for name, text in (("a", "from p import b"), ("b", "def late():\n    from p.a import x\n")):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        modules.append(Module(f"p.{name}", path))
    assert cycle(imports_within(modules)) in {"p.a → p.b → p.a", "p.b → p.a → p.b"}


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


def test_only_exchanges_built_on_ccxt_import_another_plugin(plugins: dict[str, list[Module]]) -> None:
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
