"""Offers MEXC to the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import Field

from te_core.api import Capabilities, ExchangeSpec, FlowKind, hookimpl
from te_exchange_ccxt.base import CcxtOptions, Window, account_factory
from te_exchange_mexc.venue import Mexc


class MexcOptions(CcxtOptions):
    """What ``[accounts.<name>]`` with ``plugin = "mexc"`` may say."""

    title: ClassVar[str] = "MEXC"
    windows: ClassVar[Sequence[Window]] = Mexc.windows

    market_order_type: Literal[5, 6] = Field(
        default=5,
        description="Code of a market order: 5 by MEXC's documentation, 6 as other clients send it.",
    )
    """By MEXC's documentation 5 is "market" and 6, which other clients send, "convert to the current price"."""


CAPABILITIES = Capabilities(
    # 10 s receive window, 0.5 s of clock skew that is not adjusted for, 4 s until an order shows.
    visibility_window=timedelta(seconds=15),
    leverage_in_order=True,
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    # What becomes of a second order with one externalOid is documented for batches only.
    duplicate_ids_refused=False,
)

MEXC = ExchangeSpec(
    name="mexc",
    settings=MexcOptions,
    factory=account_factory(Mexc),
    capabilities=CAPABILITIES,
    currency_by=lambda options: options.settle,
    summary="MEXC: USDT perpetuals",
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[MexcOptions]]:
    """Offer the exchange named ``mexc``."""
    yield MEXC
