"""The figures of ``tools.figures`` count what they claim to."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools.figures import Figures, measure, package_figures, percentile, revision, table

SOURCE = '''"""A module."""


class Public:
    """A class."""

    def first(self, number: int) -> int:
        """Give a number."""
        return number

    def second(self, number):
        return number

    def _third(self) -> None:
        """Says nothing."""


async def fourth(*numbers, key: str = "") -> None:
    """Return nothing."""
    def inner(): ...
'''


@pytest.fixture
def found() -> Figures:
    return package_figures("made", [SOURCE, '"""Short."""\n'])


def test_lengths_are_counted_in_lines(found: Figures) -> None:
    assert (found.files, found.file_median, found.file_largest) == (2, 10.5, 20)
    assert (found.functions, found.function_p95) == (5, 3)


def test_a_function_is_annotated_when_all_of_it_is(found: Figures) -> None:
    assert found.annotated == 2 / 5


def test_public_docstrings_leave_out_what_is_private_or_local(found: Figures) -> None:
    assert found.documented == 5 / 6


def test_openings_count_the_docstrings_of_functions(found: Figures) -> None:
    assert (found.bad_openings, found.docstrings) == (2, 3)


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0), ([7], 7), (list(range(1, 101)), 95), ([1, 2, 3], 3)]
)
def test_percentile_is_the_smallest_value_that_suffices(values: list[int], expected: int) -> None:
    assert percentile(values, 95) == expected


def test_a_repository_is_measured_by_package_path_and_test_names(tmp_path: Path) -> None:
    for name, text in {
        "te_core/__init__.py": "",
        "plugins/exchange_x/te_exchange_x/plugin.py": SOURCE,
        "plugins/exchange_x/tests/test_x.py": f"def test_{'a' * 60}() -> None: ...\n",
        "tests/emulators/tests/test_y.py": "def test_y() -> None: ...\n\ndef helper() -> None: ...\n",
        "docs/architecture.md": "```\nte_core/a.py: A.b\nte_core/a.py: A.c\nte_core/d.py: e\n```\n\n"
        "```\nte_core/f.py: g\n```\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    packages, repository = measure(tmp_path)
    assert [one.package for one in packages] == ["te_core", "plugins/exchange_x/te_exchange_x"]
    assert (repository.path_files, repository.path_steps) == (2, 3)
    assert (repository.tests, repository.test_name_longest, repository.test_names_too_long) == (2, 65, 1)
    assert "2 of 3" in table(packages, repository)


def test_another_revision_is_measured_from_git(tmp_path: Path) -> None:
    (tmp_path / "te_core").mkdir()
    module = tmp_path / "te_core" / "one.py"
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@example.org"]
    for text in ("old = 1\n", "new = 1\nnew = 2\n"):
        module.write_text(text)
        for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", text.strip()]):
            subprocess.run([*git, *command], cwd=tmp_path, check=True)
    packages, _ = measure(revision(tmp_path, "HEAD~1", tmp_path / "before"))
    assert [one.file_largest for one in packages] == [1]
    with pytest.raises(SystemExit, match="name a commit, branch or tag"):
        revision(tmp_path, "no-such", tmp_path / "nothing")
