"""Names that a trader or a Python engineer would misunderstand are not used."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.conftest import FOLDERS, ROOT

USE_INSTEAD = {
    r"Settlement|settlement|_?settle_?|settle_after|_?settling|SETTLE_INTENT": (
        "OrderOutcome, resolve, visibility_window: a settlement is a payment, `settle` the coin that contracts pay in"
    ),
    r"Book|Memory": "SymbolRecord, JournalSnapshot: a book has bids and asks, memory is RAM",
    r"Known": "another name: Known is te_core.model.reading's",
    r"Venue": "ExchangeAdapter, or ExchangeHarness in tests",
    r"_?(on_)?[tT]roubles?|TROUBLES?|\w+_troubles?": "ErrorKind, last_error, problem, failure",
    r"Places?|Placement|placement|_places|_?place_of": "Paths, SourceLocation, OrderingRule: one places orders",
    r"[sS]urroundings|InPlace|in_place": "CommandContext, ExclusiveAccess",
    r"Fate|Purse|purse|Spending|Ear|Wiring|mends|dials|hang_up": (
        "ErrorAction, BudgetShare, RequestCost, MessageListener, HttpTransport, client_mixins, connect_cost, disconnect"
    ),
    r"Clerk|clerk|LINGER|ENOUGH": "EntryEncoder, encoder, MAX_DELAY, MAX_BATCH",
    r"Moments?|Course|NO_COURSE|_?patience|_?\w*PATIENCE": "Timestamp, EquityCurve; timeout, deadline, ATTEMPTS",
    r"SharedAnswer|answer_checks|shared_answer": "SharedResult, result_checks: people answer",
    r"\w*[dD]esks?|make_desk|open_desk|_?doors?|Doors": "WorkerHarness, harness; auth",
    r"wish(es)?|_?aim(ed)?|_?onwards|_being_kept|_?unkept|_?keeping|_?Keeping|TOGETHER|bell": (
        "blend, reserve_goal or set_target, next_path, pending, unpersisted, BATCH_WINDOW, notifier"
    ),
    r"looks|look_at_\w+|_?LOOK|LOOK_AGAIN\w*": "diagnostics, check_key, POLL, FIRST_RETRY",
}
"""Whole names, as regular expressions, and what to write instead: classes, functions, arguments, variables, fields,
modules."""

VERBS = re.compile(r"_?(take|tell|look|keep|note|say|give)")
"""Functions of the core say what they do: apply_decision, log_once, check_due, persist, print_lines."""

MEANT = {
    ("te_core/model/reading.py", "Known"): "this one",
    ("plugins/exchange_kucoin/tests/test_kucoin_errors.py", "Known"): "a known answer, in one test",
    ("te_core/cli/service.py", "Memory"): "the operating system's",
    ("examples/exchange_hyperliquid/te_exchange_hyperliquid/plugin.py", "settle"): (
        "the coin that contracts pay in"
    ),
    ("plugins/exchange_ccxt/te_exchange_ccxt/adapter/generic.py", "settle"): "the coin that contracts pay in",
    ("plugins/exchange_ccxt/te_exchange_ccxt/options.py", "settle"): "the coin that contracts pay in",
    ("plugins/exchange_ccxt/te_exchange_ccxt/symbols.py", "settle"): "the coin that contracts pay in",
    ("plugins/exchange_paper/te_exchange_paper/instruments.py", "settle"): "the coin that contracts pay in",
    ("plugins/exchange_paper/te_exchange_paper/options.py", "settle"): "the coin that contracts pay in",
}
"""Names that have their usual meaning here."""


def defined(tree: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """Return each name that a module defines, its line, and whether it is a function's."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, node.lineno, True
            case ast.ClassDef():
                yield node.name, node.lineno, False
            case ast.arg():
                yield node.arg, node.lineno, False
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno, False
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno, False


def misleading(path: str, source: str) -> Iterator[str]:
    """Return the badly named things of a file, with the line and what to write instead."""
    found = [(Path(path).stem, 1, False), *defined(ast.parse(source))]
    for name, line, is_function in found:
        if (path, name) in MEANT:
            continue
        if is_function and path.startswith("te_core/") and VERBS.fullmatch(name):
            yield f"{path}:{line}: {name}: say what it does"
        for pattern, instead in USE_INSTEAD.items():
            if re.fullmatch(pattern, name):
                yield f"{path}:{line}: {name}: use {instead}"


def test_no_name_is_a_false_friend() -> None:
    files = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    found = [
        problem
        for file in files
        for problem in misleading(file.relative_to(ROOT).as_posix(), file.read_text())
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("class Settlement: ...", "Settlement"),
        ("def wait(patience: float) -> None: ...", "patience"),
        ("self.trouble = ''", "trouble"),
        ("from __future__ import annotations\nclass Place: ...", "Place"),
        ("async def _tell() -> None: ...", "_tell"),
        ("with open() as desk: pass", "desk"),
    ],
)
def test_a_misleading_name_is_found(source: str, name: str) -> None:
    assert any(f" {name}: " in problem for problem in misleading("te_core/rules/example.py", source))


def test_a_name_with_its_usual_meaning_is_not() -> None:
    source = "class OrderOutcome: ...\ndef resolve(timeout: float, settle_coin: str) -> None: ...\n"
    assert not list(misleading("te_core/rules/example.py", source))
