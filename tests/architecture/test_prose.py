"""Docstrings, comments, messages, documents and names of tests are written in plain technical English.

Folders that were written earlier have an allowance in ``prose_allowances.toml``, which may only fall::

    python -m tests.architecture.test_prose             # what is found in each folder
    python -m tests.architecture.test_prose te_core/web # the findings in a folder, line by line
    python -m tests.architecture.test_prose --lower     # write the lower numbers to the file
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ALLOWANCES = Path(__file__).with_name("prose_allowances.toml")
PACKAGES = (
    "te_core",
    "plugins",
    "emulators",
    "examples",
    "bench",
    "fuzz",
    "harness",
    "tools",
    "release",
    "tests",
)
DOCUMENTS = (
    "*.md",
    "docs/**/*.md",
    "plugins/*/README.md",
    "emulators/*.md",
    "examples/**/*.md",
    "tests/**/*.md",
)

OPENING_VERBS = {
    "Give": "Return, Yield, Build, Assign",
    "Tell": "Return whether, Report, Notify, Log",
    "Say": "Return, Show, Log",
    "Take": "Accept, Apply, Read, Remove",
    "Look": "Check, Find, Read, Poll",
}
"""First word of a docstring, and what to open with."""

WORDING = {
    r"(?<!there )\bis no (?!longer|more|less|better|worse|different|use\b|good\b)": "is not a …",
    r"\banew\b": "again",
    r"\bshall\b": "must, should, or the present tense",
    r"\bbeside\b": "next to, with",
    r"\bwell again\b": "recovered",
    r"\bcomes? to nothing\b": "has no effect",
    r"\bleft behind\b": "abandoned",
    r"\bin force\b": "active, in effect",
    r"\bof its own accord\b|\bby themselves\b": "automatically",
    r"\basks? for patience\b": "sends Retry-After, is rate limiting",
    r"\blook(s|ed|ing)? over\b|\blook(s|ed|ing)? the \w+ over\b": "check",
    r"\b(ha[sd]|have) (a|its|their) say\b|\bgiv\w+ (it|them) a say\b": "counts, takes part in the blend",
    r"\b(told|tells?|telling) of\b": "reported, notified about",
    r"\b(engine|exchange|plugin|program|journal|Bybit|BloFin|KuCoin|MEXC|ccxt) (tells|told)\b": "reports, returns",
    r"\b(nowise|thereof|therein|whence|whither|lest|ere|naught|aught|betwixt|amongst|whilst)\b": "(archaic)",
}
"""Regular expressions over sentences, and what to write."""

CODE = re.compile(r"(`+)(?:(?!\1).)+\1")
PARAGRAPH = re.compile(r"^.*\S.*\n?(?:^(?! *(?:[*|#-]|\d+\.) )(?=.*\S).*\n?)*", flags=re.M)
"""A paragraph, a list item or a row of a table."""

EXAMPLE = '''"""Give the sum."""
# It shall be read anew.
class Refused(Exception):
    """Tells which order is no market order."""
def check(order):
    """Check what is no longer open: there is no other way."""
    log.warning("the stream is well again")
    raise Refused(f"{order}: what is beside it")
    return "shall: a value, not prose"  # nor is code: ``shall``
'''


LONGEST_TEST_NAME = 65
"""Characters of a test's name: a short statement."""


class Text(NamedTuple):
    """A docstring, comment, message or paragraph, in one line."""

    path: str
    line: int
    words: str
    is_docstring: bool = False


class Finding(NamedTuple):
    path: str
    line: int
    found: str
    instead: str

    def __str__(self) -> str:
        return f'{self.path}:{self.line}: "{self.found}": write {self.instead}'


def python_texts(path: str, source: str) -> Iterator[Text]:
    """Yield the docstrings, comments, log messages and error messages of a module."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(words))):
                yield Text(path, node.lineno, words, True)
            case ast.Raise(exc=ast.Call() as call):
                yield from _messages(path, call)
            case ast.Call(func=ast.Attribute(attr="debug" | "info" | "warning" | "error" | "exception")):
                yield from _messages(path, node)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], token.string.lstrip("#: "))


def _messages(path: str, call: ast.Call) -> Iterator[Text]:
    for argument in call.args:
        match argument:
            case ast.Constant(value=str(words)):
                yield Text(path, argument.lineno, words)
            case ast.JoinedStr(values=parts):
                words = "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in parts)
                yield Text(path, argument.lineno, words)


def markdown_texts(path: str, source: str) -> Iterator[Text]:
    """Yield the paragraphs, list items and table rows of a document, without code."""
    blank = re.compile(r"[^\n]")
    source = re.sub(r"^( *)```.*?^\1```", lambda code: blank.sub("", code[0]), source, flags=re.S | re.M)
    source = re.sub(r"(?<=\n\n)(?: {4}.*\n)+", lambda code: blank.sub("", code[0]), source)
    for paragraph in PARAGRAPH.finditer(source):
        yield Text(path, source.count("\n", 0, paragraph.start()) + 1, paragraph[0])


def findings(text: Text) -> Iterator[Finding]:
    """Yield what a text words in a way that the tables above replace."""
    words = re.sub(r"\s+", " ", CODE.sub("…", text.words)).strip()
    if text.is_docstring and (verb := re.match(rf"({'|'.join(OPENING_VERBS)})s?\b", words)):
        yield Finding(text.path, text.line, verb[0], OPENING_VERBS[verb[1]])
    for pattern, instead in WORDING.items():
        for match in re.finditer(pattern, words, flags=re.I):
            yield Finding(text.path, text.line, words[match.start() : match.end() + 20].strip(), instead)


def long_names(path: str, source: str) -> Iterator[Finding]:
    """Yield the tests of a module whose names are too long to read in a report."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                name.startswith("test_") and len(name) > LONGEST_TEST_NAME
            ):
                yield Finding(path, node.lineno, name, f"at most {LONGEST_TEST_NAME} characters")


def folder_of(path: str) -> str:
    """Return the room, package or folder that a file is counted with."""
    return "/".join(Path(path).parent.parts[:2]) or "."


def found_in_repo() -> list[Finding]:
    """Read every source file and document of the repository."""
    files = {file for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    files |= {file for pattern in DOCUMENTS for file in ROOT.glob(pattern)}
    found = []
    for file in sorted(files):
        path = file.relative_to(ROOT).as_posix()
        source = file.read_text("utf-8")
        texts = python_texts if file.suffix == ".py" else markdown_texts
        found += [finding for text in texts(path, source) for finding in findings(text)]
        if file.suffix == ".py":
            found += long_names(path, source)
    return found


def allowances() -> dict[str, int]:
    return tomllib.loads(ALLOWANCES.read_text("utf-8"))


def write_allowances(table: dict[str, int]) -> None:
    lines = [
        "# Findings of tests/architecture/test_prose.py that each folder may still have. Lower them only.\n"
    ]
    lines += [f'"{folder}" = {number}\n' for folder, number in sorted(table.items()) if number]
    ALLOWANCES.write_text("".join(lines), "utf-8")


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    return found_in_repo()


def test_no_folder_has_more_than_its_allowance(found: list[Finding]) -> None:
    allowed = allowances()
    counts = Counter(folder_of(finding.path) for finding in found)
    above = {folder for folder, number in counts.items() if number > allowed.get(folder, 0)}
    listed = "\n".join(str(finding) for finding in found if folder_of(finding.path) in above)
    assert not above, f"more findings than prose_allowances.toml allows in {sorted(above)}:\n{listed}"


def test_an_allowance_falls_with_what_is_left(found: list[Finding]) -> None:
    counts = Counter(folder_of(finding.path) for finding in found)
    below = {folder: counts[folder] for folder, number in allowances().items() if counts[folder] < number}
    assert not below, f"better than allowed; run python -m tests.architecture.test_prose --lower: {below}"


def test_wording_is_found_in_docstrings_comments_and_messages() -> None:
    found = [finding for text in python_texts("example.py", EXAMPLE) for finding in findings(text)]
    assert sorted((finding.line, finding.found.split()[0].rstrip(".")) for finding in found) == [
        (1, "Give"),
        (2, "anew"),
        (2, "shall"),
        (4, "Tells"),
        (4, "is"),
        (7, "well"),
        (8, "beside"),
    ]


@pytest.mark.parametrize(
    ("document", "lines"),
    [
        ("It shall\nbe.\n\nA read\nis no\nproof.\n", [1, 4]),
        ("```\nshall\n```\n\n    it shall\n\nText `shall`.\n\n* It shall.\n", [9]),
        ("There is no way. It is no longer so, and besides it is not.\n", []),
    ],
)
def test_wording_is_found_in_documents_but_not_in_their_code(document: str, lines: list[int]) -> None:
    found = [finding for text in markdown_texts("example.md", document) for finding in findings(text)]
    assert [finding.line for finding in found] == lines


@pytest.mark.parametrize(("length", "number"), [(LONGEST_TEST_NAME, 0), (LONGEST_TEST_NAME + 1, 1)])
def test_a_long_test_name_is_found(length: int, number: int) -> None:
    name = "test_".ljust(length, "x")
    assert len(list(long_names("example.py", f"async def {name}(): ..."))) == number


def main(*arguments: str) -> None:
    found = found_in_repo()
    counts = Counter(folder_of(finding.path) for finding in found)
    allowed = allowances()
    if "--lower" in arguments:
        write_allowances({folder: min(number, counts[folder]) for folder, number in allowed.items()})
    elif arguments:
        print(*(finding for finding in found if folder_of(finding.path) in arguments), sep="\n")
    else:
        for folder in sorted(counts.keys() | allowed.keys()):
            print(f"{folder:32} {counts[folder]:5} found, {allowed.get(folder, 0):5} allowed")


if __name__ == "__main__":
    main(*sys.argv[1:])
