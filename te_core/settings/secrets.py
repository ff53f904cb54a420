"""Makes the secrets that a source needs and the operator did not choose: there is no default password."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

import tomlkit
from tomlkit.items import InlineTable

from te_core.plugins.registry import Registry
from te_core.settings.files import replace_file
from te_core.settings.layers import SECRETS_FILE
from te_core.settings.origin import dotted
from te_core.settings.references import refers
from te_core.settings.schema import Settings

Tree = MutableMapping[str, Any]

MODE = 0o600


def random_secret() -> str:
    """Give 256 random bits in letters, digits, ``-`` and ``_``, fit for a URL."""
    return secrets.token_urlsafe(32)


def missing_secrets(settings: Settings, registry: Registry) -> Iterator[tuple[str, str]]:
    """Name (source, option) of the secrets that enabled sources lack and the engine may choose."""
    for name, section in settings.sources.items():
        spec = registry.sources.get(section.plugin)
        if spec and section.enabled and settings.plugin_enabled(section.plugin):
            yield from (
                (name, option)
                for option in spec.generated_secrets
                if option not in section.options
                and not refers(section.options, option, settings.origin.fetch)
            )


def generate_missing(
    file: Path, settings: Settings, registry: Registry, *, generate: Callable[[], str] = random_secret
) -> tuple[str, ...]:
    """Write what is missing into ``.secrets.toml`` beside ``file``; give the keys that were written.

    The operator's comments and order stay. The file is replaced in one step and can be read by its owner
    only, whatever its mode was. Raises ``OSError`` when it cannot be written.
    """
    missing = list(missing_secrets(settings, registry))
    if missing:
        path = file.with_name(SECRETS_FILE).resolve()
        try:
            document = tomlkit.parse(path.read_bytes().decode("utf-8-sig") if path.exists() else "")
        except ValueError:  # it is being edited this moment: once it is whole, it is read again
            return ()
        for source, option in missing:
            _table(_table(document, "sources"), source)[option] = generate()
        replace_file(path, tomlkit.dumps(document), mode=MODE)
    return tuple(dotted(("sources", source, option)) for source, option in missing)


def _table(parent: Tree, key: str) -> Tree:
    if key not in parent:
        # An inline table can only hold inline ones.
        parent[key] = tomlkit.inline_table() if isinstance(parent, InlineTable) else tomlkit.table()
    return cast("Tree", parent[key])  # the settings were read from it: it is a table, or looks like one
