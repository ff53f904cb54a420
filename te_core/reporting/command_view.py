"""The operator's standing commands, as ``te status`` shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from te_core.model.control import Control, Topic
from te_core.reporting.explain import text
from te_core.rules.controls import Controls, where

Scopes = Mapping[str, Sequence[str]]
"""The names of each account of the settings in commands."""


def standing_commands(controls: Controls, scopes: Scopes) -> list[dict[str, Any]]:
    """Return the standing commands, halts first; one for a section and its book together."""
    rows = sorted(controls.active(), key=lambda row: row.topic is not Topic.HALT)
    shown = {(row.topic, _name(row, scopes), row.symbol): row for row in rows}
    return [
        {**show_control(row), "scope": name, "text": in_words(row, controls, scopes)}
        for (_, name, _), row in shown.items()
    ]


def show_control(row: Control) -> dict[str, Any]:
    """Return a standing command: its subject, and a text on who gave it, when and why."""
    return {
        "topic": str(row.topic),
        "state": str(row.state),
        "scope": row.scope,
        "symbol": row.symbol,
        "at": text(row.at),
        "by": row.by,
        "reason": row.reason,
        "depth": text(row.depth),
        "until": text(row.until),
        "text": where(row),
    }


def shown_rows(rows: Sequence[Control], scopes: Scopes) -> Iterator[dict[str, Any]]:
    """Yield the controls that a command set or lifted, one for a section and its book together."""
    named = {(row.topic, _name(row, scopes), row.symbol): row for row in rows}
    for (_, name, _), row in named.items():
        yield show_control(replace(row, scope=name))


def in_words(row: Control, controls: Controls, scopes: Scopes) -> str:
    """Return a description of a standing command, and of what was resumed out of it."""
    but = controls.resumed_out_of(row, scopes) if row.topic is Topic.HALT else ()
    return where(replace(row, scope=_name(row, scopes)), but=but)


def _name(row: Control, scopes: Scopes) -> str:
    if row.topic is Topic.PAUSE:
        return row.scope
    return next((name for name, own in scopes.items() if row.scope in own), row.scope)
