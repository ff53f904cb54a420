"""Prints figures as they come, and all goals with their verdicts at the end."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

_verdicts: list[str] = []


def print_line(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def judge(figure: str, goal: str, *, met: bool) -> None:
    """Store a verdict for the end."""
    _verdicts.append(f"  {'met    ' if met else 'NOT MET'}  {figure} (goal: {goal})")


def print_verdicts() -> None:
    """Print every verdict."""
    print_line("goals:")
    for verdict in _verdicts:
        print_line(verdict)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share of the values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def three(values: Iterable[float], unit: str = "") -> str:
    """Return minimum / median / maximum as text."""
    ordered = sorted(values)
    digits = 0 if ordered[-1] >= 100 else 2
    shown = (ordered[0], statistics.median(ordered), ordered[-1])
    return " / ".join(f"{value:.{digits}f}" for value in shown) + (f" {unit}" if unit else "")
