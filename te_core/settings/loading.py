"""Read settings: merge the layers, validate them as a whole, and report every problem with its location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from te_core.errors import ConfigError
from te_core.secrets import is_credential
from te_core.settings import fields, layers, references
from te_core.settings.layers import Given, Layers, Texts
from te_core.settings.origin import Origin, misplaced_secret
from te_core.settings.origin import Path as Keys
from te_core.settings.problems import Report, SettingsInvalid
from te_core.settings.schema import Settings


def load_settings(file: Path, env: Mapping[str, str]) -> Settings:
    """Read ``settings.toml``, ``.secrets.toml`` next to it and the ``TE_`` variables.

    Raise `SettingsInvalid` with every problem found. The options of plugins are not checked here: see ``resolve``.
    Warnings are in ``Settings.origin.warnings``.
    """
    return settings_from(layers.read(file), env)


def settings_from(texts: Texts, env: Mapping[str, str]) -> Settings:
    """Build settings from texts that were already read. Raise `SettingsInvalid` with every problem found."""
    if texts.settings is None and not texts.problems:
        reason = "no such file: create one with te init, or name it with --settings or TE_SETTINGS"
        raise SettingsInvalid([ConfigError(reason, file=str(texts.file))])
    merged = layers.merge(texts, env, Settings)
    if merged.problems:
        raise SettingsInvalid(merged.problems)
    if texts.settings is not None and not texts.settings.strip():
        # Some editors empty a file before they write it; applied literally, that would stop every account.
        reason = "the file is empty: to stop trading, set enabled = false in each account"
        raise SettingsInvalid([ConfigError(reason, file=str(texts.file))])
    origin = Origin(
        locations=merged.locations,
        warnings=(*texts.warnings, *merged.warnings, *_misplaced(merged)),
        secrets=tuple(_secrets(merged)),
        fetch=references.fetchers(texts.file, env),
    )
    settings, problems = _validated(layers.plain(merged.tree), origin)
    if settings is None:
        raise SettingsInvalid(problems)
    return settings.with_origin(origin)


def _validated(data: dict[str, Any], origin: Origin) -> tuple[Settings | None, list[ConfigError]]:
    """Return problems instead of raising, so that pydantic's error, which quotes values, is never chained to them."""
    try:
        return Settings.model_validate(references.fetched(data, (Settings,), origin.fetch)), []
    except ConfigError as error:
        return None, [error]
    except ValidationError as error:
        return None, list(Report(Settings, data, origin).invalid(error.errors(include_url=False)))


def _misplaced(merged: Layers) -> Iterator[str]:
    """Warn about the core's own secrets in settings.toml; those of plugins are only known with their models."""
    for path, given in _leaves(merged.tree):
        if fields.is_secret(fields.at(Settings, path)) and (found := misplaced_secret(path, given.location)):
            yield found


def _secrets(merged: Layers) -> Iterator[SecretStr]:
    """Return what must never be shown: secrets by their type, and what the operator put into the secrets file.

    The secrets file may also contain ordinary settings of the core (``plugin = "paper"``); those are not secrets. Of a
    plugin that is not loaded only the names of its keys are known.
    """
    for path, given in _leaves(merged.tree):
        shape = fields.at(Settings, path)
        hidden = given.location.secret or is_credential(path[-1])
        if fields.is_secret(shape) or (hidden and shape is None):
            yield from (SecretStr(text) for text in fields.texts(given.value))


def _leaves(tree: Mapping[str, Any], at: Keys = ()) -> Iterator[tuple[Keys, Given]]:
    for key, value in tree.items():
        path = (*at, str(key))
        if isinstance(value, Given):
            yield path, value
        else:
            yield from _leaves(value, path)
