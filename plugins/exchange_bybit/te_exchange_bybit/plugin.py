"""Offers Bybit to the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from te_core.api import Capabilities, ExchangeSpec, FlowKind, hookimpl
from te_exchange_bybit.venue import Bybit
from te_exchange_ccxt.base import CcxtOptions, Window, account_factory


class BybitOptions(CcxtOptions):
    """What ``[accounts.<name>]`` with ``plugin = "bybit"`` may say."""

    title: ClassVar[str] = "Bybit"
    windows: ClassVar[Sequence[Window]] = Bybit.windows
    tests: ClassVar[tuple[str, ...]] = ("testnet", "demo")


CAPABILITIES = Capabilities(
    # 5 s receive window, 0.5 s of clock skew that is not adjusted for, 4 s that reads were seen behind pushes.
    visibility_window=timedelta(seconds=10),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)

BYBIT = ExchangeSpec(
    name="bybit",
    settings=BybitOptions,
    factory=account_factory(Bybit),
    capabilities=CAPABILITIES,
    currency_by=lambda options: options.settle,
    summary="Bybit: unified accounts, linear perpetuals; testnet and demo",
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[BybitOptions]]:
    """Offer the exchange named ``bybit``."""
    yield BYBIT
