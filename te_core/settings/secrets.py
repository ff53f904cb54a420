"""Makes the secrets that a source needs and the operator did not choose: there is no default password.

Commands that only ask the engine import this for its randomness: what is heavy is imported where it is used.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from te_core.settings.files import replace_file
from te_core.settings.peek import SECRETS_FILE

if TYPE_CHECKING:
    from te_core.plugins.registry import Registry
    from te_core.settings.schema import Settings

Tree = MutableMapping[str, Any]

MODE = 0o600


def random_secret() -> str:
    """Give 256 random bits in letters, digits, ``-`` and ``_``, fit for a URL."""
    return secrets.token_urlsafe(32)


def missing_secrets(settings: Settings, registry: Registry) -> Iterator[tuple[str, str]]:
    """Name (source, option) of the secrets that enabled sources lack and the engine may choose."""
    from te_core.settings.references import refers

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
    missing = [("sources", *named) for named in missing_secrets(settings, registry)]
    return _write(file, {path: generate() for path in missing})


def private_token(file: Path, settings: Settings, *, generate: Callable[[], str] = random_secret) -> str:
    """Return the token of the private listener, made and written as ``generate_missing`` does where there is none.

    Raises ``OSError`` when it cannot be written.
    """
    given = settings.listen.private.token
    if given is not None and given.get_secret_value():
        return given.get_secret_value()
    made = generate()
    _write(file, {("listen", "private", "token"): made})
    return made


def _write(file: Path, values: Mapping[tuple[str, ...], str]) -> tuple[str, ...]:
    import tomlkit

    if values:
        path = file.with_name(SECRETS_FILE).resolve()
        try:
            document = tomlkit.parse(path.read_bytes().decode("utf-8-sig") if path.exists() else "")
        except ValueError:  # it is being edited this moment: once it is whole, it is read again
            return ()
        for (*tables, option), value in values.items():
            table: Tree = document
            for name in tables:
                table = _table(table, name)
            table[option] = value
        replace_file(path, tomlkit.dumps(document), mode=MODE)
    return tuple(".".join(path) for path in values)


def _table(parent: Tree, key: str) -> Tree:
    import tomlkit
    from tomlkit.items import InlineTable

    if key not in parent:
        # An inline table can only hold inline ones.
        parent[key] = tomlkit.inline_table() if isinstance(parent, InlineTable) else tomlkit.table()
    return cast("Tree", parent[key])  # the settings were read from it: it is a table, or looks like one
