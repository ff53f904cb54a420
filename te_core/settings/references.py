"""Secrets that are kept elsewhere: ``api_key_file`` names a file, ``api_key_keyring`` an entry of the system's keyring.

Any secret of the core or of a plugin can be given so; the plugin sees the secret itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from te_core.errors import ConfigError
from te_core.settings import fields

CREDENTIALS = "CREDENTIALS_DIRECTORY"
"""Where systemd puts the credentials of a unit (``LoadCredential=``)."""

LONGEST = 64 * 1024
"""Bytes of such a file; a longer one is something else."""

Fetch = Callable[[str], str]


def fetchers(settings: Path, env: Mapping[str, str]) -> dict[str, Fetch]:
    """Return what fetches a secret, by the ending of the key that names its place."""
    folders = [Path(env[CREDENTIALS])] if env.get(CREDENTIALS) else []
    return {"_file": lambda name: _from_file(name, [*folders, settings.parent]), "_keyring": _from_keyring}


def fetched(data: Mapping[str, Any], shape: fields.Shape, fetch: Mapping[str, Fetch]) -> dict[str, Any]:
    """Return data in which secrets stand for the keys that name their place. Raises ``ConfigError``."""
    known = fields.known_keys(shape)
    result: dict[str, Any] = {}
    for key, value in data.items():
        ending = next((ending for ending in fetch if key.endswith(ending)), None)
        secret = key.removesuffix(ending) if ending else ""
        inner = fields.below(shape, key)
        if ending and known and inner is None and fields.is_secret(fields.below(shape, secret)):
            if secret in data:
                raise ConfigError(f"{secret} is given, too: remove one of them", key=key)
            result[secret] = _fetched(key, value, fetch[ending])
        elif isinstance(value, Mapping) and inner is not None:
            result[key] = fetched(value, inner, fetch)
        else:
            result[key] = value
    return result


def refers(options: Mapping[str, Any], option: str, fetch: Mapping[str, Fetch]) -> bool:
    """Whether an option is kept elsewhere."""
    return any(f"{option}{ending}" in options for ending in fetch)


def _fetched(key: str, value: object, fetch: Fetch) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError("expected a text that names where the secret is kept", key=key)
    try:
        secret = fetch(value)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{value}: {getattr(error, 'strerror', None) or error}", key=key) from None
    if not secret:
        raise ConfigError(f"{value}: it is empty", key=key)
    return secret


def _from_file(name: str, folders: list[Path]) -> str:
    path = Path(name).expanduser()
    found = next((folder / path for folder in folders if (folder / path).exists()), folders[-1] / path)
    with found.open("rb") as stream:
        content = stream.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"longer than {LONGEST} bytes, so not a secret")
    return content.decode("utf-8-sig").strip()


def _from_keyring(name: str) -> str:
    service, _, user = name.rpartition("/")
    if not service:
        raise ValueError("write it as SERVICE/USER, as in: keyring set SERVICE USER")
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        raise ValueError("the package keyring is not installed: pip install 'te-core[keyring]'") from None
    try:
        secret = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise ValueError(f"the keyring cannot be read: {error}") from None
    if secret is None:
        raise ValueError(f"the keyring has no such entry: keyring set {service} {user}")
    return str(secret)
