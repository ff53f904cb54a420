"""Whatever one plugin does, the engine names it, honest instances trade on, and a stop stops (I7, I21)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.cases import CASES, Case
from tests.hostile.outcomes import outcome
from tests.hostile.page import PAGE, page, row

LONGEST_STOP = 40.0
"""Seconds that a stop may take with a plugin that does not end, including its abandonment."""


@pytest.fixture(scope="module")
def rows() -> set[str]:
    return set(PAGE.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_the_engine_names_it_and_trades_on(case: Case, tmp_path: Path, rows: set[str]) -> None:
    found = await outcome(case, tmp_path)
    assert found.traded_on, "what is honest waited for it"
    assert found.says, "what it did is not reported"
    assert found.closed_within < LONGEST_STOP
    assert row(case, found.says) in rows, "write the page: python -m tests.hostile.page"


def test_the_page_has_a_row_for_each_case_and_no_other() -> None:
    written = PAGE.read_text(encoding="utf-8")
    table = [line for line in written.splitlines() if line.startswith("|")]
    empty = page(dict.fromkeys(CASES, ""))
    assert len(table) == len([line for line in empty.splitlines() if line.startswith("|")])
    assert written.partition("\n## ")[0] == empty.partition("\n## ")[0]
