"""Every HTTP client of the project is listed, so that a new one is tested against redirects, too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.conftest import Module
from tests.architecture.test_house_rules import is_within, names_used
from tests.clients.redirected import CLIENTS

LIBRARIES = {
    "aiohttp",
    "apprise",
    "curl_cffi",
    "http.client",
    "httpx",
    "niquests",
    "opentelemetry.exporter",
    "pycurl",
    "requests",
    "telegram",
    "tornado",
    "urllib.request",
    "urllib3",
    "websocket",
    "websockets",
    "te_core.http_session.http_session",
    "te_core.api.http_session",
}
"""Names that send requests, or create clients."""
MAKES_SESSIONS = {"te_core.http_session"}
LISTENS = {"te_core.web", "te_core.page"}
"""They use aiohttp as a server."""


def of_types_only(tree: ast.Module) -> set[int]:
    """Return the lines of imports for type checkers only."""
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    return {line for block in blocks for line in range(block.lineno, (block.end_lineno or 0) + 1)}


def libraries_of(module: Module) -> Iterator[str]:
    """Return which of ``LIBRARIES`` a module imports at run time."""
    skipped = of_types_only(module.tree)
    for node in ast.walk(module.tree):
        if getattr(node, "lineno", 0) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if is_within(alias.name, LIBRARIES))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if is_within(name, LIBRARIES))


@pytest.fixture(scope="session")
def modules(core: list[Module], plugins: dict[str, list[Module]]) -> list[Module]:
    return [*core, *(module for package in plugins.values() for module in package)]


def test_every_http_client_is_tried_against_redirects(modules: list[Module]) -> None:
    found = {
        module.name
        for module in modules
        if not is_within(module.name, LISTENS | {"te_core.testing", "te_core.api"})
        and any(libraries_of(module))
    }
    assert found == set(CLIENTS), "add it to tests/clients/redirected.py"


def test_only_one_module_makes_sessions(modules: list[Module]) -> None:
    made = [
        f"{module.where}:{line}: use te_core.api.http_session, which follows no redirect"
        for module in modules
        if module.name not in MAKES_SESSIONS
        for name, line in names_used(module)
        if name in {"aiohttp.ClientSession", "aiohttp.request"} and line not in of_types_only(module.tree)
        if f"{name.rpartition('.')[2]}(" in module.text.splitlines()[line - 1]
    ]
    assert made == []


@pytest.mark.parametrize(
    "text",
    [
        "import aiohttp\n",
        "def ask():\n    from aiohttp import ClientSession\n",
        "import urllib.request\n",
        "from http import client\n",
        "import http.client as web\n",
        "from te_core.api import hookimpl, http_session\n",
    ],
)
def test_the_scan_finds_a_client(tmp_path: Path, text: str) -> None:
    path = tmp_path / "new.py"
    path.write_text(text)
    assert list(libraries_of(Module("new", path)))


def test_the_scan_passes_over_types(tmp_path: Path) -> None:
    path = tmp_path / "typed.py"
    path.write_text("if TYPE_CHECKING:\n    from aiohttp import ClientSession\n")
    assert not list(libraries_of(Module("typed", path)))
