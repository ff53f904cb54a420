"""Docstrings, comments, messages, pages, documents and names of tests are written in plain technical English.

``python -m tests.architecture.test_prose`` prints what is found, line by line.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.conftest import FOLDERS, ROOT

DOCUMENTS = (
    "*.md",
    "docs/**/*.md",
    "plugins/*/README.md",
    "emulators/*.md",
    "examples/**/*.md",
    "tests/**/*.md",
)
TEMPLATES = "te_core/page/templates/*.html"

OPENING_VERBS = {
    "Give": "Return, Yield, Build, Assign",
    "Tell": "Return whether, Report, Notify, Log",
    "Say": "Return, Show, Log",
    "Take": "Accept, Apply, Read, Remove",
    "Look": "Check, Find, Read, Poll",
}
"""First word of a docstring, and what to open with."""

WORDING = {
    r"(?<!there )\b(is|are|was|were|be) no (?!longer|more|less|better|worse|different|use\b|good\b)": "is not a …",
    r"\banew\b": "again",
    r"\bshall\b": "must, should, or the present tense",
    r"\bbeside\b": "next to, with",
    r"\bwell again\b": "recovered",
    r"\bcomes? to nothing\b": "has no effect",
    r"\bleft behind\b": "abandoned",
    r"(?<!time )\bin force\b": "active, in effect",
    r"\bof its own accord\b|\bby themselves\b": "automatically",
    r"\basks? for patience\b": "sends Retry-After, is rate limiting",
    r"\blook(s|ed|ing)? over\b|\blook(s|ed|ing)? the \w+ over\b": "check",
    r"\b(ha[sd]|have) (a|its|their) say\b|\bgiv\w+ (it|them) a say\b": "counts, takes part in the blend",
    r"\b(told|tells?|telling) of\b": "reported, notified about",
    r"\b(engine|exchange|plugin|program|journal|Bybit|BloFin|KuCoin|MEXC|ccxt) (tells|told)\b": "reports, returns",
    r"\b(is|are|was|were|be|been|being) told\b(?! (apart|to)\b)": "is reported, logged, notified",
    r"(?<!mis)taken for\b": "mistaken for, counts as",
    r"\bin vain\b": "without success",
    r"\b(nowise|thereof|therein|whence|whither|lest|ere|naught|seldom|unasked|amongst|whilst)\b": "(archaic)",
}
"""Regular expressions over sentences, and what to write."""

CODE = re.compile(r"(`+)(?:(?!\1).)+\1")
PARAGRAPH = re.compile(r"^.*\S.*\n?(?:^(?! *(?:[*|#-]|\d+\.) )(?=.*\S).*\n?)*", flags=re.M)
"""A paragraph, a list item or a row of a table."""
MARKUP = re.compile(r"\{[{%#].*?[}%#]\}|<[^>]*>")

EXAMPLE = '''"""Give the sum."""
# It shall be read anew.
class Refused(Exception):
    """Tells which order is no market order."""
def check(order):
    """Check what is no longer open: there is no other way."""
    log.warning("the stream is well again")
    raise Refused(f"{order}: what is beside it")
    return "this shall be shown", "shall"  # a single word is a value, and ``shall`` is code
def test_one_is_told_of_it(): ...
'''
TEMPLATE = """<p class="anew">{% if beside %}It is shown
beside it.{% endif %}</p>
"""


LONGEST_TEST_NAME = 60
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
    """Yield the docstrings, comments and other texts of a module, and what the names of its tests state."""
    inner: set[ast.AST] = set()
    for node in ast.walk(ast.parse(source)):  # parents come before their parts
        match node:
            case ast.Expr(value=ast.Constant(value=str(words))):
                inner.add(node.value)
                yield Text(path, node.lineno, words, True)
            case ast.JoinedStr(values=parts):
                inner.update(parts)
                words = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
                yield Text(path, node.lineno, words)
            case ast.Constant(value=str(words)) if " " in words and node not in inner:
                yield Text(path, node.lineno, words)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                yield Text(path, node.lineno, name.removeprefix("test_").replace("_", " "))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], token.string.lstrip("#: "))


def markdown_texts(path: str, source: str) -> Iterator[Text]:
    """Yield the paragraphs, list items and table rows of a document, without code."""
    blank = re.compile(r"[^\n]")
    source = re.sub(r"^( *)```.*?^\1```", lambda code: blank.sub("", code[0]), source, flags=re.S | re.M)
    source = re.sub(r"(?<=\n\n)(?: {4}.*\n)+", lambda code: blank.sub("", code[0]), source)
    for paragraph in PARAGRAPH.finditer(source):
        yield Text(path, source.count("\n", 0, paragraph.start()) + 1, paragraph[0])


def template_texts(path: str, source: str) -> Iterator[Text]:
    """Yield the lines of a page without their markup."""
    for number, line in enumerate(source.splitlines(), 1):
        yield Text(path, number, MARKUP.sub(" ", line))


def findings(text: Text) -> Iterator[Finding]:
    """Yield the wordings of a text that the tables above replace."""
    words = re.sub(r"\s+", " ", CODE.sub("…", text.words)).strip()
    if text.is_docstring and (verb := re.match(rf"({'|'.join(OPENING_VERBS)})s?\b(?!-)", words)):
        yield Finding(text.path, text.line, verb[0], OPENING_VERBS[verb[1]])
    for pattern, instead in WORDING.items():
        for match in re.finditer(pattern, words, flags=re.I):
            yield Finding(text.path, text.line, words[match.start() : match.end() + 20].strip(), instead)


TEXTS = {".py": python_texts, ".md": markdown_texts, ".html": template_texts}


def long_names(path: str, source: str) -> Iterator[Finding]:
    """Yield the tests of a module whose names are too long to read in a report."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if (
                name.startswith("test_") and len(name) > LONGEST_TEST_NAME
            ):
                yield Finding(path, node.lineno, name, f"at most {LONGEST_TEST_NAME} characters")


def found_in_repo() -> list[Finding]:
    """Read every source file, template and document of the repository, except this one."""
    files = {file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}
    files |= {file for pattern in (*DOCUMENTS, TEMPLATES) for file in ROOT.glob(pattern)}
    found = []
    for file in sorted(files - {Path(__file__)}):
        path = file.relative_to(ROOT).as_posix()
        source = file.read_text("utf-8")
        found += [finding for text in TEXTS[file.suffix](path, source) for finding in findings(text)]
        if file.suffix == ".py":
            found += long_names(path, source)
    return found


def test_every_text_is_plainly_worded() -> None:
    found = found_in_repo()
    assert not found, "\n".join(map(str, found))


def test_wording_is_found_in_docstrings_comments_messages_and_names() -> None:
    found = [finding for text in python_texts("example.py", EXAMPLE) for finding in findings(text)]
    assert sorted((finding.line, finding.found.split()[0].rstrip(".")) for finding in found) == [
        (1, "Give"),
        (2, "anew"),
        (2, "shall"),
        (4, "Tells"),
        (4, "is"),
        (7, "well"),
        (8, "beside"),
        (9, "shall"),
        (10, "is"),
        (10, "told"),
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


def test_wording_is_found_in_pages_but_not_in_their_markup() -> None:
    found = [finding for text in template_texts("example.html", TEMPLATE) for finding in findings(text)]
    assert [finding.line for finding in found] == [2]


@pytest.mark.parametrize(("length", "number"), [(LONGEST_TEST_NAME, 0), (LONGEST_TEST_NAME + 1, 1)])
def test_a_long_test_name_is_found(length: int, number: int) -> None:
    name = "test_".ljust(length, "x")
    assert len(list(long_names("example.py", f"async def {name}(): ..."))) == number


if __name__ == "__main__":
    print(*found_in_repo(), sep="\n")
