"""The first ``settings.toml`` and ``.secrets.toml``, written from answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import tomlkit

from te_core.setup.answers import Answers, Instance, NewSource

INTRODUCTION = """\
# The engine's settings. Save this file while the engine runs: a valid edit is applied at once, and only what it
# touches restarts; an invalid one is refused with its reason and changes nothing. `te check` checks it beforehand.
#
# Secrets (tokens, exchange keys) belong in .secrets.toml next to this file. Any key can also come from the
# environment: TE_LISTEN__PUBLIC__PORT=9000 sets listen.public.port.
"""

SECRETS_INTRODUCTION = """\
# Secrets of the engine, readable by its owner only. Merged over settings.toml; saved edits are applied at once.
"""

_WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SOURCE = """\
# max_age = "12h"            # after this a signal has expired (default: never)
# on_expiry = "flat"         # what an expired signal counts as: "hold" its depth (default), "decay" or "flat"
"""
_ACCOUNT = """\
# enabled = false            # close what the engine opened there, then stay idle
# leverage = 1               # overrides the leverage of signals and symbols
# observe = true             # read, plan and show; send nothing (a live account does so until te go)
"""
_NOTIFIERS = """\
# [notifiers.phone]
# plugin = "webhook"         # or "apprise", "telegram"; its url belongs in .secrets.toml
# quiet_hours = ["22:00-07:00 Europe/Berlin"]
#
# [notices]
# summary_at = "07:30"       # a daily summary of each account
"""
_LISTEN = """\
[listen.public]              # webhooks only; `te service tls DOMAIN` writes a proxy configuration with TLS
host = "127.0.0.1"
port = 8787

[listen.private]             # `te status` and friends, health, state; keep it on this machine
host = "127.0.0.1"
port = 8788
"""


def settings_text(answers: Answers) -> str:
    """Return ``settings.toml``, with comments that show further options."""
    return "\n".join(_settings(answers)) + "\n"


def _settings(answers: Answers) -> Iterator[str]:
    yield INTRODUCTION
    yield _title("Sources: where signals come from")
    for source in answers.sources:
        yield from _section("sources", source, _SOURCE)
    yield _title("Accounts: where positions are held")
    for account in answers.accounts:
        yield from _section("accounts", account, _ACCOUNT)
    yield _title("Symbols: how far each source may steer an account")
    yield (
        "# A source at full depth (1) moves an account to weight x equity x leverage; sources add up.\n"
        "# The weights of a symbol add up to at most 1.\n"
    )
    for symbol in answers.symbols:
        yield f"[symbols.{symbol}]\nleverage = {answers.leverage}  # used while no source states one"
        yield f"weights = {_value({source.name: answers.weight for source in answers.sources})}\n"
    yield _title("Limits that always apply, whatever signals ask for")
    yield f"[limits]\nleverage = {answers.leverage}\n# order_notional = 20000      # of a single order"
    yield "# account_exposure = 50000    # all positions of one account together\n"
    yield _title("Notifiers: who is notified of outages, drift and silence")
    yield _NOTIFIERS
    yield _title("Where the engine listens")
    yield _LISTEN.rstrip("\n")


def secrets_text(answers: Answers) -> str:
    """Return ``.secrets.toml`` with the secrets that were given."""
    parts = [SECRETS_INTRODUCTION]
    for group, instances in (("sources", answers.sources), ("accounts", answers.accounts)):
        for instance in instances:
            if instance.hidden:
                lines = [f"{key} = {_value(value)}" for key, value in instance.hidden.items()]
                parts.append("\n".join([f"[{group}.{instance.name}]", *lines]) + "\n")
    return "\n".join(parts)


def _section(group: str, instance: Instance, offers: str) -> Iterator[str]:
    if instance.summary:
        yield f"# {instance.summary}"
    yield f'[{group}.{instance.name}]\nplugin = "{instance.name}"'
    for key, value in instance.options.items():
        yield f"{key} = {_value(value)}"
    for key in instance.missing:
        yield f"# {key}: missing; set it with  te configure {instance.name}"
    if isinstance(instance, NewSource):
        yield "# How this source spells a symbol = how the engine does. A symbol that is not listed is refused."
        yield f"symbols = {_value(instance.spellings)}"
    yield offers


def _title(text: str) -> str:
    return f"\n# ---- {text} ".ljust(_WIDTH, "-") + "\n"


def _value(value: Any) -> str:
    match value:
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + " }"
        case Decimal():
            return f"{value:f}"
    return str(tomlkit.item(value).as_string())


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else str(tomlkit.string(key).as_string())
