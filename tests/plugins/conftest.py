"""Small real distributions: a module and its metadata, on the path as pip would put them there."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GOOD = """
from pydantic import BaseModel
from te_core.api import SignalSourceSpec, hookimpl

class Options(BaseModel):
    depth: int = 0

@hookimpl
def te_signal_sources():
    yield SignalSourceSpec(name={name!r}, settings=Options, factory=print)
"""

Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A separate site-packages folder; its imports are removed afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def install(site: Path) -> Install:
    """Install a distribution there; its module's code may use ``{name}``."""

    def put(
        name: str,
        code: str = GOOD,
        *,
        distribution: str | None = None,
        requires: tuple[str, ...] = ("te-core>=0.1",),
        version: str = "1.2.3",
    ) -> None:
        distribution = distribution or f"te-{name}"
        module = distribution.replace("-", "_") + "_module"
        (site / f"{module}.py").write_text(textwrap.dedent(code).replace("{name!r}", repr(name)))
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}"
        )
        (info / "entry_points.txt").write_text(f"[trade_engine.plugins]\n{name} = {module}\n")

    return put
