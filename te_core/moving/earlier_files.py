"""Reads the files of the earlier program, and collects notes about what cannot be imported."""

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
"""Sources of the earlier program; the plugins have the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSection:
    """A section to write."""

    group: str
    name: str
    values: Mapping[str, Any]
    hidden: Mapping[str, str] = field(default_factory=dict)
    """Keys that belong in ``.secrets.toml``."""


@dataclass(slots=True)
class Notes:
    """What could not be imported, and why; each line names its file."""

    lines: list[str] = field(default_factory=list)

    def add(self, where: object, what: str) -> None:
        """Add a note, unless it is a duplicate."""
        line = f"{where}: {what}"
        if line not in self.lines:
            self.lines.append(line)


def find_files(folder: Path) -> Sequence[Path]:
    """Return the files of an installation. Raises ``ConfigError`` if there are none."""
    found = [folder / name for name in FILES if (folder / name).is_file()]
    found += [folder / name for name in (ALERTS, OPINIONS) if (folder / name).is_dir()]
    if not found:
        raise ConfigError(
            f"this is not a folder of the earlier program: it has none of {', '.join(FILES)}",
            file=str(folder),
        )
    return found


def read_json(folder: Path, name: str, kind: type[Any], notes: Notes) -> Any:
    """Return the JSON content of a file, or an empty ``kind`` if there is no file. Numbers with a point are decimals.

    Raises ``ConfigError`` if the file cannot be read, is not JSON, or is not of that ``kind``.
    """
    file = folder / name
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        notes.add(name, "no such file")
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
    """Yield the entries of an object that are objects themselves; add a note for others."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield key, value
        elif value is not None:
            notes.add(name, f"{key}: expected an object, left out")


def number(value: Any) -> Decimal | None:
    """Return a finite number, given as a number or text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    try:
        found = Decimal(str(value).strip())
    except ArithmeticError:
        return None
    return found if found.is_finite() else None


def whole(value: Any) -> int | None:
    """Return a whole number, also if written as 5.0; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == found.to_integral_value() else None
