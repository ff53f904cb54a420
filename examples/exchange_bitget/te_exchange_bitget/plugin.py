"""Bitget futures (API v2), on the ccxt base: classic accounts in one-way mode.

Routes, fields and error codes: ccxt's ``bitget`` class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from te_core.api import Capabilities, Equity, MarginMode, OrderRequest
from te_exchange_ccxt.api import (
    CcxtOptions,
    ErrorKind,
    ExchangeAdapter,
    Row,
    code_table,
    exchange_spec,
    offer,
)

ERROR_CODES = code_table(
    {
        ErrorKind.CREDENTIALS: "40001 40006 40037",
        ErrorKind.SIGNATURE: "40002 40003 40009 40010",
        ErrorKind.PASSPHRASE: "40011 40012",
        ErrorKind.ADDRESS: "40018",
        ErrorKind.PERMISSION: "40014 40016",
        ErrorKind.FROZEN: "40031",
        ErrorKind.ACCOUNT_TYPE: "40085",  # a unified account
        ErrorKind.HEDGE_MODE: "40774",
        ErrorKind.CLOCK: "40004 40005 40008",
        ErrorKind.RATE: "429",
        ErrorKind.BUSY: "40015",
        ErrorKind.MAINTENANCE: "40200 40308",
        ErrorKind.MARGIN: "40711 40712 40762 43012",
        ErrorKind.SIZE: "40808 45110",
        ErrorKind.REDUCE_ONLY: "22002",
        ErrorKind.NOT_FOUND: "40109",
    }
)


class BitgetOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "bitget"``."""

    title: ClassVar[str] = "Bitget"
    credentials: ClassVar[tuple[str, ...]] = ("api_key", "secret", "password")
    windows = ExchangeAdapter.windows


class BitgetAdapter(ExchangeAdapter):
    """A Bitget account. Sizes are in base coin; every order states the margin mode of its symbol."""

    exchange_id = "bitget"
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = {
        ("", "under maintenance"): ErrorKind.MAINTENANCE
    }
    code_keys: ClassVar[Sequence[str]] = ("code",)
    success: ClassVar[tuple[str, str]] = ("code", "00000")
    private_api: ClassVar[Sequence[str]] = ("mix",)
    market_maximum: ClassVar[Sequence[str]] = ("maxMarketOrderQty",)

    def config(self) -> dict[str, Any]:
        """List perpetuals only. Without ``uta`` ccxt would ask whether the account is unified; 40085 says so."""
        return {"options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}, "uta": False}}

    # -- the account

    async def check(self) -> None:
        """Refuse hedge mode, which the settings of any symbol show."""
        market = next(market for market in self.exchange.markets.values() if market.get("active"))
        settings = await self.exchange.private_mix_get_v2_mix_account_account(
            {**self._contracts(), "symbol": market["id"], "marginCoin": market["settleId"]}
        )
        if self.unwrap(settings, dict).get("posMode") == "hedge_mode":
            self.refuse_hedge_mode()

    async def fetch_equity(self) -> Equity:
        """Read the settle coin's row; its equity includes unrealised profit, by the mark price.

        The profit is empty in Bitget's example without a position; while one is open, empty means unknown.
        https://www.bitget.com/api-doc/contract/account/Get-Account-List
        """
        answer = await self.exchange.private_mix_get_v2_mix_account_accounts(self._contracts())
        rows = self.unwrap(answer, list)
        coin: Row = next((row for row in rows if row.get("marginCoin") == self.options.settle), {})
        if coin.get("unrealizedPL") == "" and not await self.fetch_positions():
            coin = {**coin, "unrealizedPL": "0"}
        return self.account_value(coin, total="accountEquity", profit="unrealizedPL", free="maxTransferOut")

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        which = {**self._contracts(), "marginCoin": self.options.settle}
        answer = await self.exchange.private_mix_get_v2_mix_position_all_position(which)
        rows: Sequence[Row] = self.exchange.parse_positions(self.unwrap(answer, list))
        return rows

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for the margin mode that the symbol is in."""
        del margin_mode
        await self.exchange.set_leverage(leverage, market["symbol"])

    def _contracts(self) -> dict[str, str]:
        return {"productType": f"{self.options.settle}-FUTURES"}

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """State the margin mode; without it ccxt sends "crossed"."""
        mode = self.order_margin_mode(order, market).value
        return {**super().order_params(order, market), "marginMode": mode}

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find it by its id with one request; the response has the fee."""
        which = {"clientOrderId": client_order_id}
        return dict(await self.exchange.fetch_order("", market["symbol"], which))


CAPABILITIES = Capabilities(
    visibility_window=timedelta(seconds=15),  # no receive window is known, so as generous as any exchange's
    duplicate_ids_refused=False,  # not documented, so not relied on
    tells_fees=True,
)
BITGET = exchange_spec(
    "bitget", BitgetAdapter, BitgetOptions, capabilities=CAPABILITIES, summary="Bitget: perpetual futures"
)
te_exchanges = offer(BITGET)
