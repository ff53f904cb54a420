"""Templates are compiled in another process, and in this one where that cannot be started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateAssertionError, TemplateNotFound

from te_core.page import compiling
from te_core.page.compiling import CompiledTemplates, compile_here, compiled, environment_of
from te_core.page.site import FILTERS

NAMES = tuple(FILTERS)


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    compiled.cache_clear()
    yield
    compiled.cache_clear()


def test_both_ways_make_the_same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(compiling, "compile_here", None)  # this process compiles nothing
        found = compiled(NAMES)
    assert found == compile_here(NAMES)
    assert set(found) == {path.name for path in compiling.FOLDER.iterdir()}


def test_templates_are_compiled_here_if_no_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path("/nowhere/python")))
    assert compiled(NAMES) == compile_here(NAMES)


@pytest.mark.parametrize("printed", [b"", b"Python says hello"])
def test_nonsense_from_the_other_process_is_not_used(printed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, stdout=printed)

    monkeypatch.setattr(subprocess, "run", run)
    assert compiled(NAMES) == compile_here(NAMES)


def test_a_misspelled_filter_is_found_when_compiling() -> None:
    with pytest.raises(TemplateAssertionError, match="figure"):
        compile_here([name for name in NAMES if name != "figure"])


def test_what_does_not_print_is_escaped_in_every_page() -> None:
    environment = environment_of(CompiledTemplates(compiled(NAMES)))
    environment.filters.update(FILTERS)
    assert environment.finalize is not None
    assert environment.finalize("evil\u202etxt") == "evil\\u202etxt"
    assert environment.list_templates() == sorted(compiled(NAMES))
    with pytest.raises(TemplateNotFound):
        environment.get_template("nothing.html")
