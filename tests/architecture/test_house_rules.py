"""The core stays small, and gets time, randomness and ids from outside."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.conftest import Module

ROOM_LINES = {
    "model": 870,
    "rules": 2_740,
    "contracts": 520,
    "plugins": 640,
    "settings": 1_860,
    "journal": 2_800,
    "accounts": 4_590,
    "signals": 690,
    "runtime": 3_370,
    "reporting": 3_600,
    "web": 1_360,
    "page": 2_700,
    "app": 1_500,
    "setup": 450,
    "moving": 1_600,
    "plugin_kit": 950,
    "cli": 5_400,
    "wizards": 2_060,
    "assistant": 370,
    "testing": 3_160,
}
"""Maximum lines of code per room: docs/adr/0022 explains what is counted and why.

0100 and 0101 added two kinds of plugins, 0112 two conformance suites.
"""
EXCHANGE_LINES = 575
"""BloFin has two kinds of account with different routes, and stops that become other orders; the others are far
below."""
ON_CCXT = "te_exchange_ccxt"
NO_ADAPTERS = {ON_CCXT, "te_exchange_paper"}
"""Paper is an exchange of its own, which only reads prices through ccxt."""
FILE_LINES = 500
FUNCTION_LINES = 50

NOWHERE: set[str] = set()
CLOCK = {"te_core.clock"}
PLAIN_PROGRAM = {"te_core.cli.status"}  # `te status --watch` has no event loop
OUTPUT = {"te_core.cli.output"}
IDS = {
    "te_core.rules.client_order_ids",
    "te_core.settings.secrets",
    "te_core.cli.run",
    "te_core.cli.direct",
}
BANNED = {
    "asyncio.wait_for": (NOWHERE, "it can swallow a cancellation on 3.11; use asyncio.timeout"),
    "time.sleep": (PLAIN_PROGRAM | {"te_core.testing.blocking_calls"}, "it stops the event loop"),
    "time.time": (CLOCK, "take the time from a Clock"),
    "time.time_ns": (CLOCK, "take the time from a Clock"),
    "time.monotonic": (CLOCK, "take the time from a Clock"),
    "datetime.datetime.now": (CLOCK, "take the time from a Clock"),
    "datetime.datetime.utcnow": (NOWHERE, "it has no zone"),
    "datetime.datetime.today": (NOWHERE, "it has no zone"),
    "datetime.date.today": (NOWHERE, "it has no zone"),
    "random": (IDS, "randomness comes in as an argument"),
    "secrets": (IDS, "randomness comes in as an argument"),
    "uuid": (IDS, "ids come in as an argument"),
    "os.urandom": (IDS, "randomness comes in as an argument"),
    "typer.echo": (
        OUTPUT,
        "print with te_core.cli.output or te_core.logs.print_lines: nothing raw reaches a terminal",
    ),
    "typer.secho": (OUTPUT, "print with te_core.cli.output: nothing raw reaches a terminal"),
}
CATCHES_EVERYTHING = {"te_core.plugins", "te_core.runtime.guard"}


def names_used(module: Module) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, line) of everything used from other modules, by its name there."""
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                known[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in known:
            yield known[node.id], node.lineno
        elif isinstance(node, ast.Attribute):
            head, _, tail = ast.unparse(node).partition(".")
            if head in known:
                yield f"{known[head]}.{tail}", node.lineno


def is_within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def code_lines(module: Module) -> int:
    """Count lines of code, without blank lines, comments and docstrings."""
    passive = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    lines = {line for t in tokens if t.type not in passive for line in range(t.start[0], t.end[0] + 1)}
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def test_every_room_keeps_to_its_budget(core: list[Module]) -> None:
    rooms: Counter[str] = Counter()
    for module in core:
        if module.name.count(".") > 1 or module.path.name == "__init__.py":
            rooms[module.name.partition(".")[2].partition(".")[0]] += code_lines(module)
    del rooms[""]
    assert rooms.keys() == ROOM_LINES.keys()
    assert {room: lines for room, lines in rooms.items() if lines > ROOM_LINES[room]} == {}


def test_an_exchange_on_ccxt_states_only_its_differences(plugins: dict[str, list[Module]]) -> None:
    on_ccxt = {
        name: sum(code_lines(module) for module in modules)
        for name, modules in plugins.items()
        if name not in NO_ADAPTERS
        and any(used.startswith(ON_CCXT) for m in modules for used, _ in m.imports())
    }
    assert on_ccxt.keys() >= {f"te_exchange_{name}" for name in ("blofin", "bybit", "kucoin", "mexc")}
    assert {name: lines for name, lines in on_ccxt.items() if lines > EXCHANGE_LINES} == {}


def test_nothing_of_one_system_is_needed_to_import_the_core(core: list[Module]) -> None:
    """``fcntl`` and the like are imported where they are used, so that other systems can do without."""
    found = [
        f"{module.where}:{node.lineno}"
        for module in core
        for node in module.tree.body
        for name in _imported_at_once(node)
        if name in {"fcntl", "grp", "msvcrt", "pwd", "resource", "termios", "winreg"}
    ]
    assert not found


def _imported_at_once(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
    for inner in ast.iter_child_nodes(node):
        yield from _imported_at_once(inner)


@pytest.mark.parametrize("banned", BANNED)
def test_the_core_never_uses(banned: str, core: list[Module]) -> None:
    allowed, reason = BANNED[banned]
    found = [
        f"{module.where}:{line} uses {name}: {reason}"
        for module in core
        for name, line in names_used(module)
        if is_within(name, {banned}) and not is_within(module.name, allowed)
    ]
    assert not found


def test_files_and_functions_stay_short(everything: list[Module]) -> None:
    long = [m.where for m in everything if len(m.text.splitlines()) > FILE_LINES]
    for module in everything:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long.append(f"{module.where}:{node.lineno} {node.name}: {lines} lines")
    assert not long


def test_only_loader_and_guard_catch_everything(core: list[Module]) -> None:
    found = [
        f"{module.where}:{node.lineno}"
        for module in core
        if not is_within(module.name, CATCHES_EVERYTHING)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not ends_with_raise(node)
    ]
    assert not found


def catches_everything(handler: ast.ExceptHandler) -> bool:
    names = ast.walk(handler.type) if handler.type else ()
    return handler.type is None or any(
        isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names
    )


def ends_with_raise(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def test_the_scan_sees_through_aliases(tmp_path: Path) -> None:
    path = tmp_path / "clever.py"
    path.write_text("import time as t\nfrom uuid import uuid4 as fresh\nids = [fresh]\nt.sleep(1)\n")
    assert set(names_used(Module("clever", path))) >= {("time.sleep", 4), ("uuid.uuid4", 3)}
