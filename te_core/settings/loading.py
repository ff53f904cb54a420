"""Reads settings: layers merged, checked as a whole, every problem told with its place."""

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
    """Read ``settings.toml``, ``.secrets.toml`` beside it and the ``TE_`` variables.

    Raises ``SettingsInvalid`` with every problem found. Plugins' own options are not checked here: see
    ``resolve``. What is only worth a warning stands in ``Settings.origin.warnings``.
    """
    return settings_from(layers.read(file), env)


def settings_from(texts: Texts, env: Mapping[str, str]) -> Settings:
    """Make settings of texts that were read before. Raises ``SettingsInvalid``."""
    if texts.settings is None and not texts.problems:
        reason = "there is no such file: make one with te init, or name it with --settings or TE_SETTINGS"
        raise SettingsInvalid([ConfigError(reason, file=str(texts.file))])
    merged = layers.merge(texts, env, Settings)
    if merged.problems:
        raise SettingsInvalid(merged.problems)
    if texts.settings is not None and not texts.settings.strip():
        # Editors empty a file before they write it; taken at its word, it would stop every account.
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
    """Return problems instead of raising, so that pydantic's error, which quotes values, is never chained."""
    try:
        return Settings.model_validate(references.fetched(data, (Settings,), origin.fetch)), []
    except ConfigError as error:
        return None, [error]
    except ValidationError as error:
        return None, list(Report(Settings, data, origin).invalid(error.errors(include_url=False)))


def _misplaced(merged: Layers) -> Iterator[str]:
    """Warn of the core's own secrets in settings.toml; those of plugins are known only when their models are."""
    for path, given in _leaves(merged.tree):
        if fields.is_secret(fields.at(Settings, path)) and (found := misplaced_secret(path, given.location)):
            yield found


def _secrets(merged: Layers) -> Iterator[SecretStr]:
    """Find what must never be shown: secrets by their type, and what the operator put into the secrets file.

    Ordinary settings of the core may stand there too (``plugin = "paper"``); those are no secrets. Of a plugin that is
    not loaded only the names of its keys are known.
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
