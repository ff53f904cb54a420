"""Packages next to the core stay independent: the emulators are for anybody, benches and fuzz do not import tests."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.conftest import Module, modules_below

EMULATORS = "te_emulators"
OF_THE_CORE = {"te_core.api", "te_core.testing"}
"""What the emulators may import from the core: the same as plugin authors."""
APART = ("bench", "fuzz", "harness", "tools")
MAY_IMPORT = {
    "bench": {"bench", "harness"},
    "fuzz": {"fuzz", "harness"},
    "harness": {"harness"},
    "tools": {"tools"},
}
"""Which of these folders each may import."""


@pytest.fixture(scope="module")
def emulators(root: Path) -> list[Module]:
    return modules_below(root / "emulators", EMULATORS)


def is_below(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def foreign_imports(modules: list[Module]) -> list[str]:
    """Return the imports of the repository's own code that the emulators must not have."""
    return [
        f"{module.where} imports {base}"
        for module in modules
        for base, _ in module.imports()
        if base.partition(".")[0].startswith(("te_", "tests", "bench", "fuzz", "harness", "plugins"))
        if not is_below(base, {EMULATORS} | OF_THE_CORE)
    ]


def test_emulators_import_what_authors_of_plugins_may_import(emulators: list[Module]) -> None:
    assert len(emulators) > 100
    assert foreign_imports(emulators) == []


def test_a_planted_import_in_an_emulator_is_found(root: Path) -> None:
    where = root / "emulators" / "planted.py"
    planted = Module("te_emulators.planted", where)
    text = "import te_core.clock\nfrom te_signals_bittensor import limits\nfrom tests.samples import reader\n"
    planted.__dict__["tree"] = ast.parse(text + "from te_core.testing import fakes\n")
    assert len(foreign_imports([planted])) == 3


def test_emulators_declare_what_they_import(emulators: list[Module], root: Path) -> None:
    import sys

    project = tomllib.loads((root / "emulators" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {Requirement(text).name.replace("-", "_") for text in project["dependencies"]}
    imported = {base.partition(".")[0] for module in emulators for base, _ in module.imports()}
    outside = imported - set(sys.stdlib_module_names) - {EMULATORS}
    assert outside == declared


def imports_across(folder: str, modules: list[Module]) -> list[str]:
    allowed = MAY_IMPORT[folder]
    return [
        f"{module.where} imports {base}"
        for module in modules
        for base, _ in module.imports()
        if base.partition(".")[0] in {"tests", "conftest", *APART} - allowed
    ]


@pytest.mark.parametrize("folder", APART)
def test_benches_fuzz_and_tools_import_no_tests_nor_each_other(folder: str, root: Path) -> None:
    modules = modules_below(root, folder)
    assert modules
    assert imports_across(folder, modules) == []


def test_the_core_and_the_plugins_import_none_of_them(
    core: list[Module], plugins: dict[str, list[Module]]
) -> None:
    own = [*core, *(module for modules in plugins.values() for module in modules)]
    found = [
        f"{module.where} imports {base}"
        for module in own
        for base, _ in module.imports()
        if base.partition(".")[0] in {"tests", EMULATORS, *APART}
    ]
    assert found == []
