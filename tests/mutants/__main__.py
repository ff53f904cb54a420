"""Plants every fault, one at a time, and prints what caught it: ``make mutants``.

``FLAGS="--seeds 200 --seconds 300 --only read"``: seeds of each simulation, seconds for each fault, faults by name.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.mutants.planting import ROOT, Caught, catch, copy_of_source, failing_without
from tests.mutants.plants import MUTANTS


def table(found: Iterable[Caught]) -> Iterable[str]:
    """Return the lines of the table."""
    yield f"{'planted fault':58} {'caught by':34} {'tried':>6} {'seconds':>8}"
    for one in found:
        by = one.by or "NOTHING"
        yield f"{one.mutant.name:58} {by[:34]:34} {one.tried:6} {one.seconds:8.1f}"


def main() -> int:
    """Return 1 if a fault was not caught."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--only", default="")
    parser.add_argument("--why", action="store_true")
    options = parser.parse_args()
    planted = [mutant for mutant in MUTANTS if options.only in mutant.name]
    found = []
    # Edits meanwhile must not affect the results: all run against one copy.
    with copy_of_source(ROOT, "tests") as source, ThreadPoolExecutor(os.cpu_count()) as pool:
        known, seeds = failing_without(source, options.seeds, options.seconds * 4)
        print(f"nothing planted, {seeds} seeds of each: left out", *(known or ["nothing"]), flush=True)
        print(*table([]))
        hunt = partial(catch, seeds=seeds, seconds=options.seconds, known=known, source=source)
        for one in pool.map(hunt, planted):
            found.append(one)
            print(list(table([one]))[1], *([f"\n    {one.why[:300]}"] if options.why else []), flush=True)
    missed = [one.mutant.name for one in found if not one.by]
    print(f"{len(found) - len(missed)} of {len(found)} caught" + (f"; not: {missed}" if missed else ""))
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
