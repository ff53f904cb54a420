"""The folder in which ``te plugin dev`` runs an engine: settings of its own, written once and then the author's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from te_core.plugin_kit.project import PluginProject

FOLDER = ".te-dev"
OBSERVED = "exchange"
"""What is offered by a plugin whose engine sends nothing."""
_HEAD = """\
# The engine of `te plugin dev`. Written once: edit it as you like. Secrets belong in .secrets.toml next to it.
# No other settings, variables or accounts are used.

[listen.public]
port = 0

[listen.private]
port = 0
"""
_PAPER = """\
[accounts.paper]
plugin = "paper"
balance = 10000
prices = { BTCUSDT = "65000" }
"""


class Workbench:
    """Paths of one plugin's folder, and what is written there."""

    def __init__(self, project: PluginProject) -> None:
        self.home = project.folder / FOLDER
        self.settings = self.home / "settings.toml"
        self.announced = self.home / "site"

    def prepare(self, loaded: Mapping[str, Mapping[str, Any]]) -> bool:
        """Write the settings if there are none. Return whether they were written now."""
        if self.settings.exists():
            return False
        self.home.mkdir(parents=True, exist_ok=True)
        self.settings.write_text(first_settings(loaded), encoding="utf-8")
        return True


def first_settings(loaded: Mapping[str, Mapping[str, Any]]) -> str:
    """Return settings with an instance of everything that the plugin offers."""
    specs = [(name, spec) for name, report in loaded.items() for spec in report["specs"]]
    parts = [_HEAD]
    if any(spec["kind"] != OBSERVED for _, spec in specs):
        parts.append(_PAPER)
    for name, spec in specs:
        parts.append("\n".join(_section(name, spec)) + "\n")
    sources = [name for name, spec in specs if spec["kind"] == "source"]
    if sources:
        weights = ", ".join(f"{name} = {1 / len(sources):.1f}" for name in sources)
        parts.append(f"[symbols.BTCUSDT]\nweights = {{ {weights} }}\n")
    return "\n".join(parts)


def observes(loaded: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the engine must send nothing: its accounts may be real ones."""
    return any(spec["kind"] == OBSERVED for report in loaded.values() for spec in report["specs"])


def _section(name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    group = {"source": "sources", "exchange": "accounts", "notifier": "notifiers"}[spec["kind"]]
    yield f"[{group}.{name}]"
    yield f'plugin = "{name}"'
    if spec["kind"] == "source":
        yield 'symbols = { "BTC" = "BTCUSDT" }     # how the source spells a symbol = how the engine does'
    yield from _required(spec["options"])


def _required(options: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for option in options:
        if option["required"]:
            where = "needed, in .secrets.toml" if option["secret"] else "needed"
            yield f"# {option['name']} =      # {where}: {option['meaning']}"
