"""What the journal remembers, as the JSON values that the private listener and ``te signals`` show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from te_core.journal.reader import JournalReader
from te_core.reporting.explain import show_signal, text


class JournalHistory:
    """Newest first. Reads block: they belong in a thread."""

    def __init__(self, journal: JournalReader) -> None:
        self._journal = journal

    def signals(self, limit: int) -> Sequence[dict[str, Any]]:
        """Give the newest signals."""
        return [
            {
                "source": signal.source,
                "symbol": signal.symbol,
                "current": signal.current,
                **show_signal(signal),
            }
            for signal in self._journal.signals(limit)
        ]

    def quarantine(self, limit: int) -> Sequence[dict[str, Any]]:
        """Give the newest refused inputs."""
        return [
            {
                "source": refused.source,
                "received_at": text(refused.received_at),
                "field": refused.field,
                "reason": refused.reason,
                "body": refused.body,
            }
            for refused in self._journal.quarantine(limit)
        ]
