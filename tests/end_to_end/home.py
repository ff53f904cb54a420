"""The folder of an engine: its settings, secrets, state and all of its output."""

from __future__ import annotations

import copy
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import tomlkit

TOKEN = "end-to-end-token-of-tradingview"

PLAIN: dict[str, Any] = {
    "listen": {"public": {"port": 0}, "private": {"port": 0}},
    "engine": {"backoff_first": "200ms", "resync": "2s"},
    "sources": {
        "tradingview": {
            "plugin": "tradingview",
            "symbols": {"BTCUSDT.P": "BTCUSDT", "ETHUSDT.P": "ETHUSDT"},
        }
    },
    "accounts": {"paper": {"plugin": "paper", "balance": 10000, "fee": 0, "slippage": 0}},
    "symbols": {
        "BTCUSDT": {"leverage": 3, "weights": {"tradingview": 0.3}},
        "ETHUSDT": {"leverage": 2, "weights": {"tradingview": 0.2}},
    },
}
"""One source, one account without fees, two symbols; ports that the system chooses."""


class Home:
    """Settings as a tree that tests change and write; the files are what the engine reads."""

    def __init__(self, folder: Path, tree: Mapping[str, Any] = PLAIN, *, token: str = TOKEN) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.settings = folder / "settings.toml"
        self.secrets = folder / ".secrets.toml"
        self.state = folder / "state"
        self.stdout = folder / "stdout.txt"
        self.stderr = folder / "stderr.txt"
        self.site = folder / "site"
        self.tree: dict[str, Any] = copy.deepcopy(dict(tree))
        self.env: dict[str, str] = {}
        self.write()
        if token:
            sources = {name: {"token": token} for name in self.tree["sources"]}
            self.write_secrets(tomlkit.dumps({"sources": sources}))

    def write(self) -> None:
        """Write the tree into ``settings.toml``."""
        self.settings.write_text(tomlkit.dumps(self.tree))

    def write_secrets(self, text: str) -> None:
        """Write ``.secrets.toml``, readable by its owner only."""
        self.secrets.touch(mode=0o600)
        self.secrets.write_text(text)

    def environment(self) -> dict[str, str]:
        """Return the environment of a process of this home, without inherited variables that start with ``TE_``."""
        clean = {name: text for name, text in os.environ.items() if not name.startswith("TE_")}
        return {**clean, "PYTHONPATH": str(self.site), "COLUMNS": "200", **self.env}

    def log(self) -> str:
        """Return every log line of every engine that ran here."""
        return self.stderr.read_text() if self.stderr.exists() else ""

    def events(self) -> str:
        """Return the text of every event in the journal."""
        with closing(sqlite3.connect(f"file:{self.state / 'journal.sqlite3'}?mode=ro", uri=True)) as journal:
            return "\n".join(text for (text,) in journal.execute("SELECT text FROM events"))

    def said(self) -> str:
        """Return everything that was printed and logged, for the message of a failed test."""
        printed = self.stdout.read_text() if self.stdout.exists() else ""
        return f"{printed}\n{self.log()}"[-6000:]

    def files(self) -> Iterator[Path]:
        """Yield every file but those that may hold secrets: the two that the operator writes."""
        yield from (
            path
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path not in {self.settings, self.secrets}
        )
