"""Settings of a paper account."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from te_core.api import Duration
from te_exchange_paper.instruments import InstrumentOptions, built_in
from te_exchange_paper.market import LARGEST_PRICE, SMALLEST_PRICE

_Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,32}$")]
_Price = Annotated[Decimal, Field(ge=SMALLEST_PRICE, le=LARGEST_PRICE)]


class PaperOptions(BaseModel):
    """Plugin settings of ``[accounts.<name>]``, next to the core's own keys.

    ``fee``, ``slippage`` and ``maintenance_margin`` are shares of the value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settle: Annotated[str, Field(pattern=r"^[A-Z]{3,6}$")] = Field(
        default="USDT", description="The coin that the wallet is in."
    )
    balance: Annotated[Decimal, Field(gt=0, le=10**12)] = Field(
        default=Decimal(10_000), description="Wallet of a new account; one that has traded keeps its own."
    )
    fee: Annotated[Decimal, Field(ge=0, le=Decimal("0.05"))] = Field(
        default=Decimal("0.0006"), description="Taker fee, as a share of the value."
    )
    slippage: Annotated[Decimal, Field(ge=0, le=Decimal("0.1"))] = Field(
        default=Decimal("0.0002"), description="Share by which an order fills worse than the known price."
    )
    maintenance_margin: Annotated[Decimal, Field(ge=0, le=Decimal("0.5"))] = Field(
        default=Decimal("0.005"),
        description="Share of its value that a position must keep, or it is liquidated; where no tiers are known.",
    )
    prices_from: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] | None = Field(
        default=None,
        description="The exchange's id in ccxt whose instruments, prices, funding and margin tiers hold here.",
    )
    prices_max_age: Annotated[Duration, Field(ge=timedelta(seconds=5), le=timedelta(hours=1))] = Field(
        default=timedelta(seconds=15),
        description="Age from which on a live price gives way to a newer one of the signals.",
    )
    prices_streams: bool = Field(
        default=True, description="Follow prices over WebSocket, where the exchange has that."
    )
    prices_url: str | None = Field(
        default=None, description="Another server for live prices, on this machine."
    )
    prices_ws_url: str | None = Field(default=None, description="Another server for streams of live prices.")
    prices_proxy: SecretStr | None = Field(
        default=None, description="HTTP proxy for live prices: http://user:password@host:port."
    )
    prices: dict[_Symbol, _Price] = Field(
        default_factory=dict, description="Fixed prices by symbol, before all others."
    )
    instruments: dict[_Symbol, InstrumentOptions] = Field(
        default_factory=dict, description="Symbols to add to the built-in table, or to change in it."
    )

    @model_validator(mode="after")
    def _live_prices(self) -> Self:
        if self.prices_from is None:
            for name in ("prices_url", "prices_ws_url", "prices_proxy"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} has no effect without prices_from")
        return self

    @model_validator(mode="after")
    def _complete_instruments(self) -> Self:
        for symbol, options in self.instruments.items():
            if self.prices_from is not None:
                continue  # the exchange has it
            if options.quantity_step is None and built_in(symbol, self.settle) is None:
                raise ValueError(
                    f"instruments.{symbol}: it is not in the built-in table, so it needs quantity_step "
                    f'(for example {{ quantity_step = "0.1" }})'
                )
        return self
