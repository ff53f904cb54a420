"""What is wrong with a part of the source now; the engine reports it once at its start and once at its end."""

from __future__ import annotations

from te_core.api import Outages


class Trouble:
    """One part: ``upstream``, ``stream``, ``journal``. ``kind``: "" when all is well, else "silent", "unusable" …

    A ``kind`` of two words or more is no property of the part, and ``reason`` says all.
    """

    def __init__(self, outages: Outages, part: str) -> None:
        self.kind = ""
        self.reason = ""
        self._outages = outages
        self._part = part

    def met(self, kind: str, reason: str) -> None:
        """Record a failure."""
        self.kind, self.reason = kind, reason
        self._outages.failing(self._part, f"{kind}: {reason}" if kind.isalpha() else reason)

    @property
    def text(self) -> str:
        """Return what is wrong as a sentence, "" when all is well."""
        return f"{self._part} is {self.kind}: {self.reason}" if self.kind.isalpha() else self.reason

    def over(self) -> None:
        """Record a success."""
        self.kind, self.reason = "", ""
        self._outages.well(self._part)
