"""Accounts for the recorded responses: each one is checked by a test that names it, or has a reason why not.

An account is a table from an entry's title to how it is checked: ``"value: test_prices"`` names the test, and the kind
of check that it makes; ``"outside: ..."`` gives the reason. The test is searched for in the exchange's own tests and
those of its emulator, and must name the entry in its own text, its parameters, or what it calls.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from tests.samples.reader import entries

ROOT = Path(__file__).parents[2]
KINDS = {
    "ack": "the exchange's acceptance counts as one",
    "error": "the exchange's no becomes the engine's error",
    "value": "what is parsed equals what stands there",
    "shape": "the emulator answers in the same form",
    "push": "a message of a stream tells what it should, or nothing",
}
TABLE = "ACCOUNT"
"""The table itself names everything, and proves nothing."""
Texts = Mapping[str, frozenset[str]]
"""Strings that a test names, by the test's name."""


def complaints(venue: str, account: Mapping[str, str], *, plugin: str = "") -> list[str]:
    """Return the problems of an exchange's table. Skips if all its tests exist, but the samples are absent.

    ``plugin``: whose tests check it, if the exchange has no plugin of its own.
    """
    files = [
        *ROOT.glob(f"plugins/exchange_{plugin or venue}/tests/test_*.py"),
        *ROOT.glob(f"emulators/tests/test_{venue}_*.py"),
    ]
    tests = texts(file.read_text(encoding="utf-8") for file in files)
    if absent := list(absent_tests(account, tests)):  # seen without the samples, too
        return absent
    return list(differences([entry["name"] for entry in entries(venue)], account, tests))


def absent_tests(account: Mapping[str, str], tests: Texts) -> Iterator[str]:
    """Yield the entries whose test does not exist."""
    for title, how in account.items():
        kind, _, rest = how.partition(": ")
        if kind in KINDS and rest not in tests:
            yield f"{title}: there is no {rest}"


def differences(names: Sequence[str], account: Mapping[str, str], tests: Texts) -> Iterator[str]:
    """Yield the problems of a table of entries with those names."""
    known = titles(names)
    yield from absent_tests(account, tests)
    yield from (f"{title}: is neither checked nor outside" for title in known if title not in account)
    for title, how in account.items():
        kind, _, rest = how.partition(": ")
        if title not in known:
            yield f"{title}: there is no such entry"
        elif kind == "outside":
            if len(rest.split()) < 3:
                yield f"{title}: has no reason"
        elif kind not in KINDS:
            yield f"{title}: {kind} is not a kind of check"
        elif rest in tests and not any(_means(text, known[title], names) for text in tests[rest]):
            yield f"{title}: {rest} does not name it"


def titles(names: Iterable[str]) -> dict[str, int]:
    """Return the positions of entries by title: the name; for further entries of the same name, with a number."""
    seen: Counter[str] = Counter()
    found = {}
    for place, name in enumerate(names):
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} #{seen[name]}"] = place
    return found


def _means(text: str, place: int, names: Sequence[str]) -> bool:
    """Return whether a text is the entry's name, or several words for which ``samples.response`` returns it."""
    first = next((i for i, name in enumerate(names) if name.startswith(text)), None)
    return text == names[place] or (" " in text and first == place)


def texts(sources: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the texts that tests name, by test; of tests of one name in several files, all of them."""
    found: dict[str, frozenset[str]] = {}
    for source in sources:
        for name, named in _of_module(source).items():
            found[name] = found.get(name, frozenset()) | named
    return found


@cache
def _of_module(source: str) -> dict[str, frozenset[str]]:
    module = ast.parse(source)
    parts = {name: node for node in module.body for name in _bound(node)}
    tests = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        test.name: frozenset(_strings(test, parts, {TABLE}))
        for test in tests
        if test.name.startswith("test_")
    }


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            for target in targets:
                yield from (part.id for part in ast.walk(target) if isinstance(part, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name


def _strings(node: ast.AST, parts: Mapping[str, ast.stmt], seen: set[str]) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value
        elif isinstance(part, ast.Name) and part.id in parts and part.id not in seen:
            seen.add(part.id)
            yield from _strings(parts[part.id], parts, seen)
