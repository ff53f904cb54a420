"""Harbor accounts over its REST API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AuthError,
    Capabilities,
    DuplicateClientOrderId,
    Equity,
    ExchangeAccount,
    ExchangeSpec,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OutcomeUnknown,
    Position,
    RateLimited,
    hookimpl,
    http_session,
)

STEP = Decimal("0.001")
TIMEOUT = aiohttp.ClientTimeout(total=5)
CAPABILITIES = Capabilities(
    leverage_in_order=True, margin_modes=frozenset({MarginMode.CROSS}), hedge_mode=False
)


class HarborOptions(BaseModel):
    """Settings of an account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = "https://api.harbor.example"
    """Address of the API."""
    api_key: SecretStr
    """Key with permission to trade."""


class HarborAccount(ExchangeAccount):
    """One account."""

    def __init__(self, context: AccountContext[HarborOptions]) -> None:
        self._context = context
        self._clock = context.clock
        self._session: aiohttp.ClientSession | None = None
        self._uid = ""

    async def open(self) -> None:
        """Connect, and check the key."""
        self._session = http_session()
        self._uid = (await self._read("/v1/account"))["uid"]

    async def close(self) -> None:
        """Disconnect."""
        if self._session is not None:
            await self._session.close()

    async def identity(self) -> AccountIdentity:
        """Return Harbor's number of the account."""
        return AccountIdentity(host="harbor", uid=self._uid)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the symbols that Harbor lists."""
        listed = await self._read("/v1/prices")
        return {
            symbol: Instrument(symbol=symbol, quantity_step=STEP, minimum_quantity=STEP)
            for symbol in symbols
            if symbol in listed
        }

    async def equity(self) -> Known[Equity]:
        """Return the wallet; Harbor has no other value."""
        as_of = self._clock.now()  # before the request: what happens meanwhile may not be in the answer
        wallet = Decimal((await self._read("/v1/account"))["wallet"])
        return Known(value=Equity(wallet=wallet, total=wallet), as_of=as_of)

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return every position."""
        as_of = self._clock.now()
        held = await self._read("/v1/positions")
        value = {symbol: Position(symbol=symbol, quantity=Decimal(size)) for symbol, size in held.items()}
        return Known(value=value, as_of=as_of)

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return the prices of the symbols that have one."""
        as_of = self._clock.now()
        listed = await self._read("/v1/prices")
        return Known(value={s: Decimal(listed[s]) for s in symbols if s in listed}, as_of=as_of)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Do nothing: an order carries its leverage."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one market order."""
        body = {
            "id": order.client_order_id,
            "symbol": order.symbol,
            "size": str(order.side.sign * order.quantity),
            "reduceOnly": order.reduce_only,
            "leverage": order.leverage,
            "sentAt": self._context.date().isoformat(),
        }
        try:
            return _report(await self._send("POST", "/v1/orders", body))
        except (aiohttp.ClientError, TimeoutError, _Unreadable) as error:
            raise OutcomeUnknown(f"Harbor returned no readable answer to an order: {error!r}") from error

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find an order by its client order id."""
        try:
            return _report(await self._read(f"/v1/orders/{client_order_id}"))
        except _NotFound:
            return None

    async def _read(self, path: str) -> Any:
        try:
            return await self._send("GET", path)
        except (aiohttp.ClientError, TimeoutError, _Unreadable) as error:
            raise NotReady(f"Harbor returned no readable answer to {path}: {error!r}") from error

    async def _send(self, method: str, path: str, body: object = None) -> Any:
        assert self._session is not None, "open() comes first"
        options = self._context.options
        headers = {"X-Key": options.api_key.get_secret_value()}
        asked = self._session.request(method, options.url + path, json=body, headers=headers, timeout=TIMEOUT)
        async with asked as response:
            text = await response.text()
            match response.status:
                case 200:
                    return await response.json()
                case 401:
                    raise AuthError("Harbor refused the API key; check api_key in this account's section")
                case 404:
                    raise _NotFound(path)
                case 409:
                    raise DuplicateClientOrderId("Harbor knows this client order id")
                case 422:
                    raise OrderRejected(f"Harbor refused the order: {text[:200]}")
                case 429:
                    raise RateLimited("Harbor refused the request: too many requests", retry_after=1)
                case status:
                    raise _Unreadable(f"status {status}")


class _Unreadable(Exception):
    """An answer that cannot be used."""


class _NotFound(Exception):
    """Harbor does not know what was asked for."""


def _report(row: Mapping[str, Any]) -> OrderReport:
    complete = row["filled"] == row["size"]
    return OrderReport(
        client_order_id=row["id"],
        status=OrderStatus.FILLED if complete else OrderStatus.CANCELLED,
        filled=abs(Decimal(row["filled"])),
        average_price=Decimal(row["price"]),
    )


@hookimpl
def te_exchanges() -> Iterable[ExchangeSpec[Any]]:
    """Offer the exchange to the engine."""
    yield ExchangeSpec(
        name="harbor", settings=HarborOptions, factory=HarborAccount, capabilities=CAPABILITIES
    )
