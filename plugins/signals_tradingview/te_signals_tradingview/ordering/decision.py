"""The result of ordering an alert, and the interface of the two sets of rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from te_core.api import Signal
from te_signals_tradingview.formats.alert import Alert


class OrderingDecision(NamedTuple):
    """Whether an alert takes over, and why."""

    current: bool
    """Whether it takes over from the latest current signal of its symbol."""
    rule: str
    """The rule that decided."""
    detail: Mapping[str, Any] = MappingProxyType({})
    """What later decisions need to know, as entries of the signal's detail."""


class OrderingRule(Protocol):
    """One of the two sets of rules: ``ordering = "trust"`` or ``"parity"``. Pure."""

    def __call__(
        self, new: Alert, *, symbol: str, latest: Signal | None, arrived: Signal | None
    ) -> OrderingDecision:
        """Decide whether a new alert takes over.

        ``latest`` is the latest current signal of the symbol, ``arrived`` the one that arrived last, current or not.
        """
        ...
