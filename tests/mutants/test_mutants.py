"""Planted faults are caught: a tenth of them here, all of them by ``make mutants``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.planting import ROOT, catch
from tests.mutants.plants import MUTANTS

QUICK = [mutant for mutant in MUTANTS if mutant.quick]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_fault_still_finds_its_place(mutant: Mutant, tmp_path: Path) -> None:
    files = {mutant.file, *(file for file, _, _ in mutant.also)}
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((ROOT / file).read_text())
    mutant.plant(tmp_path)
    for file in files:
        compile((tmp_path / file).read_text(), file, "exec")


@pytest.mark.real_clock
@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name)
def test_a_planted_fault_is_caught(mutant: Mutant) -> None:
    assert len(QUICK) * 10 >= len(MUTANTS), "a tenth of all"
    caught = catch(mutant, seeds=40, seconds=45)
    assert caught.by, "no seed and no test noticed it"
