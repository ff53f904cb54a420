"""The API that plugins may rely on, as text: ``python -m tests.architecture.public_api [--release]`` writes it."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import te_core.api
import te_core.testing

FOLDER = Path(__file__).parent
NOW, RELEASED = FOLDER / "public_api.txt", FOLDER / "public_api_released.txt"
CHANGELOG = FOLDER.parents[1] / "CHANGELOG.md"
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
INHERITED = (object, Exception, BaseException, tuple, str, dict)


def lines() -> list[str]:
    """Return every promised name with its signature, one a line."""
    found = [
        line for name in te_core.api.__all__ for line in described(f"api.{name}", getattr(te_core.api, name))
    ]
    for module in pkgutil.iter_modules(te_core.testing.__path__):
        loaded = importlib.import_module(f"te_core.testing.{module.name}")
        for name, value in vars(loaded).items():
            if not name.startswith("_") and getattr(value, "__module__", None) == loaded.__name__:
                found += described(f"testing.{module.name}.{name}", value)
    return sorted(dict.fromkeys(found))


def described(name: str, value: Any) -> Iterator[str]:
    """Yield a line for a name, and one for each public part of a class."""
    if not inspect.isclass(value):
        yield f"{name}{signature(value)}" if callable(value) else f"{name}: {type(value).__name__}"
        return
    if issubclass(value, enum.Enum):
        yield f"{name}: {', '.join(f'{each.name}={each.value!r}' for each in value)}"
        return
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    yield f"{name}{signature(value)}" + (f" is {bases}" if bases else "")
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield f"{name}.{field.name}: {field.type}"
    for part, member in inspect.getmembers_static(value):
        home = next((base for base in value.__mro__ if part in vars(base)), object)
        ours = home not in INHERITED and home.__module__.startswith("te_core")
        if part.startswith("_") or not ours:
            continue
        if isinstance(member, property):
            yield f"{name}.{part}: property"
        elif isinstance(member, staticmethod | classmethod):
            yield f"{name}.{part}{signature(member.__func__)}"
        elif inspect.isfunction(member):
            yield f"{name}.{part}{signature(member)}" + (
                " async" if inspect.iscoroutinefunction(member) else ""
            )


def signature(value: Any) -> str:
    """Return parameters as they are written; nothing if they cannot be determined."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    steady = [
        each.replace(default=Shown(each.default)) if isinstance(each.default, frozenset) else each
        for each in found.parameters.values()
    ]
    return ADDRESS.sub("", str(found.replace(parameters=steady)))


@dataclasses.dataclass(repr=False)
class Shown:
    """A set as a default value: sorted by its members' texts, so that every run writes the same."""

    members: frozenset[Any]

    def __repr__(self) -> str:
        return f"{{{', '.join(sorted(map(repr, self.members)))}}}"


def changed(now: list[str], released: list[str]) -> list[str]:
    """Return the names in ``te_core.api`` or a module of ``te_core.testing`` that differ, without their members."""
    differing = set(now) ^ set(released)
    return sorted({name_of(line) for line in differing})


def name_of(line: str) -> str:
    """Return the name that a line is about; for a member of a class, the class."""
    found = re.match(r"api\.(\w+)|testing\.\w+\.(\w+)", line)
    assert found is not None
    return found[1] or found[2]


def unmentioned(names: list[str], changelog: str) -> list[str]:
    """Return the names that are missing in the changelog's unreleased part."""
    unreleased = changelog.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    words = set(re.findall(r"\w+", unreleased))
    return [name for name in names if name not in words]


def main() -> None:
    """Write the list; with ``--release``, also the list of the newest release."""
    text = "\n".join(lines()) + "\n"
    NOW.write_text(text, encoding="utf-8")
    if "--release" in sys.argv[1:]:
        RELEASED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
