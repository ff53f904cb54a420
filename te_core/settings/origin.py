"""Where a setting is defined: file and line for messages, and whether its value must stay hidden."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

Path = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A file (or an environment variable), the line if known, and whether its values must stay hidden."""

    file: str = ""
    line: int | None = None
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where each key of a ``Settings`` came from. Never compared: a moved line changes nothing."""

    locations: Mapping[Path, SourceLocation] = field(default_factory=dict, compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What the operator should know although nothing is refused."""
    secrets: tuple[SecretStr, ...] = field(default=(), compare=False, repr=False)
    """Strings that must never be shown, wherever they were defined."""
    fetch: Mapping[str, Callable[[str], str]] = field(default_factory=dict, compare=False, repr=False)
    """Functions that fetch secrets stored elsewhere, see ``references``."""

    def location(self, path: Path) -> SourceLocation:
        """Return a key's location, or that of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if found := self.locations.get(path[:length]):
                return found
        return SourceLocation()


def misplaced_secret(path: Path, location: SourceLocation) -> str:
    """Return a warning if a secret is outside the secrets file, otherwise ""."""
    if location.secret or not location.file or location.line is None:
        return ""
    return (
        f"{location.file}:{location.line}: {dotted(path)} is a secret in a file that is meant to be shown and copied: "
        "move it to .secrets.toml (te configure does)"
    )


def dotted(path: Path) -> str:
    """Write a path as TOML writes it: ``sources.tradingview.symbols."BTCUSDT.P"``."""
    steps = (str(step) for step in path)
    return ".".join(step if _BARE_KEY.fullmatch(step) else json.dumps(step) for step in steps)


def key_lines(text: str) -> dict[Path, int]:
    """Return the line of each key in a valid TOML text.

    Lines are collected until they parse: that is one statement, whatever strings or arrays it spans.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    statement, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        first = first if statement else number
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        header = statement.lstrip().startswith("[")
        for path in _paths(parsed):
            lines.setdefault(path if header else (*table, *path), first)
            table = path if header else table
        statement = ""
    return lines


def _paths(tree: Mapping[str, object], prefix: Path = ()) -> Iterator[Path]:
    for key, value in tree.items():
        yield (*prefix, key)
        if isinstance(value, Mapping):
            yield from _paths(value, (*prefix, key))
