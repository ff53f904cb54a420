"""The layers of the settings: ``settings.toml``, overridden by ``.secrets.toml``, overridden by ``TE_`` variables.

dynaconf merges them. Its conveniences could corrupt values that trade money or grant access, so they are off:
values are never cast or interpreted, tables merge, everything else replaces.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from te_core.errors import ConfigError
from te_core.settings import fields, origin, peek
from te_core.settings.origin import SourceLocation
from te_core.settings.permissions import file_warnings, unreadable


def _dynaconf() -> Any:
    """Import dynaconf as if Jinja were not installed: no value here is a template, and every command would load it."""
    hidden = "jinja2" not in sys.modules
    if hidden:
        sys.modules["jinja2"] = None  # type: ignore[assignment]  # makes its import fail
    try:
        from dynaconf import Dynaconf  # type: ignore[import-untyped]  # dynaconf ships no types
    finally:
        if hidden:
            del sys.modules["jinja2"]
    return Dynaconf


Dynaconf = _dynaconf()
SECRETS_FILE = peek.SECRETS_FILE
PREFIX = peek.PREFIX

_SERVICE_LINK = re.compile(
    r"TE_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)"
)
"""Variables that Kubernetes sets in every container for a Service named ``te`` or ``te-…``."""

_LINE = re.compile(r"\(at line (\d+)")


class Given(NamedTuple):
    """A value with its location.

    Values pass through dynaconf in this wrapper because dynaconf does not touch named tuples: a bare ``"@int 3"``
    or ``"@format …"`` would be interpreted, and lists would be joined instead of replaced.
    """

    value: Any
    location: SourceLocation


class _Exact(str):
    """A key below the top level that only matches itself.

    dynaconf treats keys as equal that differ in case, or in spaces and underscores; it compares them with these two
    methods.
    """

    __slots__ = ()

    def lower(self) -> str:
        return self

    def replace(self, *_: Any) -> str:
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The content of both files at the time of one read; None if there is no such file."""

    file: Path
    settings: str | None
    secrets: str | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Layers:
    """The merged tree of ``Given`` values, the locations of its keys, and the problems and warnings of all layers."""

    tree: dict[str, Any] = field(default_factory=dict)
    locations: dict[origin.Path, SourceLocation] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read(file: Path) -> Texts:
    """Read both files. Read errors are returned in ``problems``; a missing ``.secrets.toml`` is not an error."""
    problems: list[str] = []
    secrets = file.with_name(SECRETS_FILE)
    return Texts(
        file=file,
        settings=_text(file, problems),
        secrets=_text(secrets, problems),
        problems=tuple(problems),
        warnings=tuple(file_warnings(file, secrets)),
    )


def _text(file: Path, problems: list[str]) -> str | None:
    try:
        return file.read_bytes().decode("utf-8-sig")  # Windows editors start a file with a byte order mark
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        problems.append(f"{file}: not UTF-8 text (byte {error.start}): save it as UTF-8")
    except OSError as error:
        problems.append(unreadable(file, error))
    return None


def merge(texts: Texts, env: Mapping[str, str], schema: type[BaseModel]) -> Layers:
    """Merge the layers. Anything that is not a table of the schema bypasses dynaconf, so that validation refuses it."""
    layers = Layers()
    layers.problems += [ConfigError(problem) for problem in texts.problems]
    store = Dynaconf(
        # No file, variable or option of dynaconf itself may reach the settings: only the layers below count.
        dynaconf_skip_loaders=True,
        dynaconf_skip_validators=True,
        load_dotenv=False,
        environments=False,
        auto_cast=False,
        merge_enabled=True,
        # Dots and double underscores inside keys ("BTCUSDT.P") have no meaning.
        dotted_lookup=False,
        nested_separator=False,
        dynaboxify=False,
    )
    others: dict[str, Any] = {}
    for data in _file_layers(texts, layers):
        _put(data, store, others, schema)
    for name in _variables(env, layers):
        steps = name.removeprefix(PREFIX).split("__")
        tables = {key.lower(): tree for key, tree in store.to_dict().items() if isinstance(tree, dict)}
        _put(_variable(name, env[name], _spelled(steps, tables, schema)), store, others, schema)
    merged = store.to_dict()
    layers.tree = {key: merged[key.upper()] for key in schema.model_fields if key.upper() in merged} | others
    layers.locations |= _leaf_locations(layers.tree)
    return layers


def _variables(env: Mapping[str, str], layers: Layers) -> Iterator[str]:
    """Return the names of variables that are settings, and warn about those that only look like settings."""
    names = sorted(name for name in env if name.startswith(PREFIX) and name not in peek.OWN_VARIABLES)
    links = [name for name in names if _SERVICE_LINK.fullmatch(name) and "__" not in name]
    if links:
        layers.warnings.append(
            f"environment variables {', '.join(links)} look like Kubernetes service links and are ignored: "
            "set enableServiceLinks: false in the pod, or give the Service a name that does not begin with te"
        )
    yield from (name for name in names if name not in links)


def _put(data: dict[str, Any], store: Any, others: dict[str, Any], schema: type[BaseModel]) -> None:
    tables = {k: value for k, value in data.items() if k in schema.model_fields and isinstance(value, dict)}
    store.update(tables)
    others |= {key: value for key, value in data.items() if key not in tables}


def _file_layers(texts: Texts, layers: Layers) -> Iterator[dict[str, Any]]:
    secrets = texts.file.with_name(SECRETS_FILE)
    for file, text, hidden in ((texts.file, texts.settings, False), (secrets, texts.secrets, True)):
        if text is None:
            continue
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            layers.problems.append(_syntax(file, text, error))
            continue
        lines = origin.key_lines(text)
        layers.locations |= {path: SourceLocation(str(file), line, hidden) for path, line in lines.items()}
        layers.problems += _magic_keys(lines, str(file))
        yield _given(data, layers.locations, SourceLocation(str(file), None, hidden))


def _syntax(file: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    found = _LINE.search(str(error))
    line = int(found[1]) if found else text.count("\n") + 1
    return ConfigError(f"this is not TOML: {error}", file=str(file), line=line)


def _magic_keys(lines: Mapping[origin.Path, int], file: str) -> Iterator[ConfigError]:
    for path, line in lines.items():
        if str(path[-1]).startswith("dynaconf_"):
            reason = "unknown key: tables are always merged and lists always replaced"
            yield ConfigError(reason, key=origin.dotted(path), file=file, line=line)


def _given(
    table: Mapping[str, Any],
    locations: Mapping[origin.Path, SourceLocation],
    file: SourceLocation,
    at: origin.Path = (),
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in table.items():
        path = (*at, key)
        if isinstance(value, dict):
            given[_Exact(key) if at else key] = _given(value, locations, file, path)
        else:
            given[_Exact(key) if at else key] = Given(value, locations.get(path, file))
    return given


def _spelled(steps: Sequence[str], tables: Mapping[str, Any], schema: type[BaseModel]) -> list[str]:
    """Spell the steps of a variable's name as the settings do.

    Variables are mostly written in capitals, and most shells allow no dash in them. So capitals become
    lower case wherever keys are lower case (fields, and names of sources, accounts and plugins, but not symbols),
    and ``BYBIT_MAIN`` matches the account ``bybit-main`` if a file defines it.
    """
    spelled: list[str] = []
    shape: fields.Shape | None = (schema,)
    for index, step in enumerate(steps):
        named = index == 1 and spelled[0] != "symbols"
        if step.isupper() and (named or (shape and fields.known_keys(shape))):
            step = step.lower()  # noqa: PLW2901 - the spelled step replaces the written one
        present = tables.get(spelled[0], {}) if named else {}
        step = next((str(name) for name in present if str(name).replace("-", "_") == step), step)  # noqa: PLW2901
        shape = fields.below(shape, step) if shape else None
        spelled.append(step)
    return spelled


def _variable(name: str, text: str, steps: Sequence[str]) -> dict[str, Any]:
    """Turn ``TE_A__B__C=text`` into ``{"a": {"b": {"c": text}}}``.

    The value stays a string, so that a token like ``007`` or ``true`` survives; the schema converts it to a number or
    a boolean where it expects one. Only a complete TOML array or inline table is parsed as such.
    """
    location = SourceLocation(f"environment variable {name}")
    value = _wrapped(peek.structure(text), location)
    for step in reversed(steps):
        value = {_Exact(step): value}
    return {str(key): inner for key, inner in value.items()}


def _wrapped(value: Any, location: SourceLocation) -> Any:
    if isinstance(value, dict):
        return {_Exact(key): _wrapped(item, location) for key, item in value.items()}
    return Given(value, location)


def _leaf_locations(
    tree: Mapping[str, Any], at: origin.Path = ()
) -> Iterator[tuple[origin.Path, SourceLocation]]:
    for key, value in tree.items():
        path = (*at, str(key))
        if isinstance(value, Given):
            yield path, value.location
        else:
            yield from _leaf_locations(value, path)


def plain(tree: Any) -> Any:
    """Return the tree with its values unwrapped."""
    if isinstance(tree, Given):
        return tree.value
    return {str(key): plain(value) for key, value in tree.items()}
