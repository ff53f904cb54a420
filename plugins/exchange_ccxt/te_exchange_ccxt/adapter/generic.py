"""Adapter for any perpetual exchange, by the abilities that ccxt declares for it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from te_core.api import ConfigError, Finding, MarginMode, OrderRequest, Position
from te_exchange_ccxt.adapter.constructor_config import FURTHER_CREDENTIALS, OWN_SETTINGS, refusal
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.adapter.profiles import profile_of
from te_exchange_ccxt.budget import Window
from te_exchange_ccxt.diagnostics import finding
from te_exchange_ccxt.errors import ErrorKind
from te_exchange_ccxt.lazy_ccxt import BaseError, MixinBase
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.parsing import Row, dig, number
from te_exchange_ccxt.responses import last_response

STREAM_METHODS = {
    "positions": "watchPositions",
    "orders": "watchOrders",
    "balance": "watchBalance",
    "tickers": "watchTickers",
}


ERROR_PATTERNS = (
    (
        re.compile(r"position.?(idx|side|mode)\b.*\bmatch|posSide error|unilateral", re.IGNORECASE),
        ErrorKind.HEDGE_MODE,
    ),
    (re.compile(r"not modified|no need to change|not changed", re.IGNORECASE), ErrorKind.UNCHANGED),
    (re.compile(r"duplicat", re.IGNORECASE), ErrorKind.DUPLICATE),
    (re.compile(r"under maintenance", re.IGNORECASE), ErrorKind.MAINTENANCE),
    (re.compile(r"User or API Wallet .* does not exist"), ErrorKind.CREDENTIALS),
)


MARKET_MAXIMUM = re.compile(
    r"max_?(mkt|market)_?(order_?)?(qty|size|sz|vol)|(mkt|market)_?(max_?order_?(qty|size)|order_?size_?max)",
    re.IGNORECASE,
)
"""Names that exchanges use for the largest market order, in contracts.

ccxt's own figure is mostly that of limit orders.
"""


TOO_MANY_REQUESTS = 429
EMPTY_TRUSTED_AFTER = 60.0
"""Seconds after which responses without any list of positions are accepted as "no positions"."""


class NoImplicitSigning(MixinBase):  # type: ignore[misc]  # what it is mixed into is known at run time only
    """Keeps ccxt from signing anything that the engine did not request."""

    async def initialize_client(self) -> Any:
        """Skip ccxt's own set-up at Hyperliquid.

        It would approve a builder fee that later orders pay, and name a referrer. At other exchanges it is a login.
        """
        return self.id != "hyperliquid" and await super().initialize_client()


class GenericOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "ccxt"``."""

    credentials: ClassVar[tuple[str, ...]] = ()
    tests: ClassVar[tuple[str, ...]] = ("testnet", "demo")
    windows: ClassVar[Sequence[Window]] = ExchangeAdapter.windows

    exchange: Annotated[str, Field(pattern=r"^[a-z0-9]+$")] = Field(description="The exchange's id in ccxt.")
    wallet_address: str | None = Field(default=None, description="The wallet, for exchanges where one signs.")
    private_key: SecretStr | None = Field(default=None, description="The wallet's private key.")
    uid: SecretStr | None = Field(default=None, description="The user's id or memo, where the key needs one.")
    vault_address: SecretStr | None = Field(
        default=None, description="The vault or sub-account at Hyperliquid that the key trades for."
    )
    account_id: SecretStr | None = Field(
        default=None, description="The account's id, where the key needs one."
    )
    allow_other_hosts: bool = Field(
        default=False,
        description="Let url, ws_url and config lead to another machine, which gets all that is signed.",
    )
    config: dict[str, Any] = Field(
        default_factory=dict, description="Handed to the constructor in ccxt as it stands."
    )
    order_params: dict[str, Any] = Field(default_factory=dict, description="Handed to ccxt with every order.")

    @model_validator(mode="after")
    def _own_hosts(self) -> Self:
        """Refuse a ``config`` that bypasses the checks of ``url``, ``proxy`` and the credentials."""
        if reason := refusal(self.config, other_hosts=self.allow_other_hosts):
            raise ValueError(f"config: {reason}")
        return self

    @model_validator(mode="after")
    def _vaults(self) -> Self:
        """Refuse a vault at an exchange that would ignore it: the key's own account would be traded instead."""
        if self.vault_address is not None and self.exchange != "hyperliquid":
            raise ValueError(f"vault_address: {self.exchange} has no vaults, only hyperliquid has")
        return self


class GenericAdapter(ExchangeAdapter):
    """An exchange without a plugin of its own: ccxt's unified calls, adjusted by its profile."""

    options: GenericOptions
    client_mixins: ClassVar[tuple[type[Any], ...]] = (NoImplicitSigning,)
    code_keys = (*ExchangeAdapter.code_keys, "label")

    def __init__(self, options: GenericOptions) -> None:
        super().__init__(options)
        self._held = False
        self._carried_by_url: dict[str, set[bool]] = {}
        """Channels that each WebSocket address carries; see ``streams_at``."""
        self._bare_since: float | None = None
        self.exchange_id = self.title = options.exchange
        self._profile = profile_of(options.exchange)

    def config(self) -> dict[str, Any]:
        """Merge the settings' configuration over the defaults.

        Snapshots that ccxt reads before it follows a stream are off: they are not pushes.
        """
        ours = super().config()
        for kind in ("Positions", "Balance"):
            names = (f"fetch{kind}Snapshot", f"await{kind}Snapshot")
            ours["options"][f"watch{kind}"] = dict.fromkeys(names, False)
        ours["options"].update(self._profile.options)
        if self.options.vault_address:
            ours["options"]["vaultAddress"] = self.options.secret_of("vault_address")
        theirs = self.options.config
        return {**ours, **theirs, "options": {**ours["options"], **theirs.get("options", {})}}

    def credentials(self) -> dict[str, str]:
        """Add the credentials of wallets and those that single exchanges need."""
        further = {name: self.options.secret_of(setting) for name, setting in FURTHER_CREDENTIALS.items()}
        if self.options.vault_address:
            further["walletAddress"] = self.options.secret_of(
                "vault_address"
            )  # reads then return the vault's data
        return {**super().credentials(), **further}

    def refusal(self) -> str:
        """Return why the exchange cannot be traded through ccxt's unified calls."""
        return self._profile.refusal

    async def check(self) -> None:
        """Refuse exchanges that lack required methods, and missing credentials, before anything is sent."""
        has = self.exchange.has
        lacking = [
            name
            for name in ("createOrder", "fetchBalance", "fetchPositions", "fetchTickers")
            if not has.get(name)
        ]
        if lacking:
            raise ConfigError(
                f"ccxt lacks {', '.join(lacking)} at {self.exchange_id}: accounts there cannot be kept at targets",
                key="exchange",
            )
        needed = [name for name, wanted in self.exchange.requiredCredentials.items() if wanted]
        missing = [OWN_SETTINGS.get(name, name) for name in needed if not getattr(self.exchange, name, None)]
        if missing:
            raise ConfigError(f"{self.exchange_id} needs {' and '.join(missing)} in .secrets.toml")
        await super().check()
        await self._check_position_mode()

    async def _check_position_mode(self) -> None:
        """Refuse hedge mode where ccxt cannot read it: even a flat symbol's position often shows it."""
        if self.exchange.has.get("fetchPositionMode") or self._profile.one_way_only:
            return  # already read, or the exchange has none
        symbols = [name for name, market in self.exchange.markets.items() if market.get("active")]
        for symbol in symbols[:1]:
            if self._profile.is_hedged is not None:
                hedged = await self._profile.is_hedged(self.exchange, symbol)
            else:
                hedged = any(self.hedged(row) for row in await self.exchange.fetch_positions([symbol]))
            if hedged:
                self.refuse_hedge_mode()

    def hedged(self, row: Row) -> bool:
        """Recognise hedge mode by the exchange's own field, too."""
        name, value = self._profile.hedge_field
        own = bool(name) and str(dig(row, "info", name) or "").startswith(value)
        return own or super().hedged(row)

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Parse a ccxt position; add the leverage of cross margin where it is in a separate field."""
        found = super().position(symbol, row, market)
        if self._profile.cross_leverage and found.leverage == 0:
            return replace(found, leverage=number(dig(row, "info", self._profile.cross_leverage)))
        return found

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage, together with the margin mode where the exchange sets both at once."""
        profile, symbol = self._profile, market["symbol"]
        if profile.leverage_by_mode_call:
            await self.exchange.set_margin_mode(margin_mode.value, symbol, {"leverage": leverage})
            return
        mode = {"marginMode": margin_mode.value} if profile.mode_in_leverage else {}
        await self.exchange.set_leverage(leverage, symbol, {**mode, **profile.leverage_params})

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Set the margin mode, unless orders or the leverage call set it."""
        if self._profile.mode_call:
            await super().set_margin_mode(market, margin_mode)

    def _read_params(self) -> dict[str, str]:
        settle = self.options.settle
        return {name: value.format(settle=settle) for name, value in self._profile.read_params.items()}

    def balance_params(self) -> dict[str, Any]:
        """Return the kind of contracts, if the exchange has an account for each."""
        return self._read_params()

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions.

        ccxt treats a success without rows as a flat account, which it need not be. Raises ``ValueError`` if positions
        were held and the response has no list at all, not even an empty one. Some exchanges may respond like this
        when nothing is held: after a minute it is accepted.
        """
        rows: Sequence[Row] = await self.exchange.fetch_positions(None, self._read_params())
        answer, now = last_response.get(), asyncio.get_running_loop().time()
        if self._held and not rows and answer is not None and "[" not in answer.text:
            self._bare_since = now if self._bare_since is None else self._bare_since
            if now - self._bare_since < EMPTY_TRUSTED_AFTER:
                raise ValueError(f"{self.title} returned no list of positions, although some were held")
        self._held, self._bare_since = any(number(row.get("contracts")) for row in rows), None
        return rows

    def classify(self, code: str, text: str) -> ErrorKind | None:
        """Recognise errors that ccxt has no class for by the phrases that most exchanges use."""
        answer = last_response.get()
        if answer is not None and answer.status == TOO_MANY_REQUESTS:
            return ErrorKind.RATE  # ccxt uses one class for this and for a ban, which has other statuses
        own = self._profile.error_codes.get(code)
        return own or next((found for words, found in ERROR_PATTERNS if words.search(text)), None)

    def largest_market_amount(self, market: Row) -> Decimal | None:
        """Return the smallest of ccxt's figure and the exchange's own figures."""
        info = list(_leaves(market.get("info")))
        own = [number(value) for name, value in info if MARKET_MAXIMUM.fullmatch(name)]
        found = [most for most in (super().largest_market_amount(market), *own) if most]
        return min(found, default=None)

    def followed(self) -> frozenset[str]:
        """Return the kinds that ccxt can follow there."""
        found = frozenset(
            kind for kind, name in STREAM_METHODS.items() if self.exchange.has.get(name) is True
        )
        return found & {"tickers"} if self._lacks_uid else found

    @property
    def _lacks_uid(self) -> bool:
        return self._profile.follows_with_uid and not self.options.secret_of("uid")

    async def findings(self) -> Sequence[Finding]:
        """Report what the streams lack."""
        found = await super().findings()
        if not (self.options.streams and self._lacks_uid):
            return found
        text = "only prices are pushed: positions, orders and balance need the user's id, and are polled without it"
        return [
            *found,
            finding("streams", text, fine=False, remedy="put uid into .secrets.toml under this account"),
        ]

    def kind_resolved(self, message_hash: str) -> str | None:
        """Recognise a balance also by the name that ccxt uses at some exchanges (OKX, HTX)."""
        found = super().kind_resolved(message_hash)
        return "balance" if found is None and message_hash.startswith("account") else found

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Return what an address carries by ccxt's subscriptions: at many exchanges its name does not show it.

        Earlier subscriptions are remembered, since between two messages there may be none.
        """
        known = self._carried_by_url.setdefault(url, set())
        client = self.exchange.clients.get(url)
        if client is not None:
            kinds = {self.kind_resolved(str(name)) for name in (*client.subscriptions, *client.futures)}
            known |= {kind != "tickers" for kind in kinds - {None}}
        return tuple(sorted(known, reverse=True)) or super().streams_at(url)

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """Add the exchange's parameters, and those of the settings."""
        added = {"clientOrderId": f"{self._profile.prefix}{order.client_order_id}"}
        if self._profile.mode_in_order:
            added["marginMode"] = self.order_margin_mode(order, market).value
        return {**super().order_params(order, market), **added, **self.options.order_params}

    def client_order_id(self, row: Row) -> str | None:
        """Return the id without the exchange's prefix."""
        found = super().client_order_id(row)
        return found and found.removeprefix(self._profile.prefix)

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order; if ccxt refuses to send one without a price, send it with the reference price."""
        try:
            return await super().create_order(order, contracts, market)
        except BaseError() as error:
            lacking = type(error).__name__ == "ArgumentsRequired" and "price" in str(error)
            if self.priced or not lacking or last_response.get() is not None:  # else something has been sent
                raise
        self.priced = True
        return await super().create_order(order, contracts, market)


def _leaves(row: object) -> Iterator[tuple[str, object]]:
    if isinstance(row, Mapping):
        for name, value in row.items():
            yield str(name), value
            yield from _leaves(value)
