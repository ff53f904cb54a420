"""A plugin of pytest that records what became of each test, for ``te plugin check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

OPTION = "--te-record"
SUITES = {
    ("te_core.testing.conformance", "ExchangeConformance"): "exchange",
    ("te_core.testing.source_conformance", "SourceConformance"): "source",
    ("te_core.testing.notifier_conformance", "NotifierConformance"): "notifier",
}
"""Module and class of each conformance suite, and the kind of plugin that it is for."""
_MARK = "te_conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Accept the file to write to."""
    parser.addoption(OPTION, dest="te_record", metavar="FILE", help="where te plugin check reads the outcome")


def pytest_configure(config: pytest.Config) -> None:
    """Record where the file is named."""
    if file := config.getoption("te_record"):
        config.pluginmanager.register(_Recorder(Path(file)), "te-recorder")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the cases of the conformance suite; what stands in ``user_properties`` reaches every report."""
    cls = getattr(item, "cls", None)
    for base in () if cls is None else cls.__mro__:
        if kind := SUITES.get((base.__module__, base.__name__)):
            item.user_properties.append((_MARK, kind))


class _Recorder:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._outcomes: dict[str, dict[str, object]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the call's outcome, and what went wrong before or after it."""
        if report.when != "call" and report.outcome == "passed":
            return
        reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""
        self._outcomes[report.nodeid] = {
            "outcome": report.outcome,
            "reason": reason.removeprefix("Skipped: "),
            "suite": next((str(kind) for mark, kind in report.user_properties if mark == _MARK), ""),
        }

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        self._file.write_text(json.dumps(self._outcomes), encoding="utf-8")
