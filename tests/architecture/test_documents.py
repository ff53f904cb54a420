"""Everything that the documents refer to exists."""

from __future__ import annotations

import inspect
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from te_core import hookspecs
from te_core.reporting.machine import CHECKS

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
OWN_PATH = re.compile(
    r"`((?:te_core|tests|plugins|emulators|examples|requirements|bench|fuzz|harness|tools)/[\w/.-]*)`"
)
NOT_PROSE = re.compile(r"```[\s\S]*?```|^#.*$", re.MULTILINE)
DEPTH = re.compile(r"\bdepths?\b")
REGISTRIES = ("py" + "pi.org", "python" + "hosted.", "registry.npm" + "js", "deb.deb" + "ian")
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|farm)/\w")


@pytest.fixture(scope="session")
def tracked(root: Path) -> list[Path]:
    """Return every file of the repo: git's list, or all files if this is not a git checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [root / name for name in listed.stdout.split("\0") if name]
    else:
        lines = (root / ".gitignore").read_text(encoding="utf-8").split()
        ignored = {".git", *(line.strip("/") for line in lines)}
        paths = [
            path
            for path in root.rglob("*")
            if not any(fnmatch(part, name) for part in path.relative_to(root).parts for name in ignored)
        ]
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="session")
def documents(tracked: list[Path]) -> list[Path]:
    return [path for path in tracked if path.suffix == ".md"]


def test_every_link_between_documents_leads_somewhere(documents: list[Path]) -> None:
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in LINK.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert not broken


def test_every_file_that_a_document_names_exists(documents: list[Path], root: Path) -> None:
    missing = [
        f"{document.name}: {name}"
        for document in documents
        for name in OWN_PATH.findall(document.read_text(encoding="utf-8"))
        if not (root / name).exists()
    ]
    assert not missing


def test_depth_is_explained_where_a_page_first_uses_it(documents: list[Path], root: Path) -> None:
    """The word means a target exposure here, not the depth of an order book."""
    lacking = []
    for document in documents:
        if "adr" in document.parts or document.name == "CHANGELOG.md":
            continue
        text = NOT_PROSE.sub("", document.read_text(encoding="utf-8"))
        if (used := DEPTH.search(text)) is not None:
            block_end = text.find("\n\n", used.end())
            known = text[: block_end if block_end >= 0 else len(text)]
            if not re.search(r"target\s+exposure", known):
                lacking.append(str(document.relative_to(root)))
    assert not lacking, (
        f"{lacking}: write that a depth is a target exposure, -1 (fully short) to 1 (fully long)"
    )


def test_every_hook_is_documented(root: Path) -> None:
    guide = (root / "docs" / "plugins.md").read_text(encoding="utf-8")
    hooks = [
        name
        for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith(hookspecs.PREFIX)
    ]
    assert hooks
    assert not [name for name in hooks if f"`{name}`" not in guide]


@pytest.mark.parametrize("number", range(1, 16))
def test_every_invariant_names_its_files(number: int, root: Path) -> None:
    rows = (root / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines()
    (row,) = (row for row in rows if row.startswith(f"| I{number} |"))
    assert OWN_PATH.search(row)


def test_the_readme_shows_the_two_commands(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert "make run" in readme
    assert "make test" in readme


def test_pm2_s_file_is_shown_as_it_is(root: Path) -> None:
    guide = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    assert (root / "ecosystem.config.js").read_text(encoding="utf-8") in guide


def test_the_unit_of_systemd_is_shown_as_it_is(root: Path) -> None:
    guide = (root / "docs" / "security.md").read_text(encoding="utf-8")
    assert (root / "trade-engine.service").read_text(encoding="utf-8") in guide


def test_every_check_of_the_machine_is_documented(root: Path) -> None:
    guide = (root / "docs" / "security.md").read_text(encoding="utf-8")
    assert not [name for name in CHECKS if f"| `{name}` |" not in guide]


def test_no_file_names_a_registry_or_a_path_of_one_machine(tracked: list[Path], root: Path) -> None:
    found = []
    for path in tracked:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATH.search(line) or any(host in line for host in REGISTRIES):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    assert not found


def test_nothing_that_belongs_to_one_machine_is_part_of_the_repo(tracked: list[Path]) -> None:
    assert not [path for path in tracked if path.name == ".secrets.toml" or path.suffix == ".sqlite3"]


@pytest.mark.parametrize(
    "name",
    [
        ".secrets.toml",
        ".secrets.toml.4711",
        ".secrets.toml~",
        ".secrets.toml.bak",
        ".secrets.toml.swp",
        "..secrets.toml.swp",
        "#.secrets.toml#",
        ".#.secrets.toml",
        "settings.toml.4711",
        "settings.toml~",
        ".settings.toml.swp",
        "settings.toml.bak",
        "settings.toml.orig",
    ],
)
def test_git_ignores_secrets_and_what_editors_make_of_them(name: str, root: Path) -> None:
    if not (root / ".git").exists():
        pytest.skip("this is not a git checkout")
    found = subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=root, check=False)
    assert found.returncode == 0


def test_every_decision_has_a_number_of_its_own(root: Path) -> None:
    found = sorted(path.name for path in (root / "docs" / "adr").glob("*.md"))
    assert len({name[:4] for name in found}) == len(found)
    for name in found:
        first = (root / "docs" / "adr" / name).read_text(encoding="utf-8").partition("\n")[0]
        assert first.startswith(f"# {int(name[:4])}. ")
