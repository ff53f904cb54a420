"""Holds the settings in force. An edit either gives a difference to apply, or is refused and changes nothing."""

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
    """``current``: the last good settings. ``refused``: why the files, as they are now, are not in force.

    ``generate`` makes secrets that sources lack; without it none is ever written.
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
        """Read the settings for the first time. Raises ``SettingsInvalid``."""
        self._seen = layers.read(self._file)
        self.current = await self._resolved()
        return self.current

    async def reload(self, *, again: bool = False) -> Difference | SettingsInvalid | None:
        """Read again; None when the files say what they said last time.

        A difference is in force when it is returned; it is empty when the edit changes nothing that counts,
        or puts right what was refused. ``again``: also look when the files are the same, because a plugin
        was loaded late.
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
        """Refuse a text that has lost all symbols, accounts or sources: at its word, it would close everything."""
        old = self.current.settings if self.current else new
        gone = [
            key for key in ("sources", "accounts", "symbols") if getattr(old, key) and not getattr(new, key)
        ]
        if gone:
            reason = "none is there any more, as in a file that is half written: "
            reason += "to stop trading, set enabled = false in each account"
            raise SettingsInvalid(ConfigError(reason, key=key, file=str(self._file)) for key in gone)

    def _keep_running(self, new: Resolved) -> None:
        """Refuse an edit that would stop what runs only because its new plugin or secrets are not there."""
        if self.current is None:
            return
        running = [f"sources.{name}" for name in self.current.source_options]
        running += [f"accounts.{name}" for name in self.current.account_options]
        running += [f"risk_checks.{name}" for name in self.current.risk_check_options]
        lost = {key: new.unavailable[key] for key in running if key in new.unavailable}
        for name in self.current.account_options:
            section = new.settings.accounts.get(name)
            if section and new.settings.plugin_enabled(section.plugin) and name not in new.account_options:
                lost.setdefault(f"accounts.{name}", "lacks what it takes to close its positions")
        if lost:
            raise SettingsInvalid(
                ConfigError(reason, key=key, file=str(self._file)) for key, reason in lost.items()
            )
