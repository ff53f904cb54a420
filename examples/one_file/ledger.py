"""Every finished order as a line in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from te_core.api import FinishedOrder, NotReady, Observer, ObserverContext, ObserverSpec, hookimpl


class LedgerOptions(BaseModel):
    """Options of a ledger."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Path
    """file that orders are appended to"""


class Ledger(Observer):
    """Appends a line for each order."""

    def __init__(self, context: ObserverContext[LedgerOptions]) -> None:
        self._file = context.options.file

    async def order_finished(self, order: FinishedOrder) -> None:
        """Append it; retried while the disk is full."""
        row = (
            order.at.isoformat(),
            order.account,
            order.symbol,
            order.side,
            order.filled,
            order.price,
            order.state,
        )
        try:
            with self._file.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
        except OSError as error:
            raise NotReady(f"{self._file}: {error}") from error


@hookimpl
def te_observers() -> Iterable[ObserverSpec[Any]]:
    """Offer the observer to the engine."""
    yield ObserverSpec(name="ledger", settings=LedgerOptions, factory=Ledger)
