"""Generate the secrets that a source needs and the operator did not choose: there is no default password.

Commands that only call the engine import this for its randomness, so heavy imports are made where they are used.
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
    """Return 256 random bits as letters, digits, ``-`` and ``_``, safe in a URL."""
    return secrets.token_urlsafe(32)


def missing_secrets(settings: Settings, registry: Registry) -> Iterator[tuple[str, str]]:
    """Return (source, option) of each secret that an enabled source lacks and the engine may generate."""
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
    """Write missing secrets to ``.secrets.toml`` next to ``file``; return the keys that were written.

    The operator's comments and order are preserved. The file is replaced in one step and becomes readable by its
    owner only, whatever its mode was. Raise `OSError` if it cannot be written.
    """
    missing = [("sources", *named) for named in missing_secrets(settings, registry)]
    return _write(file, {path: generate() for path in missing})


def private_token(file: Path, settings: Settings, *, generate: Callable[[], str] = random_secret) -> str:
    """Return the token of the private listener; generate and write one as ``generate_missing`` does if there is none.

    Raise `OSError` if it cannot be written.
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
        except ValueError:  # it is being edited right now; once it is valid, it is read again
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
    return cast("Tree", parent[key])  # the settings were read from it, so it is a table or behaves like one
