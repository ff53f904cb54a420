"""Measure how long a thread was ready to run but had no core."""

from __future__ import annotations

from pathlib import Path

_NANOSECONDS = 1e9


def seconds_waited_for_a_core(native_id: int) -> float:
    """Return the seconds that a thread of this process has waited for a core so far; 0 if they are not counted.

    Linux counts them: https://docs.kernel.org/scheduler/sched-stats.html, second field of a task's ``schedstat``.
    """
    try:
        fields = Path(f"/proc/self/task/{native_id}/schedstat").read_text(encoding="ascii").split()
        return int(fields[1]) / _NANOSECONDS
    except (OSError, ValueError, IndexError):
        return 0.0
