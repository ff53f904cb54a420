"""Examples are exemplary: small, built on public names only, and included in every check."""

from __future__ import annotations

import io
import tokenize
import tomllib
from pathlib import Path

import pytest

from tests.architecture.conftest import ROOT, Module, modules_below

LINES = 150
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
PACKAGES = {folder.name: next(folder.glob("te_*")).name for folder in EXAMPLES}
OF_PLUGINS = {"te_core.api", "te_exchange_ccxt.api"}
OF_TESTS = {"te_core.api", "te_core.testing", "te_emulators"}


def lines_of_code(text: str) -> int:
    """Count the lines that contain code."""
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines: set[int] = set()
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        alone = token.type == tokenize.STRING and before in silent | {tokenize.ENCODING}
        if token.type not in silent | {tokenize.ENDMARKER} and not alone:
            lines |= set(range(token.start[0], token.end[0] + 1))
        before = token.type
    return len(lines)


def foreign(module: Module, allowed: set[str]) -> list[str]:
    """Return the imports of this repository's code that are not allowed."""
    return [
        f"{module.where} imports {base}"
        for base, _ in module.imports()
        if base.startswith(("te_", "tests", "plugins", "bench"))
        if not any(base == name or base.startswith(f"{name}.") for name in allowed)
    ]


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_imports_public_names_only(folder: Path) -> None:
    package = PACKAGES[folder.name]
    modules = modules_below(folder, package)
    assert [found for module in modules for found in foreign(module, OF_PLUGINS | {package})] == []
    tests = modules_below(folder, "tests")
    assert tests
    assert [found for module in tests for found in foreign(module, OF_TESTS | {package})] == []


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_small(folder: Path) -> None:
    modules = modules_below(folder, PACKAGES[folder.name])
    assert 40 < sum(lines_of_code(module.text) for module in modules) <= LINES


def test_lines_of_code_are_counted() -> None:
    assert (
        lines_of_code(
            '"""Doc."""\n\n# why\nx = 1  # one\n\n\ndef f():\n    """Doc.\n\n    More.\n    """\n    return x\n'
        )
        == 3
    )


def test_every_example_is_known_to_pytest_and_mypy() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    names = {f"examples/{folder.name}" for folder in EXAMPLES}
    assert names == {path for path in tools["pytest"]["ini_options"]["pythonpath"] if path != "."}
    assert {f"$MYPY_CONFIG_FILE_DIR/{name}" for name in names} <= set(tools["mypy"]["mypy_path"])


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_fit_to_be_built(folder: Path) -> None:
    """It requires what it imports, and does not install tests or emulators."""
    found = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    needs = {text.split(">")[0].split("[")[0].replace("-", "_") for text in found["project"]["dependencies"]}
    modules = modules_below(folder, PACKAGES[folder.name])
    imported = {base.partition(".")[0] for module in modules for base, _ in module.imports()}
    third = imported & {"te_core", "te_exchange_ccxt", "aiohttp", "pydantic"}
    assert third <= needs
    assert needs & {"te_emulators"} == set()
    assert (folder / PACKAGES[folder.name] / "py.typed").exists()
