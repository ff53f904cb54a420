"""The schema of ``settings.toml``.

A plugin's own keys are in the same section as the core's; the core collects them in ``options`` and the plugin's
model validates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, field_validator, model_validator

from te_core.contracts.options import Duration, Positive, Share
from te_core.errors import SignalRejected, nearest
from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.position import MarginMode
from te_core.settings.attachments import ObserverSettings, RiskCheckSettings
from te_core.settings.breakers import BreakerSettings, GlobalBreakerSettings
from te_core.settings.hours import parse_hours
from te_core.settings.listeners import ListenSettings
from te_core.settings.notices import NoticesSettings
from te_core.settings.origin import Origin, Path, dotted
from te_core.settings.page import PageSettings
from te_core.settings.section import Name, PluginSection, Section, SymbolName

GroupName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def _checked_hours(text: str) -> str:
    parse_hours(text)
    return text


HoursText = Annotated[str, AfterValidator(_checked_hours)]
"""Hours of the week: ``"22:00-06:00"``, ``"sat-sun"``, ``"mon-fri 14:25-14:40 America/New_York"``."""


class Contradiction(ValueError):
    """Parts of the settings do not fit together. ``parts``: path and reason of each."""

    def __init__(self, parts: Sequence[tuple[Path, str]]) -> None:
        self.parts = parts
        super().__init__("; ".join(f"{dotted(path)}: {reason}" for path, reason in parts))


class FundingGuardSettings(Section):
    """The funding rate above which the paying side is not increased, and how long before the payment that starts."""

    rate: Positive
    """funding, as a share of a position's value, above which the side that pays it is not increased"""
    before: Duration = timedelta(minutes=10)
    """how long before the payment that starts"""


class LimitSettings(Section):
    """Limits that apply at all times (I6). Money in the account's quote currency. None: no limit."""

    leverage: Annotated[int, Field(ge=1)] | None = None
    """largest leverage of any position"""
    order_notional: Positive | None = None
    """largest single order; a larger one is split"""
    symbol_exposure: Positive | None = None
    """largest position in one symbol of one account"""
    account_exposure: Positive | None = None
    """largest sum of all positions of one account"""
    orders_per_minute: Annotated[int, Field(ge=1)] | None = None
    """orders of one account within a minute; all are counted, only increases are held back"""
    price_distance: Positive | None = None
    """for an increase, largest deviation of the price from the newest signal's own price: 0.02 is 2 %"""
    symbol_share: Positive | None = None
    """largest position in one symbol, as a share of the account's equity: 0.5 is half of it"""
    direction_share: Positive | None = None
    """largest sum of all long positions, and of all short ones, as a share of the account's equity"""
    group_share: dict[GroupName, Positive] = Field(default_factory=dict)
    """largest sum of the positions of a group of [groups], as a share of the account's equity"""
    liquidation_distance: Annotated[Share, Field(gt=0, lt=1)] | None = None
    """least distance of the estimated liquidation price after an increase, as a share of the price"""
    funding_guard: FundingGuardSettings | None = None


class GlobalLimitSettings(LimitSettings):
    """Limits of every account, and one of all accounts together."""

    orders_per_minute: Annotated[int, Field(ge=1)] | None = 600
    """orders of one account within a minute; an account without its own value adds no further limit"""
    total_exposure: Positive | None = None
    """largest sum of all positions of all accounts"""


class EngineSettings(Section):
    """How accounts are read and failures are retried."""

    resync: Duration = timedelta(seconds=30)
    """how often each account is read without another reason, to detect changes from outside"""
    start_delay: Duration = timedelta(0)
    """time after the start during which nothing is increased"""
    strict: bool = False
    """whether the engine refuses to start if a plugin that the settings name is broken"""
    plugins_dir: str | None = None
    """folder of single-file plugins, for development; relative to settings.toml"""
    backoff_first: Duration = timedelta(seconds=5)
    """first pause after a symbol failed; doubles with every further failure"""
    backoff_last: Duration = timedelta(seconds=120)
    """longest pause after a failure"""


class LogSettings(Section):
    """What is logged, and where."""

    level: Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """least serious level that is logged"""
    format: Literal["text", "json"] = "text"
    """readable lines, or one JSON object per line"""
    file: str | None = None
    """also log to this file, rotated at 10 MB"""


class TracingSettings(Section):
    """Traces of each alert's path through the engine, sent by OTLP over HTTP; needs the extra ``otel``."""

    enabled: bool = False
    """send a trace of each alert's path through the engine"""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^@\s]+$")] | None = None
    """address of a trace collector; unset, the standard OTEL_ variables apply"""


class JournalSettings(Section):
    """Where the journal is stored, and for how long."""

    file: str = "journal.sqlite3"
    """the SQLite file, relative to the state folder"""
    keep: Duration = timedelta(days=90)
    """age after which records that are no longer active are deleted"""
    quarantine: Annotated[int, Field(ge=0, le=100_000)] = 500
    """number of refused inputs that are stored for inspection"""


class PluginSwitch(Section):
    """``enabled = false`` stops every instance of the plugin."""

    enabled: bool = True
    distribution: str | None = None
    """The package that it must come from."""


class SourceSettings(PluginSection):
    """A signal source. ``symbols`` maps its spellings to the engine's."""

    symbols: dict[str, SymbolName] = Field(default_factory=dict)
    """the source's spellings of symbols, and the engine's"""
    max_age: Duration | None = None
    """age at which a signal expires"""
    on_expiry: Literal["hold", "decay", "flat"] = "hold"
    """depth of an expired signal: unchanged, shrinking to zero over another max_age, or flat"""
    expect_every: Annotated[Duration, Field(gt=timedelta(0))] | None = None
    """a source without any message for this long is silent, and its signals have expired"""
    price_factor: Annotated[Decimal, Field(gt=1, allow_inf_nan=False)] = Decimal(10)
    """a signal is refused if its price is more than this many times the last known price of its symbol, or less than
    that fraction of it; a flat signal never is"""


class NotifierSettings(PluginSection):
    """Which events a notifier sends, how often, and when not."""

    kinds: tuple[str, ...] = ()
    """kinds of events to send, such as outage or drift; empty: all except filled and position_changed; *: all"""
    mute: tuple[str, ...] = ()
    """kinds of events that are never sent"""
    gather: Duration = timedelta(seconds=5)
    """events within this time are sent in one notice; 0: each event on its own"""
    per_hour: Annotated[int, Field(ge=0, le=3600)] = 60
    """largest number of notices per hour, a sixth of them at once; the rest is sent together later; 0: no limit"""
    quiet_hours: tuple[HoursText, ...] = ()
    """hours of the week in which only critical kinds are sent; the rest is sent together afterwards"""
    critical: tuple[str, ...] = ("blocked", "breaker", "flatten", "halt", "identity", "key")
    """kinds that are sent at once, even in quiet hours and above the limit"""
    control: bool = False
    """whether the plugin may query and command the engine for users who write to it"""


def _level(value: object) -> object:
    """Turn ``"3%"`` or ``120`` into an exit: percent of a price, or a price difference."""
    if isinstance(value, Exit):
        return value
    text = str(value).strip() if isinstance(value, str | int | float | Decimal) and value is not True else ""
    unit = ExitUnit.PERCENT if text.endswith("%") else ExitUnit.DISTANCE
    try:
        number = Decimal(text.removesuffix("%").strip())
        return Exit(value=number, unit=unit)
    except (ArithmeticError, SignalRejected):
        raise ValueError(
            "expected a share of the price such as '3%', or a price difference such as 120"
        ) from None


Level = Annotated[Exit, BeforeValidator(_level)]


class StopSettings(Section):
    """Where a position is closed: ``"3%"`` of the price, or a price difference. A signal's levels take precedence."""

    loss: Level | None = None
    """distance from the entry at which a losing position is closed: 3% of the price, or a price difference"""
    profit: Level | None = None
    """distance from the entry at which a winning position is closed"""
    trailing: Level | None = None
    """distance of the stop from the best price since the position was opened"""
    activation: Level | None = None
    """how far the price must move in the position's favour before trailing starts"""
    break_even: Level | None = None
    """how far the price must move in the position's favour before the stop is moved to the entry"""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.activation is not None and self.trailing is None:
            raise ValueError("activation has no effect without trailing: set trailing, or remove it")
        for name in ("loss", "trailing"):
            level = getattr(self, name)
            if level is not None and level.unit is ExitUnit.PERCENT and level.value >= 100:
                raise ValueError(
                    f"{name} = {level.value:f} % is the whole price or more and can never be reached"
                )
        return self

    def exits(self) -> Exits:
        """Return the settings as the value that the rules accept."""
        return Exits(
            take_profit=(self.profit,) if self.profit is not None else (),
            stop_loss=self.loss,
            trailing_stop=self.trailing,
            activation=self.activation,
            break_even=self.break_even,
        )


class AccountSettings(PluginSection):
    """An exchange account. A disabled one closes what the engine opened there, then stays idle."""

    shadow_of: Name | None = None
    """another account whose settings apply here too, except for those in this section; paper accounts only"""
    observe: bool | None = None
    """whether the account only reads and shows and sends nothing; unset, a new live account does so until te go"""
    equity: Literal["wallet", "total"] = "wallet"
    """what a depth (target exposure) is a fraction of: the wallet balance, or that plus unrealised profit"""
    drift: Literal["reduce", "heal", "alert"] = "reduce"
    """after a change from outside: only cut the excess, also restore what is missing, or only report it"""
    adopt: bool = False
    """whether positions that the engine never opened are taken over"""
    below_minimum: Literal["skip", "raise"] = "skip"
    """a size below the exchange's minimum: stay flat, or trade the minimum"""
    minimum_order: Positive | None = None
    """least value of an order in quote currency, if higher than the exchange's; closing is never held back"""
    margin_mode: MarginMode = MarginMode.ISOLATED
    """margin mode of every position; changed only while flat"""
    leverage: Annotated[int, Field(ge=1)] | None = None
    """leverage that replaces the one of signals and symbols"""
    rebalance: Literal["on_change", "band"] = "on_change"
    """whether sizes change only with the target, or also when equity and price moved them far enough"""
    band: Annotated[Share, Field(gt=0)] = Decimal("0.05")
    """for rebalance = band, the deviation that is far enough, as a share of the size: 0.05 is 5 %"""
    concurrency: Annotated[int, Field(ge=1, le=100)] = 10
    """number of symbols of this account that are processed at the same time"""
    no_increases: tuple[HoursText, ...] = ()
    """hours of the week in which nothing is increased here"""
    stop: StopSettings | None = None
    """where every position is closed; levels of its symbol or its signal take precedence"""
    stops: Literal["exchange", "engine", "off"] = "exchange"
    """who enforces the stops of settings and signals: the exchange if its plugin can, the engine, or nobody"""
    limits: LimitSettings = LimitSettings()
    breakers: BreakerSettings = BreakerSettings()

    def shadowing(self, live: AccountSettings) -> AccountSettings:
        """Return this section with unset keys filled in from the live account's section."""
        theirs = [name for name in LimitSettings.model_fields if name not in self.limits.model_fields_set]
        limits = self.limits.model_copy(update={name: getattr(live.limits, name) for name in theirs})
        own = {*self.model_fields_set, *PluginSection.model_fields, "shadow_of", "observe", "limits"}
        inherited = [name for name in AccountSettings.model_fields if name not in own]
        return self.model_copy(update={**{name: getattr(live, name) for name in inherited}, "limits": limits})


class SymbolSettings(Section):
    """One symbol, in the engine's spelling."""

    leverage: Annotated[int, Field(ge=1)] = 1
    """Applies if no source states one."""
    no_increases: tuple[HoursText, ...] = ()
    """Hours of the week in which it is not increased."""
    stop: StopSettings | None = None
    """Where its positions are closed; takes precedence over the account's."""
    weights: dict[str, Share] = Field(default_factory=dict)
    """The largest share of an account that each source may steer here; together at most 1."""

    @field_validator("weights")
    @classmethod
    def _at_most_one(cls, weights: dict[str, Decimal]) -> dict[str, Decimal]:
        total = sum(weights.values(), Decimal(0))
        if total > 1:
            raise ValueError(f"weights add up to {total}: the sum must not exceed 1")
        return weights


class Settings(Section):
    """Everything in ``settings.toml``, ``.secrets.toml`` and ``TE_`` variables, core and plugins."""

    engine: EngineSettings = EngineSettings()
    listen: ListenSettings = ListenSettings()
    page: PageSettings = PageSettings()
    logs: LogSettings = LogSettings()
    journal: JournalSettings = JournalSettings()
    tracing: TracingSettings = TracingSettings()
    limits: GlobalLimitSettings = GlobalLimitSettings()
    breakers: GlobalBreakerSettings = GlobalBreakerSettings()
    notices: NoticesSettings = NoticesSettings()
    plugins: dict[Name, PluginSwitch] = Field(default_factory=dict)
    sources: dict[Name, SourceSettings] = Field(default_factory=dict)
    accounts: dict[Name, AccountSettings] = Field(default_factory=dict)
    symbols: dict[SymbolName, SymbolSettings] = Field(default_factory=dict)
    groups: dict[GroupName, tuple[SymbolName, ...]] = Field(default_factory=dict)
    """symbols whose positions are added up for group_share"""
    notifiers: dict[Name, NotifierSettings] = Field(default_factory=dict)
    risk_checks: dict[Name, RiskCheckSettings] = Field(default_factory=dict)
    observers: dict[Name, ObserverSettings] = Field(default_factory=dict)

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @field_validator("accounts")
    @classmethod
    def _shadows(cls, accounts: dict[str, AccountSettings]) -> dict[str, AccountSettings]:
        """Fill in the keys that shadows inherit from their accounts."""
        shadows = {name: of for name, section in accounts.items() if (of := section.shadow_of) is not None}
        parts: list[tuple[Path, str]] = []
        for name, of in shadows.items():
            if of == name:
                reason = "an account cannot be a shadow of itself"
            elif of not in accounts:
                reason = f"there is no [accounts.{of}]{nearest(of, accounts.keys() - {name})}"
            elif of in shadows:
                reason = f"accounts.{of} is itself a shadow: name the account that it shadows"
            else:
                continue
            parts.append((("accounts", name, "shadow_of"), reason))
        if parts:
            raise Contradiction(parts)
        return accounts | {name: accounts[name].shadowing(accounts[of]) for name, of in shadows.items()}

    @model_validator(mode="after")
    def _known_sources(self) -> Self:
        parts = [
            (
                ("symbols", symbol, "weights", source),
                f"there is no [sources.{source}]{nearest(source, self.sources)}",
            )
            for symbol, settings in self.symbols.items()
            for source in settings.weights
            if source not in self.sources
        ]
        if parts:
            raise Contradiction(parts)
        return self

    @model_validator(mode="after")
    def _known_groups(self) -> Self:
        locations: list[tuple[Path, LimitSettings]] = [(("limits",), self.limits)]
        locations += [
            (("accounts", name, "limits"), section.limits) for name, section in self.accounts.items()
        ]
        parts = [
            ((*path, "group_share", group), f"there is no groups.{group}{nearest(group, self.groups)}")
            for path, limits in locations
            for group in limits.group_share
            if group not in self.groups
        ]
        if parts:
            raise Contradiction(parts)
        return self

    @model_validator(mode="after")
    def _known_to_risk_checks(self) -> Self:
        """Refuse a name that no section has: otherwise its account or symbol would silently not be checked."""
        parts = [
            (("risk_checks", name, kind), f"there is no [{kind}.{each}]{nearest(each, known)}")
            for name, section in self.risk_checks.items()
            for kind, names, known in (
                ("accounts", section.accounts, self.accounts.keys()),
                ("symbols", section.symbols, self.symbols.keys()),
            )
            for each in names
            if each not in known
        ]
        if parts:
            raise Contradiction(parts)
        return self

    @property
    def origin(self) -> Origin:
        """Return where the keys are defined; empty if the settings were not read from files."""
        return self._origin

    def with_origin(self, origin: Origin) -> Self:
        """Return the same settings with the locations of their keys."""
        copy = self.model_copy()
        copy._origin = origin  # noqa: SLF001 - a copy of this very class
        return copy

    def plugin_enabled(self, plugin: str) -> bool:
        """Return whether instances of a plugin may run; plugins are enabled by default."""
        switch = self.plugins.get(plugin)
        return switch is None or switch.enabled

    def plugins_folder(self, beside: FilePath) -> FilePath | None:
        """Return the folder of single-file plugins, relative to ``beside``; None if the settings name none."""
        folder = self.engine.plugins_dir
        return beside / FilePath(folder).expanduser() if folder else None

    def pinned_plugins(self) -> dict[str, str]:
        """Return the distribution that each pinned plugin must come from, by plugin name."""
        return {name: switch.distribution for name, switch in self.plugins.items() if switch.distribution}

    def plugins_in_use(self) -> tuple[str, ...]:
        """Return the plugins to load: of all sources and accounts, and of what else is enabled, unless switched off.

        A disabled account still closes what the engine opened there, and a disabled source still listens.
        """
        sections: list[PluginSection] = [*self.sources.values()]
        others = (*self.notifiers.values(), *self.risk_checks.values(), *self.observers.values())
        sections += [section for section in others if section.enabled]
        sections += self.accounts.values()
        return tuple(dict.fromkeys(s.plugin for s in sections if self.plugin_enabled(s.plugin)))
