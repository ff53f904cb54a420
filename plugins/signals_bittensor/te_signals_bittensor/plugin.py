"""What this package offers to the engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.api import SignalSourceSpec, hookimpl
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.source import BittensorSource


@hookimpl
def te_signal_sources() -> Iterable[SignalSourceSpec[Any]]:
    """Offer the Bittensor source."""
    yield SignalSourceSpec(
        name="bittensor",
        settings=BittensorOptions,
        factory=BittensorSource,
        summary="positions of Bittensor subnet 8 miners, fetched and scored",
    )
