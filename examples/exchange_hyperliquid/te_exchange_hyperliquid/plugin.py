"""Hyperliquid perpetuals, on the ccxt base: a wallet's account, or a vault or sub-account that it trades for.

Requests, responses and error texts: ccxt's ``hyperliquid`` class and responses that were recorded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import Field, SecretStr

from te_core.api import HEX_IDS, AuthError, Capabilities, Equity, MarginMode, OrderRequest
from te_exchange_ccxt.api import (
    CcxtOptions,
    ErrorKind,
    ExchangeAdapter,
    MixinBase,
    Row,
    dig,
    exchange_spec,
    number,
    offer,
)

PREFIX = "0x"  # of client order ids
ERROR_TEXTS = {
    ("", "user or api wallet "): ErrorKind.CREDENTIALS,
    ("", "too many cumulative requests sent"): ErrorKind.RATE,
    ("", "insufficient margin"): ErrorKind.MARGIN,
    ("", "minimum value of $10"): ErrorKind.SIZE,
    ("", "order has invalid size"): ErrorKind.SIZE,
    ("", "order has zero size"): ErrorKind.SIZE,
    ("", "reduce only order would increase"): ErrorKind.REDUCE_ONLY,
    ("", "under maintenance"): ErrorKind.MAINTENANCE,
}
"""There are no codes."""
Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]


class ClientMixin(MixinBase):  # type: ignore[misc]  # what it is mixed into is known at run time only
    """Overrides two of ccxt's methods."""

    async def initialize_client(self) -> bool:
        """Sign nothing extra: ccxt would approve a fee for itself, which later orders pay, and name a referrer."""
        return True

    async def fetch(self, *args: Any, **named: Any) -> Any:
        """Put a bare text into an object: the base refuses it, as it may be a page instead of JSON."""
        found = await super().fetch(*args, **named)
        bare = isinstance(found, str) and re.fullmatch(r'"\w*"', found)
        return {"text": found.strip('"')} if bare else found


class HyperliquidOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "hyperliquid"``."""

    title: ClassVar[str] = "Hyperliquid"
    credentials: ClassVar[tuple[str, ...]] = ("wallet_address", "private_key")
    tests: ClassVar[tuple[str, ...]] = ("testnet",)
    windows = ExchangeAdapter.windows

    wallet_address: Address | None = Field(default=None, description="Address of the account.")
    private_key: SecretStr | None = Field(
        default=None, description="Key of the account, or of an API wallet."
    )
    vault_address: Address | None = Field(default=None, description="Vault or sub-account to trade for.")
    settle: Annotated[str, Field(pattern=r"^[A-Z]{3,6}$")] = Field(
        default="USDC", description="The coin that profits are paid in."
    )

    @property
    def user(self) -> str:
        """Address whose positions these are."""
        return self.vault_address or self.wallet_address or ""


class HyperliquidAdapter(ExchangeAdapter):
    """A Hyperliquid account. There is no hedge mode; leverage and margin mode are set at once."""

    exchange_id = "hyperliquid"
    options: HyperliquidOptions
    client_mixins: ClassVar[tuple[type[Any], ...]] = (ClientMixin,)
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = ERROR_TEXTS

    def __init__(self, options: HyperliquidOptions) -> None:
        super().__init__(options)
        self.priced = True  # a market order is a limit order whose worst price ccxt derives

    def config(self) -> dict[str, Any]:
        """List perpetuals only."""
        found = {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}}
        vault = {"vaultAddress": self.options.vault_address} if self.options.vault_address else {}
        return {"options": {**found, **vault, "enableUnifiedMargin": False}}

    def credentials(self) -> dict[str, str]:
        """Read as the account or its vault, sign with the key."""
        return {"walletAddress": self.options.user, "privateKey": self.options.secret_of("private_key")}

    # -- the account

    async def check(self) -> None:
        """Refuse keys of others, since reads need none, and unified accounts, whose balance is kept elsewhere."""
        signer = self.exchange.eth_get_address_from_private_key(self.options.secret_of("private_key"))
        if signer.lower() != self.options.secret_of("wallet_address").lower():
            answer = await self.exchange.public_post_info({"type": "userRole", "user": signer})
            owner = str(dig(answer, "data", "user")) if dig(answer, "role") == "agent" else ""
            if owner.lower() != self.options.secret_of("wallet_address").lower():
                raise AuthError(
                    f"Hyperliquid: private_key signs for {signer}, which is neither wallet_address nor an API "
                    "wallet that it approved: check both, or approve the API wallet again"
                )
        if dig(await self._read("userAbstraction"), "text") == "unifiedAccount":
            raise AuthError('Hyperliquid: unified accounts were not tried: use plugin = "ccxt"')
        await self.fetch_equity()

    async def uid(self) -> str:
        """Return the address: it is the account, whichever key signs for it."""
        return self.options.user.lower()

    async def fetch_equity(self) -> Equity:
        """Read the account's value, which includes unrealised profit."""
        state = await self._read("clearinghouseState")
        value, rows = number(dig(state, "marginSummary", "accountValue")), self._rows(state)
        profits = [number(dig(row, "position", "unrealizedPnl")) for row in rows]
        known = [profit for profit in profits if profit is not None]
        if value is None or len(known) < len(rows):
            raise self.no_balance()
        return Equity(wallet=value - sum(known), total=value, free=number(state.get("withdrawable")))

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        rows = self._rows(await self._read("clearinghouseState"))
        return [self.exchange.parse_position(row) for row in rows]

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Leave it to ``set_leverage``, which sets both."""

    async def _read(self, what: str) -> Any:
        return await self.exchange.public_post_info({"type": what, "user": self.options.user})

    def _rows(self, state: Any) -> list[Row]:
        rows = dig(state, "assetPositions")
        if not isinstance(rows, list):
            raise ValueError("Hyperliquid returned no list of positions")
        return rows

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """Send the id with its prefix."""
        return {**super().order_params(order, market), "clientOrderId": PREFIX + order.client_order_id}

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send it; a fill in the response is final, since the rest of such an order is cancelled at once."""
        placed = dict(await super().create_order(order, contracts, market))
        if dig(placed, "info", "filled"):
            placed |= {"status": "closed", "amount": str(contracts)}
        return placed

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find it by its id with one request."""
        which = {"clientOrderId": PREFIX + client_order_id}
        return dict(await self.exchange.fetch_order("", market["symbol"], which))

    def client_order_id(self, row: Row) -> str | None:
        """Return the id without the prefix."""
        found = super().client_order_id(row)
        return found and found.removeprefix(PREFIX)


CAPABILITIES = Capabilities(
    visibility_window=timedelta(seconds=15),  # no receive window is known, so as generous as any exchange's
    client_order_ids=HEX_IDS,
    hedge_mode=False,
    duplicate_ids_refused=False,  # not documented, so not relied on
)
HYPERLIQUID = exchange_spec(
    "hyperliquid",
    HyperliquidAdapter,
    HyperliquidOptions,
    capabilities=CAPABILITIES,
    summary="Hyperliquid: perpetuals",
)
te_exchanges = offer(HYPERLIQUID)
