"""Exchange accounts of the earlier program, as sections of ours, and what it last put each of them to."""

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
"""Plugins of exchanges that have one of their own; all others go through the plugin ``ccxt``."""
OWN = ("bybit", "blofin", "kucoin", "mexc", "bingx")
"""Exchanges that had an entry of their own, outside of the list of ccxt's."""
STORED_ONLY = ("bingx",)
"""Their keys were asked for, and no account of them was ever traded."""
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
    """An account's section, and the names under which the earlier program kept its depths (lower case)."""

    section: NewSection
    keys: tuple[str, ...]

    @property
    def trades(self) -> bool:
        """Whether it is to hold positions in symbols of the same names."""
        return bool(self.section.values.get("enabled", True)) and "settle" not in self.section.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the earlier program last put an account to on a symbol, and what the imported signals ask for."""

    account: str
    symbol: str
    depth: Decimal
    wanted: Decimal

    @property
    def matches(self) -> bool:
        """Whether both are the same target."""
        tolerance = max(_TOLERANCE, max(abs(self.depth), abs(self.wanted)) * _SHARE)
        return abs(self.depth - self.wanted) <= tolerance


def accounts(found: Mapping[str, Any], notes: Notes) -> list[Imported]:
    """Return every account that has all its keys."""
    entries = list(_entries(found, notes))
    listed = {_exchange(entry) for entry in entries if entry.get("enabled", True)}
    made: list[Imported] = []
    for name in OWN:
        entry = found.get(name)
        if not isinstance(entry, dict) or not _text(entry, "api_key"):
            continue
        if name in listed:
            notes.add(CREDENTIALS, f"{name}: the list of ccxt has an account there, which was traded instead")
            continue
        made += _account(name, "", entry, made, notes)
    for entry in entries:
        made += _account(_exchange(entry), _text(entry, "account_name"), entry, made, notes)
    for name, _ in tables(found, CREDENTIALS, notes):
        if name not in (*OWN, "ccxt", "bittensor_sn8", "bittensor"):
            notes.add(CREDENTIALS, f"{name}: nothing of the earlier program has that name, left out")
    return made


def _entries(found: Mapping[str, Any], notes: Notes) -> Iterator[Mapping[str, Any]]:
    """Yield the accounts that went through ccxt; there was one, before there was a list."""
    ccxt = found.get("ccxt")
    if not isinstance(ccxt, dict):
        return
    entries = ccxt.get("ccxt_list", [ccxt])
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and re.fullmatch(r"[a-z0-9]+", _exchange(entry)):
            yield entry
        else:
            notes.add(CREDENTIALS, "ccxt: an entry without exchange_name is left out")


def _account(
    exchange: str, label: str, entry: Mapping[str, Any], made: Sequence[Imported], notes: Notes
) -> Iterator[Imported]:
    hidden, values = _keys(exchange, entry)
    label = label or exchange
    where = exchange if label == exchange else f"{exchange} {label}"
    if missing := [key for key, value in (hidden | values).items() if not value]:
        notes.add(CREDENTIALS, f"{where}: {', '.join(missing)} missing, the account is left out")
        return
    if exchange in STORED_ONLY and "exchange_name" not in entry:
        values["enabled"] = False
        notes.add(CREDENTIALS, f"{where}: the earlier program never traded it: enabled = false")
    values |= dict(_options(exchange, where, entry, notes))
    name = _free(label, {each.section.name for each in made})
    section = NewSection(group="accounts", name=name, values=values, hidden=hidden)
    key = exchange if label.lower() == exchange else f"{exchange}::{label.lower()}"
    yield Imported(section=section, keys=tuple(dict.fromkeys((key, label.lower()))))


def _keys(exchange: str, entry: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return secrets and plain values by our names; an empty one is missing."""
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
            notes.add(CREDENTIALS, f"{where}: copy_trading is known here for BloFin only, left out")
    if exchange in WALLETS:
        notes.add(
            CREDENTIALS,
            f"{where}: its perpetuals pay in USDC and are called BTCUSDC here: what has weights as BTCUSDT is not "
            "traded there until it is mapped and weighed under that name",
        )
        if _text(entry, "api_passphrase"):
            notes.add(
                CREDENTIALS,
                f"{where}: the agent wallet is left out, the private key says which it is; for a vault or "
                "sub-account set vault_address",
            )
    for name in sorted(entry.keys() - KNOWN):
        notes.add(CREDENTIALS, f"{where}: {name} is not known, left out")


def _exchange(entry: Mapping[str, Any]) -> str:
    return _text(entry, "exchange_name").lower()


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value.strip() if isinstance(value, str) else ""


def _free(label: str, taken: set[str]) -> str:
    """Return a name for a section that nobody has."""
    base = _NAME.sub("-", label.lower()).strip("-")[:48] or "account"
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    return name


def held(
    found: Mapping[str, Any], made: Sequence[Imported], wanted: Mapping[str, Decimal], notes: Notes
) -> Iterator[Held]:
    """Yield what each account that goes on trading was last put to. ``wanted``: depths by symbol."""
    for key, depths in tables(found, DEPTHS, notes):
        account = _owner(key, made)
        if account is None:
            if any(number(depth) for depth in depths.values()):
                notes.add(DEPTHS, f"{key}: no account that is taken over has that name")
            continue
        for symbol, value in depths.items():
            depth = number(value)
            if depth is None:
                notes.add(DEPTHS, f"{key}: {symbol}: not a number, left out")
            elif depth and account.trades:
                name = account.section.name
                yield Held(account=name, symbol=symbol, depth=depth, wanted=wanted.get(symbol, Decimal(0)))


def _owner(key: str, made: Sequence[Imported]) -> Imported | None:
    """Find the account that a key means; one that only names an exchange means its only account."""
    name = key.strip().lower()
    if found := next((each for each in made if name in each.keys), None):
        return found
    there = [each for each in made if each.keys[0].partition("::")[0] == name]
    return there[0] if len(there) == 1 else None
