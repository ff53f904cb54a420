"""Findings for ``te doctor``."""

from __future__ import annotations

from te_core.api import Finding, Severity

UNKNOWN_FINDINGS = (
    Finding(severity=Severity.OK, check="account", text="in one-way mode, as far as the exchange reveals it"),
    Finding(
        severity=Severity.OK,
        check="key",
        text="the exchange does not reveal its permissions",
        remedy="check at the exchange that it may trade contracts and cannot withdraw",
    ),
)
"""Findings for an exchange that reveals nothing more about account and key."""


def finding(
    check: str, text: str, *, fine: object = True, remedy: str = "", bad: Severity = Severity.WARNING
) -> Finding:
    """Return a finding: OK if ``fine``, else of severity ``bad`` with a remedy."""
    return Finding(
        severity=Severity.OK if fine else bad, check=check, text=text, remedy="" if fine else remedy
    )


def key_findings(
    *, trades: bool, make: str, withdraws: bool, bound: object, free: str, bind: str
) -> list[Finding]:
    """Return the findings about a key.

    ``make``: how to make a key that may trade. ``free`` and ``bind``: text and remedy for a key that works from any
    address.
    """
    found = [
        finding(
            "key",
            "may trade contracts" if trades else "may not trade contracts",
            fine=trades,
            remedy=make,
            bad=Severity.ERROR,
        )
    ]
    if withdraws:
        text = "may withdraw funds, which the engine never needs"
        found.append(finding("key", text, fine=False, remedy="make a key without that permission"))
    if not bound:
        found.append(finding("key", free, fine=False, remedy=bind))
    return found
