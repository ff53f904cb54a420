"""Offers KuCoin Futures to the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from te_core.api import Capabilities, ExchangeSpec, FlowKind, hookimpl
from te_exchange_ccxt.base import CcxtOptions, Window, account_factory
from te_exchange_kucoin.venue import Kucoin


class KucoinOptions(CcxtOptions):
    """What ``[accounts.<name>]`` with ``plugin = "kucoin"`` may say."""

    title: ClassVar[str] = "KuCoin Futures"
    windows: ClassVar[Sequence[Window]] = Kucoin.windows
    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")


CAPABILITIES = Capabilities(
    # 5 s receive window, 0.5 s of clock skew that is not adjusted for, 4 s until an order shows.
    visibility_window=timedelta(seconds=10),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.FUNDING, FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)

KUCOIN = ExchangeSpec(
    name="kucoin",
    settings=KucoinOptions,
    factory=account_factory(Kucoin),
    capabilities=CAPABILITIES,
    currency_by=lambda options: options.settle,
    summary="KuCoin Futures: classic accounts, linear perpetuals",
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[KucoinOptions]]:
    """Offer the exchange named ``kucoin``."""
    yield KUCOIN
