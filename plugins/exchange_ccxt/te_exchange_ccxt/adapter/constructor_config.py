"""Validate ``config``, which is passed to ccxt's constructor: it sets any attribute of the client named there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

HARMLESS = frozenset(
    {"commonCurrencies", "enableRateLimit", "has", "options", "precisionMode", "rateLimit", "timeout"}
)
"""Attributes that neither redirect a request nor change what is sent with it."""

FURTHER_CREDENTIALS = {
    "privateKey": "private_key",
    "walletAddress": "wallet_address",
    "uid": "uid",
    "accountId": "account_id",
}
"""Credentials that some exchanges need besides key, secret and passphrase: ccxt's name and the setting's."""

OWN_SETTINGS = {"apiKey": "api_key", "secret": "secret", "password": "passphrase", **FURTHER_CREDENTIALS}
"""Credentials belong in settings, which are kept out of logs; ``config`` is not."""

_PROXY = re.compile(r"prox(y|ies)", re.IGNORECASE)
_CREDENTIAL = re.compile(r"(^|[a-z_])(key|secret|password|passphrase|token|mnemonic)$", re.IGNORECASE)
_ADDRESS = re.compile(r"url|host|header|cookie", re.IGNORECASE)
_CLIENT_PARTS = frozenset({"asyncio_loop", "logger", "number", "session", "verbose"})


def refusal(config: Mapping[str, object], *, other_hosts: bool) -> str:
    """Return why a configuration is refused, or an empty text. ``other_hosts``: the operator allows other hosts."""
    for name in config:
        if name in OWN_SETTINGS:
            return (
                f"{name} does not belong here: put {OWN_SETTINGS[name]} into .secrets.toml under this account"
            )
        if _PROXY.search(name):
            return f'{name} does not belong here: set proxy = "http://…" of this account'
        if name in _CLIENT_PARTS:
            return f"{name} is set by the engine"
    for path, value in _leaves(config.get("options"), "options"):
        name = path.rpartition(".")[2]
        if _PROXY.search(path):
            return f'{path} does not belong here: set proxy = "http://…" of this account'
        if _CREDENTIAL.search(name) and isinstance(value, str) and value:
            return f"{path} looks like a credential, which would appear in logs here"
    if other_hosts:
        return ""
    leading = [name for name in config if name not in HARMLESS]
    leading += [path for path, value in _leaves(config.get("options"), "options") if _leads(path, value)]
    if not leading:
        return ""
    return (
        f"{leading[0]} may lead requests, and what signs them, to another machine: remove it, or set "
        "allow_other_hosts = true if you trust it"
    )


def _leads(path: str, value: object) -> bool:
    return bool(_ADDRESS.search(path)) or (isinstance(value, str) and "://" in value)


def _leaves(tree: object, path: str) -> Iterator[tuple[str, object]]:
    if isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from _leaves(value, f"{path}.{name}")
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _leaves(value, path)
    else:
        yield path, tree
