"""What is wrong with a part of the source now. The engine logs each outage once at its start and once at its end."""

from __future__ import annotations

from te_core.api import Outages


class OutageLog:
    """The outage of one part: ``upstream``, ``stream`` or ``journal``."""

    def __init__(self, outages: Outages, part: str) -> None:
        self.kind = ""
        """Empty while healthy, else "silent", "unusable" and so on.

        A kind of one word is a property of the part ("upstream is silent"); with a longer one ``reason`` is the whole
        explanation.
        """
        self.reason = ""
        self._outages = outages
        self._part = part

    @property
    def text(self) -> str:
        """What is wrong, as a sentence; empty while healthy."""
        return f"{self._part} is {self.kind}: {self.reason}" if self.kind.isalpha() else self.reason

    def failed(self, kind: str, reason: str) -> None:
        """Record a failure."""
        self.kind, self.reason = kind, reason
        self._outages.failing(self._part, f"{kind}: {reason}" if kind.isalpha() else reason)

    def succeeded(self) -> None:
        """Record a success."""
        self.kind, self.reason = "", ""
        self._outages.well(self._part)
