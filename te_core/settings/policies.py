"""Convert settings into the frozen values that the pure rules accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import time

from te_core.model.funding import FundingGuard
from te_core.model.hours import Hours
from te_core.model.policy import AccountPolicy, Limits, SourcePolicy, StopPolicy
from te_core.rules.breakers import Breakers, Loss, Streak
from te_core.rules.notices import NoticePolicy
from te_core.settings.breakers import (
    BreakerSettings,
    GlobalBreakerSettings,
    LossSettings,
    SlippageSettings,
    StreakSettings,
)
from te_core.settings.hours import parse_hours
from te_core.settings.schema import (
    AccountSettings,
    GlobalLimitSettings,
    LimitSettings,
    NotifierSettings,
    Settings,
    SymbolSettings,
)


def account_policy(section: AccountSettings) -> AccountPolicy:
    """Return the part of an account's section that the rules need."""
    return AccountPolicy(**{field.name: getattr(section, field.name) for field in fields(AccountPolicy)})


def stop_policy(section: AccountSettings, symbols: Mapping[str, SymbolSettings]) -> StopPolicy:
    """Return the stops that an account's section and the symbols' sections define."""
    return StopPolicy(
        at=section.stops,
        account=section.stop.exits() if section.stop is not None else None,
        symbols={name: one.stop.exits() for name, one in symbols.items() if one.stop is not None},
    )


def source_policies(settings: Settings) -> dict[str, SourcePolicy]:
    """Return every source's policy by name. A source whose plugin is disabled is not enabled."""
    return {
        name: SourcePolicy(
            max_age=section.max_age,
            on_expiry=section.on_expiry,
            expect_every=section.expect_every,
            enabled=section.enabled and settings.plugin_enabled(section.plugin),
        )
        for name, section in settings.sources.items()
    }


STRICTER_IF_LARGER = {"liquidation_distance"}
"""Limits that are a minimum rather than a maximum."""


def effective_limits(everywhere: GlobalLimitSettings, own: LimitSettings) -> Limits:
    """Return the stricter of two sets of limits, name by name."""
    names = LimitSettings.model_fields.keys() - {"group_share", "funding_guard"}
    pairs = {name: (getattr(everywhere, name), getattr(own, name)) for name in names}
    strictest = {
        name: (max if name in STRICTER_IF_LARGER else min)((v for v in pair if v is not None), default=None)
        for name, pair in pairs.items()
    }
    by_group = {
        group: min(limits.group_share[group] for limits in (everywhere, own) if group in limits.group_share)
        for group in {**everywhere.group_share, **own.group_share}
    }
    guards = [limits.funding_guard for limits in (everywhere, own) if limits.funding_guard is not None]
    return Limits(
        total_exposure=everywhere.total_exposure,
        group_share=by_group,
        funding_guards=tuple(FundingGuard(rate=guard.rate, before=guard.before) for guard in guards),
        **strictest,
    )


def hours_without_increases(settings: Settings, account: AccountSettings) -> dict[str, tuple[Hours, ...]]:
    """Return the hours in which symbols are not increased, by symbol; those of the whole account under ``""``."""
    by_symbol = {symbol: section.no_increases for symbol, section in settings.symbols.items()}
    texts = {"": account.no_increases, **by_symbol}
    return {name: tuple(map(parse_hours, each)) for name, each in texts.items() if each}


def armed_breakers(everywhere: GlobalBreakerSettings, own: BreakerSettings) -> Breakers:
    """Return the circuit breakers of a scope; ``everywhere`` defines when a day begins."""
    return Breakers(
        daily_loss=_loss(own.daily_loss),
        drawdown=_loss(own.drawdown),
        symbol_loss=_loss(own.symbol_loss),
        losing_trades=_streak(own.losing_trades),
        rejections=_streak(own.rejections),
        slippage=_loss(own.slippage),
        equity_jump=_loss(own.equity_jump),
        reset_at=time.fromisoformat(everywhere.reset_at),
        zone=everywhere.zone,
    )


def _loss(section: LossSettings | SlippageSettings) -> Loss | None:
    stated = section.model_dump(exclude={"action"}, exclude_none=True)
    return Loss(**stated, action=section.action) if stated else None


def _streak(section: StreakSettings) -> Streak | None:
    return None if section.count is None else Streak(**section.model_dump())


def notice_policy(section: NotifierSettings) -> NoticePolicy:
    """Return which events a notifier gets, and when, from its section."""
    return NoticePolicy(
        kinds=frozenset(section.kinds),
        mute=frozenset(section.mute),
        critical=frozenset(section.critical),
        gather=section.gather.total_seconds(),
        per_hour=section.per_hour,
        quiet=tuple(map(parse_hours, section.quiet_hours)),
    )
