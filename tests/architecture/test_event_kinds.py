"""The kinds of events that the code records are those that ``te check`` knows and the guide explains."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from te_core.model.control import Action
from te_core.model.event import KINDS
from te_core.rules.decision import Status
from tests.architecture.conftest import Module

BY_VARIABLE = {
    *map(str, Action),
    Status.WAITING,
    Status.BLOCKED,
    "outage",
    "recovery",
    "listener",
}
"""Kinds that are not literals in calls: of commands, decisions, outages and listeners."""


def recorded(module: Module) -> Iterator[str]:
    """Yield the literal kinds in a module: of events created there, and passed to functions that accept a kind."""
    positions = {
        node.name: index - ("self" in names)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for names in ([argument.arg for argument in node.args.args],)
        for index, name in enumerate(names)
        if name == "kind" and "text" in names
    }
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        given = [keyword.value for keyword in node.keywords if keyword.arg == "kind" and name == "Event"]
        if name in positions and len(node.args) > positions[name]:
            given.append(node.args[positions[name]])
        yield from (
            one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)
        )


def test_every_kind_that_is_recorded_is_known(core: list[Module]) -> None:
    outside = ("te_core.testing", "te_core.cli")  # a notice sent by hand to try a notifier is not an event
    found = {kind for module in core if not module.name.startswith(outside) for kind in recorded(module)}
    assert len(found) > 8
    assert found | BY_VARIABLE == set(KINDS)


def test_a_planted_kind_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        'def tell(kind, text): ...\ntell("one", "it happened")\nEvent(at=now, kind="two", text="")\n'
    )
    assert set(recorded(Module("planted", planted))) == {"one", "two"}


def test_the_guide_explains_every_kind(root: Path) -> None:
    text = (root / "docs" / "settings.md").read_text(encoding="utf-8")
    section = text.partition("## `[notifiers.<notifier>]`")[2].partition("\n## ")[0].partition("\n| key")[0]
    assert set(KINDS) <= set(re.findall(r"`([a-z_]+)`", section))
