"""Entry point of the plugin ``paper``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from te_core.api import Capabilities, ExchangeSpec, FlowKind, hookimpl
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.options import PaperOptions

CAPABILITIES = Capabilities(
    # An order is answered in the call that fills it: one that is not found was never executed.
    visibility_window=timedelta(0),
    hedge_mode=False,
    stops=True,
    simulated=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING}),
)

PAPER = ExchangeSpec(
    name="paper",
    settings=PaperOptions,
    factory=PaperAccount,
    capabilities=CAPABILITIES,
    summary="a linear-perpetual account on paper, kept in a file",
    event_kinds=("funding",),
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[PaperOptions]]:
    """Offer the exchange named ``paper``."""
    yield PAPER
