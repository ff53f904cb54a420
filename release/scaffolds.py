"""From ``te plugin new`` to green tests, timed, in an environment that has only installed wheels.

``make dist`` does it with what it has built; ``python -m release.scaffolds WHEEL…`` with any wheels of te-core and
te-exchange-ccxt.
"""

from __future__ import annotations

import sys
import tempfile
import time
import venv
from itertools import pairwise
from pathlib import Path

KINDS = {
    "source": ("te-signals-trial", ()),
    "exchange": ("te-exchange-trial", ()),
    "ccxt-exchange": ("te-exchange-trial-gate", ("--exchange", "gate")),
    "notifier": ("te-notify-trial", ()),
}


def time_scaffolds(here: Path, python: Path) -> None:
    """Write, install and test a plugin of each kind as its author would, and check that it reaches silver."""
    from release.trial import run

    te = str(python.with_name("te"))
    for kind, (package, further) in KINDS.items():
        name = "trial_gate" if further else "trial"
        folder = here / package
        marks = [time.monotonic()]
        for command in (
            (te, "plugin", "new", kind, name, "--dir", str(here), *further),
            (str(python), "-m", "pip", "install", "-q", "-e", f"{folder}[test]"),
            (str(python), "-P", "-m", "pytest", "-q", "-rs"),
        ):
            shown = run(folder if folder.exists() else here, *command)
            marks.append(time.monotonic())
        written, installed, tested = (after - before for before, after in pairwise(marks))
        print(
            f"{kind}: {marks[-1] - marks[0]:.1f} s from nothing to green "
            f"(written {written:.1f} s, installed {installed:.1f} s, tested {tested:.1f} s: "
            f"{shown.strip().splitlines()[-1]})"
        )
        run(folder, te, "plugin", "check", ".", "--at-least", "silver")
        run(folder, str(python), "-m", "pip", "uninstall", "-q", "-y", package)


def main() -> None:
    from release.trial import run

    wheels = sys.argv[1:] or sys.exit("name the wheels of te-core and te-exchange-ccxt")
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        venv.create(here / "venv", with_pip=True)
        python = here / "venv" / "bin" / "python"
        run(
            here,
            str(python),
            "-m",
            "pip",
            "install",
            "-q",
            *(str(Path(wheel).absolute()) for wheel in wheels),
        )
        time_scaffolds(here, python)


if __name__ == "__main__":
    main()
