"""Converts exchange accounts of the earlier program to sections of ours, with the last depths it set on each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from te_core.moving.earlier_files import CREDENTIALS, DEPTHS, NewSection, Notes, number, tables, whole

PLUGINS = {
    "bybit": "bybit",
    "blofin": "blofin",
    "kucoin": "kucoin",
    "kucoinfutures": "kucoin",
    "mexc": "mexc",
}
"""Exchanges with their own plugin; all others use the plugin ``ccxt``."""
OWN = ("bybit", "blofin", "kucoin", "mexc", "bingx")
"""Exchanges that had their own entry, outside of the ccxt list."""
STORED_ONLY = ("bingx",)
"""Exchanges whose keys were stored but whose accounts were never traded."""
PASSPHRASES = ("blofin", "kucoin")
WALLETS = ("hyperliquid",)
COPY_TRADING = ("blofin",)
KNOWN = frozenset(
    {
        "api_key",
        "api_secret",
        "api_passphrase",
        "leverage_override",
        "min_order_notional_usd",
        "copy_trading",
        "exchange_name",
        "account_name",
        "enabled",
    }
)
_NAME = re.compile(r"[^a-z0-9]+")
_TOLERANCE, _SHARE = Decimal("0.0001"), Decimal("0.001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An account's section, and the names under which the earlier program stored its depths (lower case)."""

    section: NewSection
    keys: tuple[str, ...]

    @property
    def trades(self) -> bool:
        """Return whether the account trades the same symbol names: enabled, and settled in the default coin."""
        return bool(self.section.values.get("enabled", True)) and "settle" not in self.section.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The depth that the earlier program last set for a symbol, and the depth that the imported signals ask for."""

    account: str
    symbol: str
    depth: Decimal
    wanted: Decimal

    @property
    def matches(self) -> bool:
        """Return whether both are the same target, within a tolerance."""
        tolerance = max(_TOLERANCE, max(abs(self.depth), abs(self.wanted)) * _SHARE)
        return abs(self.depth - self.wanted) <= tolerance


def accounts(found: Mapping[str, Any], notes: Notes) -> list[Imported]:
    """Return every account whose keys are complete."""
    entries = list(_entries(found, notes))
    listed = {_exchange(entry) for entry in entries if entry.get("enabled", True)}
    made: list[Imported] = []
    for name in OWN:
        entry = found.get(name)
        if not isinstance(entry, dict) or not _text(entry, "api_key"):
            continue
        if name in listed:
            notes.add(CREDENTIALS, f"{name}: the ccxt list has an account there, which was traded instead")
            continue
        made += _account(name, "", entry, made, notes)
    for entry in entries:
        made += _account(_exchange(entry), _text(entry, "account_name"), entry, made, notes)
    for name, _ in tables(found, CREDENTIALS, notes):
        if name not in (*OWN, "ccxt", "bittensor_sn8", "bittensor"):
            notes.add(CREDENTIALS, f"{name}: not known from the earlier program, left out")
    return made


def _entries(found: Mapping[str, Any], notes: Notes) -> Iterator[Mapping[str, Any]]:
    """Yield the accounts that used ccxt; older versions had a single one instead of a list."""
    ccxt = found.get("ccxt")
    if not isinstance(ccxt, dict):
        return
    entries = ccxt.get("ccxt_list", [ccxt])
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and re.fullmatch(r"[a-z0-9]+", _exchange(entry)):
            yield entry
        else:
            notes.add(CREDENTIALS, "ccxt: an entry without exchange_name was left out")


def _account(
    exchange: str, label: str, entry: Mapping[str, Any], made: Sequence[Imported], notes: Notes
) -> Iterator[Imported]:
    hidden, values = _keys(exchange, entry)
    label = label or exchange
    where = exchange if label == exchange else f"{exchange} {label}"
    if missing := [key for key, value in (hidden | values).items() if not value]:
        notes.add(CREDENTIALS, f"{where}: {', '.join(missing)} missing, the account was left out")
        return
    if exchange in STORED_ONLY and "exchange_name" not in entry:
        values["enabled"] = False
        notes.add(CREDENTIALS, f"{where}: the earlier program never traded it, so enabled = false")
    values |= dict(_options(exchange, where, entry, notes))
    name = _free(label, {each.section.name for each in made})
    section = NewSection(group="accounts", name=name, values=values, hidden=hidden)
    key = exchange if label.lower() == exchange else f"{exchange}::{label.lower()}"
    yield Imported(section=section, keys=tuple(dict.fromkeys((key, label.lower()))))


def _keys(exchange: str, entry: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return secrets and plain values under our names; an empty value means that it is missing."""
    key, secret, phrase = (_text(entry, name) for name in ("api_key", "api_secret", "api_passphrase"))
    if exchange in WALLETS:
        plain = {"plugin": "ccxt", "exchange": exchange, "settle": "USDC", "wallet_address": key}
        return {"private_key": secret}, plain
    hidden = {"api_key": key, "secret": secret}
    if phrase or exchange in PASSPHRASES:
        hidden["passphrase"] = phrase
    plugin = PLUGINS.get(exchange, "ccxt")
    return hidden, {"plugin": plugin, **({"exchange": exchange} if plugin == "ccxt" else {})}


def _options(exchange: str, where: str, entry: Mapping[str, Any], notes: Notes) -> Iterator[tuple[str, Any]]:
    if entry.get("enabled", True) is not True:
        yield "enabled", False
    if leverage := whole(entry.get("leverage_override")):
        yield "leverage", leverage
    if minimum := number(entry.get("min_order_notional_usd")):
        yield "minimum_order", minimum
    if entry.get("copy_trading") is True:
        if exchange in COPY_TRADING:
            yield "account_type", "copy_trading"
        else:
            notes.add(CREDENTIALS, f"{where}: copy_trading is only supported for BloFin, left out")
    if exchange in WALLETS:
        notes.add(
            CREDENTIALS,
            f"{where}: its perpetuals settle in USDC and are named like BTCUSDC here: a symbol with weights as BTCUSDT "
            "is not traded there until it is mapped and has weights under the USDC name",
        )
        if _text(entry, "api_passphrase"):
            notes.add(
                CREDENTIALS,
                f"{where}: the agent wallet was left out, as the private key identifies it; for a vault or "
                "sub-account set vault_address",
            )
    for name in sorted(entry.keys() - KNOWN):
        notes.add(CREDENTIALS, f"{where}: {name}: unknown key, left out")


def _exchange(entry: Mapping[str, Any]) -> str:
    return _text(entry, "exchange_name").lower()


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _free(label: str, taken: set[str]) -> str:
    """Return an unused name for a section."""
    base = _NAME.sub("-", label.lower()).strip("-")[:48] or "account"
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    return name


def held(
    found: Mapping[str, Any], made: Sequence[Imported], wanted: Mapping[str, Decimal], notes: Notes
) -> Iterator[Held]:
    """Yield the last depths of each account that continues to trade. ``wanted``: depths by symbol."""
    for key, depths in tables(found, DEPTHS, notes):
        account = _owner(key, made)
        if account is None:
            if any(number(depth) for depth in depths.values()):
                notes.add(DEPTHS, f"{key}: no imported account has that name")
            continue
        for symbol, value in depths.items():
            depth = number(value)
            if depth is None:
                notes.add(DEPTHS, f"{key}: {symbol}: not a number, left out")
            elif depth and account.trades:
                name = account.section.name
                yield Held(account=name, symbol=symbol, depth=depth, wanted=wanted.get(symbol, Decimal(0)))


def _owner(key: str, made: Sequence[Imported]) -> Imported | None:
    """Return the account of a key; a key that only names an exchange refers to its only account."""
    name = key.strip().lower()
    if found := next((each for each in made if name in each.keys), None):
        return found
    there = [each for each in made if each.keys[0].partition("::")[0] == name]
    return there[0] if len(there) == 1 else None
