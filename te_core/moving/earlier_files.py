"""The files of the earlier program: which there are, and what was not understood in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.errors import ConfigError

WEIGHTS = "signal_weight_config.json"
MAPPINGS = "asset_mapping_config.json"
MINERS = "bittensor_processor_config.json"
CREDENTIALS = "credentials.json"
DEPTHS = "account_asset_depths.json"
ALERTS = Path("raw_signals", "tradingview")
OPINIONS = Path("raw_signals", "bittensor")
FILES = (WEIGHTS, MAPPINGS, MINERS, CREDENTIALS, DEPTHS)

TRADINGVIEW = "tradingview"
BITTENSOR = "bittensor"
SOURCES = (TRADINGVIEW, BITTENSOR)
"""Its sources; their plugins here have the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSection:
    """A section to write. ``hidden``: keys that belong into ``.secrets.toml``."""

    group: str
    name: str
    values: Mapping[str, Any]
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Notes:
    """What could not be taken over, and why; each line names its file."""

    lines: list[str] = field(default_factory=list)

    def add(self, where: object, what: str) -> None:
        """Note one thing that is left out."""
        line = f"{where}: {what}"
        if line not in self.lines:
            self.lines.append(line)


def find_files(folder: Path) -> Sequence[Path]:
    """Return what is there of an installation. Raises ``ConfigError`` where nothing is."""
    found = [folder / name for name in FILES if (folder / name).is_file()]
    found += [folder / name for name in (ALERTS, OPINIONS) if (folder / name).is_dir()]
    if not found:
        raise ConfigError(
            f"this is no folder of the earlier program: it has none of {', '.join(FILES)}", file=str(folder)
        )
    return found


def read_json(folder: Path, name: str, kind: type[Any], notes: Notes) -> Any:
    """Return a file's content, an empty one where there is no file. Numbers with a point are decimals.

    Raises ``ConfigError`` for a file that cannot be read, is not JSON, or holds another ``kind`` of value.
    """
    file = folder / name
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        notes.add(name, "there is no such file")
        return kind()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", file=str(file)) from None
    try:
        found = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise ConfigError(f"this is not JSON: {error.msg}", file=str(file), line=error.lineno) from None
    if not isinstance(found, kind):
        raise ConfigError(
            f"expected {'a list' if kind is list else 'an object'}, found another value", file=str(file)
        )
    return found


def tables(found: Mapping[str, Any], name: str, notes: Notes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the entries of an object that are objects themselves; others are noted."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield key, value
        elif value is not None:
            notes.add(name, f"{key}: expected an object, left out")


def number(value: Any) -> Decimal | None:
    """Return a finite number that is written as a number or as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        found = Decimal(str(value).strip())
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def whole(value: Any) -> int | None:
    """Return a whole number, also one written as 5.0; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == found.to_integral_value() else None
