"""The identity of an account at its exchange, and which section of the settings trades it (I20)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

from pydantic import BaseModel

from te_core.contracts.exchange import AccountIdentity
from te_core.errors import ConfigError, NotReady
from te_core.journal.journal import Journal
from te_core.settings.credentials import credentials

KEY = "key:"
"""Prefix of a uid that is a fingerprint, which means nothing to the operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One real account, whatever its name in the settings."""

    plugin: str
    host: str
    uid: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The key by which the journal identifies it."""
        return self.plugin, self.host, self.uid

    def __str__(self) -> str:
        if not told(self.uid):
            return f"the {self.plugin} account with these credentials"
        return f"{self.plugin} account {self.uid}" + (f" at {self.host}" if self.host else "")


class AccountTaken(ConfigError):
    """Another section already trades this account."""


def told(uid: str) -> bool:
    """Return whether an exchange reported this uid; otherwise it is a fingerprint of credentials."""
    return not uid.startswith(KEY)


def fingerprint(plugin: str, name: str, options: BaseModel) -> Identity:
    """Return the identity of an account by its credentials.

    If there are none, as with paper accounts, the section identifies the account.
    """
    parts = (plugin, *(credentials(options) or ("", name)))
    digest = blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return Identity(plugin=plugin, host="", uid=KEY + digest)


async def identified(
    journal: Journal,
    name: str,
    by_key: Identity,
    stated: AccountIdentity | None,
    now: datetime,
    *,
    seen_keys: set[Identity],
    silent: set[Identity],
) -> Identity:
    """Return the identity of an account.

    Raise `NotReady` if it was reported before and is not now: it may be any account.

    ``seen_keys``: credentials whose identity was reported in this run, including those of refused sections. ``silent``:
    credentials whose identity was not reported the last time; if the plugin reports it for other accounts, the absence
    is accepted only when it is repeated.
    """
    met = {(record.plugin, record.host, record.uid): record for record in journal.accounts()}
    if stated is None:
        if by_key in seen_keys or any(
            who[0] == by_key.plugin and told(who[2]) and met[who].name == name for who in met
        ):
            raise NotReady("the exchange does not report which account this is, although it did before")
        if by_key not in silent and any(who[0] == by_key.plugin and told(who[2]) for who in met):
            silent.add(by_key)
            raise NotReady(
                "the exchange does not report which account this is, although it does for others; asking once more"
            )
        return by_key
    seen_keys.add(by_key)
    silent.discard(by_key)
    identity = Identity(plugin=by_key.plugin, host=stated.host, uid=stated.uid)
    before = met.get(by_key.key)
    if before is not None and identity.key not in met:  # so far it was only known by its credentials
        await journal.append(replace(before, name=name, host=identity.host, uid=identity.uid, seen_at=now))
    return identity


class Identities:
    """Which section holds which account. A section holds one account from its connection until it is stopped for good.

    ``on_free`` is called with each section that was refused an account which is free now.
    """

    def __init__(self, on_free: Callable[[str], None]) -> None:
        self._on_free = on_free
        self._held: dict[str, Identity] = {}
        self._refused: dict[str, Identity] = {}
        self.seen_keys: set[Identity] = set()
        """Credentials whose account an exchange reported in this run."""
        self.silent: set[Identity] = set()
        """Credentials whose account it did not report, although it does for others."""

    def claim(self, name: str, identity: Identity) -> None:
        """Assign an account to a section, which releases any other. Raise `AccountTaken` if it is already assigned."""
        if self._held.get(name) != identity:
            self.release(name)
        for other, held in self._held.items():
            if held == identity and other != name:
                self._refused[name] = identity
                raise AccountTaken(
                    f"{identity} is already traded by [accounts.{other}], so [accounts.{name}] sends nothing: "
                    "remove one of the two sections, or give it the keys of another account"
                )
        self._held[name] = identity

    def release(self, name: str) -> None:
        """Release a section's account."""
        self._refused.pop(name, None)
        freed = self._held.pop(name, None)
        for other in [other for other, wanted in self._refused.items() if wanted == freed]:
            self._on_free(other)
