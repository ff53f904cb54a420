"""The operator's settings as the pure rules need them; only the settings schema parses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from te_core.model.exits import Exits
from te_core.model.funding import FundingGuard
from te_core.model.position import Equity, MarginMode

OnExpiry = Literal["hold", "decay", "flat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPolicy:
    """How one account turns targets into positions. The settings schema documents each field."""

    equity: Literal["wallet", "total"] = "wallet"
    drift: Literal["reduce", "heal", "alert"] = "reduce"
    adopt: bool = False
    below_minimum: Literal["skip", "raise"] = "skip"
    minimum_order: Decimal | None = None
    margin_mode: MarginMode = MarginMode.ISOLATED
    leverage: int | None = None
    rebalance: Literal["on_change", "band"] = "on_change"
    band: Decimal = Decimal("0.05")

    def value_of(self, equity: Equity) -> Decimal:
        """Return the value of the account by which positions are sized, in quote currency."""
        return equity.wallet if self.equity == "wallet" else equity.total


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPolicy:
    """Where an account's stops are held, and at which levels."""

    at: Literal["exchange", "engine", "off"] = "exchange"
    account: Exits | None = None
    """For all symbols."""
    symbols: Mapping[str, Exits] = field(default_factory=dict)
    """For single symbols."""

    def of(self, symbol: str, stated: Exits | None) -> Exits | None:
        """Return the exits of a symbol: from its signal, else from its own settings, else from the account's."""
        if self.at == "off":
            return None
        own = self.symbols.get(symbol)
        usual = own.over(self.account) if own is not None else self.account
        return stated.over(usual) if stated is not None else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePolicy:
    """How long a source's signals count, and how once they have expired."""

    max_age: timedelta | None = None
    on_expiry: OnExpiry = "hold"
    expect_every: timedelta | None = None
    enabled: bool = True
    """A disabled source has no opinion."""

    @property
    def can_expire(self) -> bool:
        """Whether a signal of the source can ever expire."""
        return self.max_age is not None or self.expect_every is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """An account's effective limits: the stricter of its own and the global one. None: no limit.

    Notionals are in quote currency. ``symbol_share``, ``direction_share`` and ``group_share`` (by group of symbols) are
    notionals as a share of the account's equity. ``price_distance`` is a fraction of the signal's price,
    ``liquidation_distance`` a fraction of the current price.
    """

    leverage: int | None = None
    order_notional: Decimal | None = None
    symbol_exposure: Decimal | None = None
    account_exposure: Decimal | None = None
    total_exposure: Decimal | None = None
    orders_per_minute: int | None = None
    price_distance: Decimal | None = None
    symbol_share: Decimal | None = None
    direction_share: Decimal | None = None
    group_share: Mapping[str, Decimal] = field(default_factory=dict)
    liquidation_distance: Decimal | None = None
    funding_guards: tuple[FundingGuard, ...] = ()

    @property
    def by_notional(self) -> str | None:
        """The name of one of the limits that need a price, if any is set."""
        names = ("order_notional", "symbol_exposure", "account_exposure", "total_exposure")
        return next((name for name in names if getattr(self, name) is not None), self.by_share)

    @property
    def by_share(self) -> str | None:
        """The name of one of the limits that need the equity, if any is set."""
        names = ("symbol_share", "direction_share", "liquidation_distance")
        group = "group_share" if self.group_share else None
        return next((name for name in names if getattr(self, name) is not None), group)

    @property
    def needs_price(self) -> bool:
        """Whether any limit needs a recent price to be applied."""
        return self.by_notional is not None or self.price_distance is not None

    @property
    def counts_others(self) -> bool:
        """Whether any limit depends on the positions of other symbols."""
        others = (
            self.account_exposure,
            self.total_exposure,
            self.direction_share,
            self.liquidation_distance,
        )
        return bool(self.group_share) or any(limit is not None for limit in others)
