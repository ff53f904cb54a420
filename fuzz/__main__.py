"""``python -m fuzz [COUNT] [SEED]``: see ``fuzz.campaign``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from fuzz.campaign import fuzz, report


def main() -> None:
    """Run the campaign; the exit code is 1 if it found a problem."""
    with tempfile.TemporaryDirectory(prefix="te-fuzz-") as folder:
        outcome = fuzz(Path(folder), *(int(argument) for argument in sys.argv[1:]))
    print("\n".join(report(outcome)))
    sys.exit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
