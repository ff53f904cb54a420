"""Findings of ``te doctor``, in one line each."""

from __future__ import annotations

from te_core.api import Finding, Severity

UNTOLD = (
    Finding(severity=Severity.OK, check="account", text="in one-way mode, as far as it is told"),
    Finding(
        severity=Severity.OK,
        check="key",
        text="what it may do is not told here",
        remedy="see at the exchange that it may trade contracts and cannot withdraw",
    ),
)
"""Of an account at an exchange that tells no more."""


def told(
    check: str, text: str, *, fine: object = True, remedy: str = "", bad: Severity = Severity.WARNING
) -> Finding:
    """Give a finding: well if ``fine``, else as ``bad`` as that, with what to do."""
    return Finding(
        severity=Severity.OK if fine else bad, check=check, text=text, remedy="" if fine else remedy
    )


def key_findings(
    *, trades: bool, make: str, withdraws: bool, bound: object, free: str, bind: str
) -> list[Finding]:
    """Look at a key. ``make``: what kind of key trades; ``free``, ``bind``: of one that works from any address."""
    found = [
        told(
            "key",
            "may trade contracts" if trades else "may not trade contracts",
            fine=trades,
            remedy=make,
            bad=Severity.ERROR,
        )
    ]
    if withdraws:
        text = "may withdraw funds, which the engine never needs"
        found.append(told("key", text, fine=False, remedy="make a key without that permission"))
    if not bound:
        found.append(told("key", free, fine=False, remedy=bind))
    return found
