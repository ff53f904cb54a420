"""Search for a seed of any simulation that fails; run as a process of its own, against the first source on its path.

Usage: ``python -m tests.mutants.hunt SECONDS SEEDS [SIMULATION:SEED …]``. The latter are left out. Prints JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from pathlib import Path

import te_core
from tests.engine import test_crash_points, test_engine_simulation, test_market_simulation, test_simulation
from tests.engine.seeds import Simulation, run_seed

SIMULATIONS: dict[str, Simulation] = {
    "worker": test_simulation.simulate,
    "market": test_market_simulation.simulate,
    "engine": test_engine_simulation.simulate,
    "crashes": test_crash_points.simulate,
}


def hunt(
    seconds: float, seeds: int, known: frozenset[str], *, all_of_them: bool = False
) -> dict[str, object]:
    """Run seed after seed of every simulation, until one fails that is not ``known`` to, or time is up.

    ``seconds`` of CPU time, so that a busy machine tries as many seeds as an idle one.
    """
    until, tried = time.process_time() + seconds, 0
    failing: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(seeds):
            for name, simulation in SIMULATIONS.items():
                if f"{name}:{seed}" in known:
                    continue
                if time.process_time() > until:
                    return {"tried": tried, "failing": failing, "seeds": seed}
                tried += 1
                ended = run_seed(simulation, Path(folder), seed)
                if isinstance(ended, str):
                    failing.append(f"{name}:{seed}")
                    if not all_of_them:
                        return {"by": f"{name}, seed {seed}", "why": ended, "tried": tried}
    return {"tried": tried, "failing": failing, "seeds": seeds}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    arguments = sys.argv[1:]
    everything = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    source = str(Path(te_core.__file__).parent)
    found = hunt(float(rest[0]), int(rest[1]), frozenset(rest[2:]), all_of_them=everything)
    print(json.dumps({"source": source, **found}))
