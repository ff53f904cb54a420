"""Settings that a wizard asks about, and commands whose questions are answered in one text."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from te_core.cli.main import app

SETTINGS = """\
# mine
[sources.tradingview]
plugin = "tradingview"
symbols = { "BTCUSDT" = "BTCUSDT", "BTCUSDT.P" = "BTCUSDT", "ETHUSDT" = "ETHUSDT" }  # as charts call them
[sources.other]
plugin = "tradingview"

# an account
[accounts.paper]
plugin = "paper"

[symbols.BTCUSDT]
leverage = 3   # tested
weights = { tradingview = 0.5, other = 0.1 }

# ---- limits
[limits]
leverage = 5
"""


class Wizards:
    """A settings file, and commands on it in this process."""

    def __init__(self, folder: Path) -> None:
        self.settings = folder / "settings.toml"
        self.settings.write_text(SETTINGS)
        self.folder = folder

    def add_account(self, options: dict[str, str]) -> None:
        """Write an account at Bybit into the settings, without its key."""
        where = "".join(
            f'{key} = "{text}"\n' for key, text in options.items() if key not in ("api_key", "secret")
        )
        account = f'[accounts.main]\nplugin = "bybit"\nstreams = false\n{where}'
        self.settings.write_text(SETTINGS.replace("# an account", account))

    def te(self, *arguments: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(app, ["--settings", str(self.settings), *arguments], input=answers)

    def json(self, *arguments: str) -> Any:
        return json.loads(self.te(*arguments, "--json").stdout)

    def tree(self) -> Any:
        return tomllib.loads(self.settings.read_text())

    def mapping(self, source: str = "tradingview") -> list[tuple[str, str]]:
        return list(self.tree()["sources"][source].get("symbols", {}).items())

    def configure(self, what: str, *answers: str) -> Result:
        result = self.te("configure", what, answers="".join(f"{answer}\n" for answer in answers))
        assert result.exit_code == 0, result.output
        return result


MAPPED = [("BTCUSDT", "BTCUSDT"), ("BTCUSDT.P", "BTCUSDT"), ("ETHUSDT", "ETHUSDT")]
"""What ``tradingview`` maps in ``SETTINGS``; ``other`` maps nothing."""
