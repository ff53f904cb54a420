"""Secrets stored elsewhere: ``api_key_file`` names a file, ``api_key_keyring`` an entry of the system's keyring.

This works for any secret of the core or of a plugin; the plugin sees the secret itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from te_core.errors import ConfigError
from te_core.settings import fields

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""The variable that names the folder of a systemd unit's credentials (``LoadCredential=``)."""

LONGEST = 64 * 1024
"""Maximum bytes of such a file; a longer one is not a secret."""

Fetch = Callable[[str], str]


def fetchers(settings: Path, env: Mapping[str, str]) -> dict[str, Fetch]:
    """Return the functions that fetch a secret, by the suffix of the key that names its location."""
    folders = [Path(env[CREDENTIALS])] if env.get(CREDENTIALS) else []
    return {"_file": lambda name: _from_file(name, [*folders, settings.parent]), "_keyring": _from_keyring}


def fetched(data: Mapping[str, Any], shape: fields.Shape, fetch: Mapping[str, Fetch]) -> dict[str, Any]:
    """Return the data with secrets in place of the keys that name their locations. Raise `ConfigError` if one fails."""
    known = fields.known_keys(shape)
    result: dict[str, Any] = {}
    for key, value in data.items():
        ending = next((ending for ending in fetch if key.endswith(ending)), None)
        secret = key.removesuffix(ending) if ending else ""
        inner = fields.below(shape, key)
        if ending and known and inner is None and fields.is_secret(fields.below(shape, secret)):
            if secret in data:
                raise ConfigError(f"{secret} is set as well: remove one of the two", key=key)
            result[secret] = _fetched(key, value, fetch[ending])
        elif isinstance(value, Mapping) and inner is not None:
            result[key] = fetched(value, inner, fetch)
        else:
            result[key] = value
    return result


def refers(options: Mapping[str, Any], option: str, fetch: Mapping[str, Fetch]) -> bool:
    """Return whether an option is stored elsewhere."""
    return any(f"{option}{ending}" in options for ending in fetch)


def _fetched(key: str, value: object, fetch: Fetch) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError("expected a text that names where the secret is stored", key=key)
    try:
        secret = fetch(value)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{value}: {getattr(error, 'strerror', None) or error}", key=key) from None
    if not secret:
        raise ConfigError(f"{value} is empty: store the secret there", key=key)
    return secret


def _from_file(name: str, folders: list[Path]) -> str:
    path = Path(name).expanduser()
    found = next((folder / path for folder in folders if (folder / path).exists()), folders[-1] / path)
    with found.open("rb") as stream:
        content = stream.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes, so it cannot be a secret")
    return content.decode("utf-8-sig").strip()


def _from_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    if not service:
        raise ValueError("expected SERVICE/USER, as in: keyring set SERVICE USER")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise ValueError("the package keyring is not installed: pip install 'te-core[keyring]'") from None
    try:
        secret = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise ValueError(f"cannot read the keyring: {error}") from None
    if secret is None:
        raise ValueError(f"no such entry in the keyring; run: keyring set {service} {user}")
    return str(secret)
