"""Holds the active settings. An edit either yields a difference to apply, or is refused and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from te_core.errors import ConfigError
from te_core.plugins.registry import Registry
from te_core.settings import layers
from te_core.settings.difference import Difference, difference
from te_core.settings.layers import Texts
from te_core.settings.loading import settings_from
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from te_core.settings.secrets import generate_missing


class SettingsStore:
    """``current``: the last valid settings. ``refused``: why the files in their present state are not active.

    ``generate`` generates secrets that sources lack; without it none is ever written.
    """

    def __init__(
        self,
        file: Path,
        *,
        env: Mapping[str, str],
        registry: Registry,
        generate: Callable[[], str] | None = None,
    ) -> None:
        self.current: Resolved | None = None
        self.refused: SettingsInvalid | None = None
        self._file = file
        self._env = dict(env)
        self._registry = registry
        self._generate = generate
        self._seen: Texts | None = None

    async def load(self) -> Resolved:
        """Read the settings for the first time. Raise `SettingsInvalid` if they cannot be applied."""
        self._seen = layers.read(self._file)
        self.current = await self._resolved()
        return self.current

    async def reload(self, *, again: bool = False) -> Difference | SettingsInvalid | None:
        """Read the settings again; return None if the files are unchanged.

        A returned difference is already active; it is empty if the edit changes nothing that matters, or only corrects
        what was refused. ``again``: validate even if the files are unchanged, because a plugin was loaded late.
        """
        texts = layers.read(self._file)
        if texts == self._seen and not again:
            return None
        self._seen = texts
        try:
            new = await self._resolved()
            self._refuse_half_a_file(new.settings)
            self._keep_running(new)
        except SettingsInvalid as invalid:
            self.refused = invalid
            return invalid
        old, self.current, self.refused = self.current, new, None
        return difference(old, new)

    async def _resolved(self) -> Resolved:
        settings = self._settings()
        self._registry.look_in(settings.plugins_folder(self._file.parent))
        await self._registry.ensure(settings.plugins_in_use(), settings.pinned_plugins())
        if self._generate and generate_missing(self._file, settings, self._registry, generate=self._generate):
            self._seen = layers.read(self._file)
            settings = self._settings()
        return resolve(settings, self._registry)

    def _settings(self) -> Settings:
        assert self._seen is not None
        return settings_from(self._seen, self._env)

    def _refuse_half_a_file(self, new: Settings) -> None:
        """Refuse a file that lost all symbols, accounts or sources: applied literally, it would close everything."""
        old = self.current.settings if self.current else new
        gone = [
            key for key in ("sources", "accounts", "symbols") if getattr(old, key) and not getattr(new, key)
        ]
        if gone:
            reason = "every entry is gone, as in a half-written file, so the edit is refused: "
            reason += "to stop trading, set enabled = false in each account"
            raise SettingsInvalid(ConfigError(reason, key=key, file=str(self._file)) for key in gone)

    def _keep_running(self, new: Resolved) -> None:
        """Refuse an edit that would stop a running instance only because its new plugin or secrets are missing."""
        if self.current is None:
            return
        running = [f"sources.{name}" for name in self.current.source_options]
        running += [f"accounts.{name}" for name in self.current.account_options]
        running += [f"risk_checks.{name}" for name in self.current.risk_check_options]
        lost = {key: new.unavailable[key] for key in running if key in new.unavailable}
        for name in self.current.account_options:
            section = new.settings.accounts.get(name)
            if section and new.settings.plugin_enabled(section.plugin) and name not in new.account_options:
                lost.setdefault(f"accounts.{name}", "lacks what is needed to close its positions")
        if lost:
            raise SettingsInvalid(
                ConfigError(reason, key=key, file=str(self._file)) for key, reason in lost.items()
            )
