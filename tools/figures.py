"""Measure how the code reads: ``python -m tools.figures [--git REVISION] [--json]``.

One row per package: length of files and functions, annotations, docstrings, and how these open. Below it, for the whole
repository: the files on the path of an alert as ``docs/architecture.md`` lists them, and the length of test names. With
``--git`` another revision is measured, from ``git archive``, so that before and after can be compared.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "te_core",
    "plugins/*/te_*",
    "emulators/te_emulators",
    "tests/emulators",
    "harness",
    "bench",
    "fuzz",
    "release",
)
"""Folders that hold production code or tools; ``tests/emulators`` is where the emulators were before."""
TESTS = ("tests", "plugins/*/tests", "emulators/tests", "tests/emulators/tests")
OPENINGS = ("Give", "Gives", "Tell", "Tells", "Say", "Says", "Take", "Takes", "Look", "Looks")
"""Verbs that a docstring should not open with: they do not state what a function returns or does."""
GUIDE = "docs/architecture.md"
PATH = re.compile(r"^```\n(?P<steps>(?:\w[\w/]*\.py: [\w.]+\n)+)```$", re.MULTILINE)
"""A path through the code, a step per line; the first of the guide is the one of an alert."""
LONGEST_NAME = 60
"""Characters of a test's name, ``test_`` included, up to which it can be read as a sentence."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One package. Lengths are in lines; shares are from 0 to 1, and 1 where there is nothing to count."""

    package: str
    files: int
    file_median: float
    file_largest: int
    functions: int
    function_p95: int
    annotated: float
    """Share of functions with a type for every parameter and for what they return."""
    documented: float
    """Share of public modules, classes and functions with a docstring."""
    docstrings: int
    """Docstrings of functions, public or not."""
    bad_openings: int
    """How many of these open with a verb of ``OPENINGS``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What is counted once."""

    path_files: int
    """Files on the path from an alert to its order; 0 if there is no list."""
    path_steps: int
    tests: int
    test_name_median: float
    test_name_p95: int
    test_name_longest: int
    test_names_too_long: int


def measure(root: Path) -> tuple[list[Figures], Repository]:
    """Measure every package below a folder, and the repository as a whole."""
    packages = []
    for pattern in PACKAGES:
        for folder in sorted(root.glob(pattern)):
            sources = _sources(folder, without_tests=True)
            if sources:
                packages.append(package_figures(folder.relative_to(root).as_posix(), sources))
    return packages, repository_figures(root)


def package_figures(name: str, sources: Sequence[str]) -> Figures:
    """Measure one package, from the text of its files."""
    trees = [ast.parse(source) for source in sources]
    lines = [len(source.splitlines()) for source in sources]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, FunctionNode)]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]
    public = [node for tree in trees for node in _public(tree)]
    openings = [
        text.split(maxsplit=1)[0] for node in functions if (text := ast.get_docstring(node) or "").strip()
    ]
    return Figures(
        package=name,
        files=len(sources),
        file_median=statistics.median(lines),
        file_largest=max(lines),
        functions=len(functions),
        function_p95=percentile(lengths, 95),
        annotated=share(sum(map(is_annotated, functions)), len(functions)),
        documented=share(sum(ast.get_docstring(node) is not None for node in public), len(public)),
        docstrings=len(openings),
        bad_openings=sum(word.rstrip(".,:;") in OPENINGS for word in openings),
    )


def repository_figures(root: Path) -> Repository:
    """Count what does not belong to a single package."""
    guide = root / GUIDE
    path = PATH.search(guide.read_text(encoding="utf-8")) if guide.exists() else None
    steps = path["steps"].splitlines() if path is not None else []
    names = [name for folder in _test_folders(root) for name in _test_names(folder)]
    lengths = [len(name) for name in names]
    return Repository(
        path_files=len({step.partition(":")[0] for step in steps}),
        path_steps=len(steps),
        tests=len(names),
        test_name_median=statistics.median(lengths) if lengths else 0,
        test_name_p95=percentile(lengths, 95),
        test_name_longest=max(lengths, default=0),
        test_names_too_long=sum(length > LONGEST_NAME for length in lengths),
    )


def percentile(values: Sequence[int], share_of_100: int) -> int:
    """Return the smallest value that this many percent do not exceed; 0 if there are no values."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * share_of_100 // 100) - 1] if ordered else 0


def share(part: int, whole: int) -> float:
    """Return a share; 1 if there is nothing to count."""
    return part / whole if whole else 1.0


def is_annotated(node: FunctionNode) -> bool:
    """Return whether every parameter and the return value have a type; ``self`` and ``cls`` need none."""
    given = node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    if named and named[0].arg in {"self", "cls"}:
        named = named[1:]
    named += [one for one in (given.vararg, given.kwarg) if one is not None]
    return node.returns is not None and all(one.annotation is not None for one in named)


def _public(tree: ast.Module) -> Iterator[ast.Module | Definition]:
    """Yield the module, and each class and function that is reachable by public names, including methods."""
    yield tree
    waiting: list[ast.Module | ast.ClassDef] = [tree]
    while waiting:
        for node in waiting.pop().body:
            if isinstance(node, Definition) and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    waiting.append(node)


def _sources(folder: Path, *, without_tests: bool) -> list[str]:
    inside = [path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts]
    if without_tests:
        inside = [path for path in inside if "tests" not in path.relative_to(folder).parts]
    return [path.read_text(encoding="utf-8") for path in inside]


def _test_folders(root: Path) -> list[Path]:
    found = {folder.resolve() for pattern in TESTS for folder in root.glob(pattern) if folder.is_dir()}
    return sorted(folder for folder in found if not any(other in folder.parents for other in found))


def _test_names(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, FunctionNode) and node.name.startswith("test_"):
                yield node.name


def table(packages: Sequence[Figures], repository: Repository) -> str:
    """Return the figures as text, aligned."""
    head = (
        "package",
        "files",
        "median",
        "largest",
        "functions",
        "p95",
        "annotated",
        "documented",
        "openings",
    )
    rows = [
        (
            one.package,
            str(one.files),
            f"{one.file_median:g}",
            str(one.file_largest),
            str(one.functions),
            str(one.function_p95),
            f"{one.annotated:.1%}",
            f"{one.documented:.1%}",
            f"{one.bad_openings} of {one.docstrings}",
        )
        for one in packages
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]
    docstrings, bad = sum(one.docstrings for one in packages), sum(one.bad_openings for one in packages)
    lines += [
        "",
        f"docstrings of functions that open with {', '.join(OPENINGS[::2])}: {bad} of {docstrings}",
        f"way of an alert ({GUIDE}): {repository.path_steps} steps through {repository.path_files} files",
        _test_names_line(repository),
    ]
    return "\n".join(lines)


def _test_names_line(repository: Repository) -> str:
    median, p95 = repository.test_name_median, repository.test_name_p95
    lengths = f"median {median:g}, p95 {p95}, longest {repository.test_name_longest}"
    return (
        f"test names: {repository.tests}, {lengths}, above {LONGEST_NAME}: {repository.test_names_too_long}"
    )


def as_json(packages: Sequence[Figures], repository: Repository) -> str:
    """Return the figures as JSON."""
    shown = {
        "packages": [{name: getattr(one, name) for name in Figures.__slots__} for one in packages],
        "repository": {name: getattr(repository, name) for name in Repository.__slots__},
    }
    return json.dumps(shown, indent=2)


def revision(root: Path, name: str, into: Path) -> Path:
    """Unpack a revision of the repository into an empty folder; exit if git does not know it."""
    done = subprocess.run(
        ["git", "archive", "--format=tar", name], cwd=root, capture_output=True, check=False
    )
    if done.returncode:
        sys.exit(
            f"git archive {name}: {done.stderr.decode(errors='replace').strip()}; name a commit, branch or tag"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(into, filter="data")
    return into


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description=__doc__)
    parser.add_argument(
        "--git", metavar="REVISION", help="measure this commit, branch or tag instead of the files here"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = revision(ROOT, options.git, Path(folder)) if options.git else ROOT
        found = measure(root)
    print(as_json(*found) if options.json else table(*found))


if __name__ == "__main__":
    main()
