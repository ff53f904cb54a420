"""Offers BloFin to the engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from te_core.api import Capabilities, ExchangeSpec, FlowKind, hookimpl
from te_exchange_blofin.copy_trading import CopyTrading
from te_exchange_blofin.venue import Blofin
from te_exchange_ccxt.base import CcxtOptions, Window, account_factory


class BlofinOptions(CcxtOptions):
    """What ``[accounts.<name>]`` with ``plugin = "blofin"`` may say.

    ``account_type``: which of the user's accounts is traded. ``broker_id`` goes into every order; empty sends none.
    Left out, keys of type "API transaction" send none, as they must, and those of third-party applications that of
    "CCXT".
    """

    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")
    tests: ClassVar[tuple[str, ...]] = ("demo",)
    title: ClassVar[str] = "BloFin"
    windows: ClassVar[Sequence[Window]] = Blofin.windows

    account_type: Literal["futures", "copy_trading"] = Field(
        default="futures",
        description="Which account of the user is traded: futures, or the lead trader's copy-trading account.",
    )
    broker_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{0,16}$")] | None = Field(
        default=None,
        description="Broker id in every order; empty sends none, left out the kind of key decides.",
    )


CAPABILITIES = Capabilities(
    # 60 s receive window less 45 s that orders are dated back, 0.5 s of clock skew, 4 s until an order shows.
    visibility_window=timedelta(seconds=20),
    private_stream=True,
    tells_fees=True,
    cash_flows=frozenset({FlowKind.DEPOSIT, FlowKind.WITHDRAWAL}),
    stops=True,
)


def capabilities_by(options: BlofinOptions) -> Capabilities:
    """Return what an account can do: copy trading knows no client order ids, and so no stops that are found again."""
    return replace(CAPABILITIES, stops=False) if options.account_type == "copy_trading" else CAPABILITIES


def _venue(options: BlofinOptions) -> Blofin:
    return CopyTrading(options) if options.account_type == "copy_trading" else Blofin(options)


BLOFIN = ExchangeSpec(
    name="blofin",
    settings=BlofinOptions,
    factory=account_factory(_venue),
    capabilities=CAPABILITIES,
    currency_by=lambda options: options.settle,
    capabilities_by=capabilities_by,
    summary="BloFin: futures and copy-trading accounts, USDT perpetuals; demo",
)


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[BlofinOptions]]:
    """Offer the exchange named ``blofin``."""
    yield BLOFIN
