"""Plans an import of the earlier program: sections, the last signals, and accounts to adopt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from hashlib import blake2b
from pathlib import Path

import tomlkit

from te_core.errors import ConfigError, SignalRejected
from te_core.model.signal import Signal
from te_core.moving import earlier_accounts, earlier_settings
from te_core.moving.earlier_accounts import Held, Imported
from te_core.moving.earlier_alerts import COUNTED, Alert, Opinion, read_alerts, read_opinions
from te_core.moving.earlier_files import (
    BITTENSOR,
    CREDENTIALS,
    DEPTHS,
    MAPPINGS,
    MINERS,
    TRADINGVIEW,
    WEIGHTS,
    NewSection,
    Notes,
    find_files,
    number,
    read_json,
)
from te_core.moving.earlier_settings import UNMAPPED

RULE = "imported"
"""The rule of an imported signal."""
AHEAD = timedelta(minutes=5)
"""Tolerated clock difference; an alert further in the future was read in the wrong time zone."""
MASK = "********"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPlan:
    """What an import writes."""

    files: Sequence[Path]
    sections: Sequence[NewSection]
    signals: Sequence[Signal]
    held: Sequence[Held]
    """The last depths of the accounts."""
    notes: Sequence[str]
    """What was left out, and why."""

    def adoptable(self) -> dict[str, bool]:
        """Return the accounts that held positions; True where each matches what the imported signals ask for."""
        found: dict[str, bool] = {}
        for each in self.held:
            found[each.account] = found.get(each.account, True) and each.matches
        return found

    def adopting(self, names: Sequence[str]) -> ImportPlan:
        """Return the plan with ``adopt = true`` for those accounts."""
        sections = [
            replace(section, values={**section.values, "adopt": True})
            if section.group == "accounts" and section.name in names
            else section
            for section in self.sections
        ]
        return replace(self, sections=sections)

    def secrets(self) -> Sequence[str]:
        """Return every secret of the sections."""
        return [value for section in self.sections for value in section.hidden.values()]


def plan_import(folder: Path, *, zone: tzinfo | None, now: datetime) -> ImportPlan:
    """Read an installation of the earlier program. ``zone``: of its log files; None: local time.

    Changes nothing. Raises ``ConfigError`` for a wrong folder, a broken file or an impossible time zone.
    """
    notes = Notes()
    files = find_files(folder)
    credentials = read_json(folder, CREDENTIALS, dict, notes)
    mapped = read_json(folder, MAPPINGS, dict, notes) if (folder / MAPPINGS).exists() else UNMAPPED
    mapping = earlier_settings.mappings(mapped, notes)
    symbols = list(earlier_settings.symbols(read_json(folder, WEIGHTS, list, notes), notes))
    miners = credentials.get("bittensor_sn8") or credentials.get("bittensor") or {}
    parameters = read_json(folder, MINERS, dict, notes) if (folder / MINERS).exists() else {}
    sources = list(
        earlier_settings.sources(
            mapping,
            symbols,
            credentials=miners if isinstance(miners, dict) else {},
            parameters=parameters,
            notes=notes,
        )
    )
    kept = {section.name for section in sources}
    symbols = [_without_others(section, kept, notes) for section in symbols]
    accounts = earlier_accounts.accounts(credentials, notes)
    depths = read_json(folder, DEPTHS, dict, notes)
    last = _LastSignals(folder, names={section.name for section in symbols}, zone=zone, now=now, notes=notes)
    signals = [
        *last.of_alerts(_symbols_of(sources, TRADINGVIEW), _prior(depths)),
        *last.of_miners(_symbols_of(sources, BITTENSOR)),
    ]
    held = list(earlier_accounts.held(depths, accounts, _wanted(symbols, signals), notes))
    return ImportPlan(
        files=files,
        sections=[*sources, *(account.section for account in accounts), *symbols],
        signals=signals,
        held=held,
        notes=[*notes.lines, *_unheard(held, accounts)],
    )


def _without_others(section: NewSection, kept: set[str], notes: Notes) -> NewSection:
    """Remove the weights of sources that were left out: otherwise all settings would be refused."""
    weights = section.values["weights"]
    if lost := [source for source in weights if source not in kept]:
        notes.add(WEIGHTS, f"{section.name}: weights of {', '.join(lost)} were left out, as the source was")
    left = {source: weight for source, weight in weights.items() if source in kept}
    return replace(section, values={**section.values, "weights": left})


class _LastSignals:
    """Finds the last signals of symbols that have weights."""

    def __init__(
        self, folder: Path, *, names: set[str], zone: tzinfo | None, now: datetime, notes: Notes
    ) -> None:
        self._folder = folder
        self._names = names
        self._zone = zone
        self._now = now
        self._notes = notes

    def of_alerts(self, mapping: Mapping[str, str], prior: Mapping[str, bool]) -> Iterator[Signal]:
        """Yield the signals of TradingView. Raises ``ConfigError`` for one in the future."""
        for alert in read_alerts(self._folder, mapping, prior, self._notes).values() if mapping else ():
            at = _in_zone(alert.at, self._zone)
            if at - self._now > AHEAD:
                raise ConfigError(
                    f"this alert is dated {at:%Y-%m-%d %H:%M}Z, which is in the future: set the time zone of the "
                    "machine that wrote it, as in --zone Europe/Berlin",
                    file=alert.where,
                    line=alert.line,
                )
            yield from self._signal(alert, at)

    def of_miners(self, mapping: Mapping[str, str]) -> Iterator[Signal]:
        """Yield the signals of the miners."""
        for opinion in read_opinions(self._folder, self._notes).values() if mapping else ():
            yield from self._signal(opinion, datetime.fromtimestamp(opinion.at / 1000, UTC))

    def _signal(self, found: Alert | Opinion, at: datetime) -> Iterator[Signal]:
        if found.symbol not in self._names:
            return
        if self._now - at > COUNTED:
            text = f"{found.symbol}: last signal on {at:%Y-%m-%d}, older than {COUNTED.days} days, left out"
            self._notes.add(found.where, text)
            return
        source = TRADINGVIEW if isinstance(found, Alert) else BITTENSOR
        origin = f"{found.where}:{found.line}" if isinstance(found, Alert) else found.where
        key = "\0".join((source, found.symbol, at.isoformat(), origin)).encode()
        try:
            yield Signal(
                source=source,
                symbol=found.symbol,
                depth=found.depth,
                time=at,
                received_at=at,
                leverage=found.leverage if isinstance(found, Alert) else None,
                price=found.price,
                delivery_id=f"import-{blake2b(key, digest_size=8).hexdigest()}",
                rule=RULE,
                detail={"imported_from": origin},
            )
        except SignalRejected as error:
            self._notes.add(found.where, f"{found.symbol}: {error}, left out")


def _symbols_of(sources: Sequence[NewSection], name: str) -> Mapping[str, str]:
    """Return a source's mapping; empty if it is not imported."""
    return next((section.values["symbols"] for section in sources if section.name == name), {})


def _in_zone(at: datetime, zone: tzinfo | None) -> datetime:
    """Convert a local time to UTC."""
    local = at.astimezone() if zone is None else at.replace(tzinfo=zone)
    return local.astimezone(UTC)


def _prior(depths: Mapping[str, object]) -> dict[str, bool]:
    """Return whether any account held a position, by symbol."""
    found: dict[str, bool] = {}
    for account in depths.values():
        for symbol, value in account.items() if isinstance(account, dict) else ():
            depth = number(value)
            if depth is not None:
                found[symbol] = found.get(symbol, False) or depth != 0
    return found


def _wanted(symbols: Sequence[NewSection], signals: Sequence[Signal]) -> dict[str, Decimal]:
    """Return the weighted sum of the signals, by symbol."""
    depth = {(signal.source, signal.symbol): signal.depth for signal in signals}
    return {
        section.name: sum(
            (
                weight * depth.get((source, section.name), Decimal(0))
                for source, weight in section.values["weights"].items()
            ),
            Decimal(0),
        )
        for section in symbols
    }


def _unheard(held: Sequence[Held], accounts: Sequence[Imported]) -> Iterator[str]:
    """Yield notes on positions that no imported signal asks for."""
    names = {account.section.name for account in accounts}
    for each in held:
        if each.account in names and each.depth and not each.wanted:
            yield f"{each.account}: {each.symbol} was held, but no imported signal asks for it"


# -- compared with what exists


def news(signals: Sequence[Signal], present: Sequence[Signal]) -> list[Signal]:
    """Return the signals that are newer than those of the same source and symbol in ``present``."""
    newest = {(signal.source, signal.symbol): signal.time for signal in present}
    return [s for s in signals if (s.source, s.symbol) not in newest or s.time > newest[s.source, s.symbol]]


def shown(plan: ImportPlan) -> tuple[str, str]:
    """Return the text for ``settings.toml`` and ``.secrets.toml``; secrets are masked."""
    return _text(plan, secret=False), _text(plan, secret=True)


def _text(plan: ImportPlan, *, secret: bool) -> str:
    document = tomlkit.document()
    for section in plan.sections:
        values = dict.fromkeys(section.hidden, MASK) if secret else section.values
        if not values:
            continue
        if section.group not in document:
            document[section.group] = tomlkit.table(is_super_table=True)
        table = tomlkit.table()
        for key, value in values.items():
            table[key] = toml_value(value)
        document[section.group][section.name] = table
    return tomlkit.dumps(document).strip()


def toml_value(value: object) -> object:
    """Convert a value for a settings file."""
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({key: toml_value(item) for key, item in value.items()})
        return table
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        return int(value) if whole and value.as_tuple().exponent == 0 else float(value)
    return value
