"""The plugins of this process: which are installed, which were loaded, and the status of each."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from packaging.utils import canonicalize_name

from te_core.contracts.command import CommandSpec
from te_core.contracts.exchange import ExchangeSpec
from te_core.contracts.notifier import NotifierSpec
from te_core.contracts.observer import ObserverSpec
from te_core.contracts.risk_check import RiskCheckSpec
from te_core.contracts.source import SignalSourceSpec
from te_core.errors import PluginConflict, nearest
from te_core.plugins.discovery import PluginEntry, discover
from te_core.plugins.files import files_in
from te_core.plugins.loading import Loaded, Spec, load
from te_core.plugins.report import PluginReport, PluginStatus, report_of

IMPORT_TIMEOUT = 10.0
NOTHING: Mapping[str, str] = {}


class Registry:
    """Loads plugins on demand, at most once each: modules are never imported again.

    ``import_timeout``: seconds that ``ensure`` waits for one import. An import that takes longer is reported as
    ``loading``; when it finishes the plugin is registered, and ``on_late`` is called with its name. ``used``: the
    distribution that each plugin came from before; it is kept when another one begins to offer that name.
    """

    def __init__(
        self,
        *,
        find: Callable[[], Sequence[PluginEntry]] = discover,
        import_timeout: float = IMPORT_TIMEOUT,
        used: Mapping[str, str] = NOTHING,
    ) -> None:
        self.sources: dict[str, SignalSourceSpec[Any]] = {}
        self.exchanges: dict[str, ExchangeSpec[Any]] = {}
        self.notifiers: dict[str, NotifierSpec[Any]] = {}
        self.risk_checks: dict[str, RiskCheckSpec[Any]] = {}
        self.observers: dict[str, ObserverSpec[Any]] = {}
        self.commands: dict[str, CommandSpec] = {}
        self.reports: dict[str, PluginReport] = {}
        self.notices: dict[str, str] = {}
        """Warnings about a plugin's origin, by its name: another package offers it, too, or did before."""
        self.used = dict(used)
        self._folder: Path | None = None
        """The folder of single-file plugins; set once, by ``look_in``."""
        self._looked_in = False
        self._pins: Mapping[str, str] = NOTHING
        self.on_late: Callable[[str], None] = lambda _: None
        self._find = find
        self._import_timeout = import_timeout
        self._entries: dict[str, list[PluginEntry]] = {}
        self._tried: set[str] = set()
        self._lock = asyncio.Lock()
        self._discover()

    @classmethod
    def of(cls, *specs: Spec) -> Self:
        """Build a registry from given specs, for tests and embedding; it discovers nothing else."""
        registry = cls(find=list)
        for spec in specs:
            registry._tried.add(spec.name)
            report = PluginReport(name=spec.name, kind=spec.kind, status=PluginStatus.LOADED)
            registry._register(Loaded(report=report, specs=(spec,)))
        return registry

    def look_in(self, folder: Path | None) -> None:
        """Discover single-file plugins, too. A different folder takes effect at the next start."""
        if self._looked_in:
            return
        self._looked_in, self._folder = True, folder
        if folder is not None:
            if not folder.is_dir():
                self.notices["plugins_dir"] = f"engine.plugins_dir: folder {folder} does not exist"
            self._discover()

    def digest(self, name: str) -> str:
        """Return a digest of a plugin's code on disk; empty if it is not found."""
        entry = self._installed(name)
        return "" if entry is None else entry.digest()

    def stated_level(self, name: str) -> str:
        """Return the quality level that a plugin's package states; empty if none."""
        entry = self._installed(name)
        return "" if entry is None else entry.level

    def _installed(self, name: str) -> PluginEntry | None:
        """Return the plugin of a name; None if there is none, or if several packages claim it."""
        entries = self._entries.get(name, [])
        try:
            return self._chosen(entries) if entries else None
        except PluginConflict:
            return None

    async def ensure(self, names: Iterable[str], pins: Mapping[str, str] = NOTHING) -> None:
        """Load those plugins that are not loaded yet. Never raises for a plugin: see ``reports``.

        ``pins``: the distribution that a plugin must come from, by its name.
        """
        async with self._lock:
            self._pins = pins
            wanted = [name for name in dict.fromkeys(names) if name not in self._tried]
            if any(name not in self._entries for name in wanted):
                self._discover()  # it may have been installed since
            for name in wanted:
                await self._load(name)

    def _discover(self) -> None:
        importlib.invalidate_caches()
        entries: dict[str, list[PluginEntry]] = defaultdict(list)
        for entry in (*self._find(), *(files_in(self._folder) if self._folder is not None else ())):
            entries[entry.name].append(entry)
        for name, offered in entries.items():
            if name not in self._tried:
                self.reports[name] = self._unloaded(offered)
        self._entries = dict(entries)

    def _unloaded(self, entries: list[PluginEntry]) -> PluginReport:
        try:
            return report_of([self._chosen(entries)], PluginStatus.INSTALLED)
        except PluginConflict as conflict:
            return report_of(entries, PluginStatus.CONFLICT, conflict.reason)

    def _chosen(self, entries: list[PluginEntry]) -> PluginEntry:
        """Return the entry to use: the one pinned in the settings, else the only one, else the one used before.

        Any package may declare any name; merely installing one must not replace, or stop, what is running.
        Raises ``PluginConflict`` if nothing decides.
        """
        name = entries[0].name
        pinned, before = self._pins.get(name, ""), self.used.get(name, "")
        found = next((entry for entry in entries if _same(entry.distribution, pinned or before)), None)
        if pinned and found is None:
            offering = ", ".join(entry.distribution for entry in entries)
            reason = f"pinned to {pinned} (plugins.{name}.distribution), but only {offering} offers it"
            raise PluginConflict(name, reason, distribution=pinned)
        if found is None and len(entries) > 1:
            rivals = " and ".join(entry.distribution for entry in entries)
            reason = f"{rivals} both offer it: uninstall all but one, or set plugins.{name}.distribution"
            raise PluginConflict(name, reason, distribution=rivals)
        chosen = found or entries[0]
        if before and not pinned and found is None:
            self.notices[name] = (
                f"plugin {name} now comes from {chosen.distribution}; {before}, used before, no longer offers it"
            )
        if others := ", ".join(entry.distribution for entry in entries if entry is not chosen):
            why = "pinned in the settings" if pinned else "used before"
            self.notices[name] = (
                f"{others} also offers a plugin {name} and is ignored: keeping {chosen.distribution} ({why}); "
                f"uninstall what you do not trust, or set plugins.{name}.distribution"
            )
        return chosen

    async def _load(self, name: str) -> None:
        entries = self._entries.get(name, [])
        if not entries:
            reason = f"no installed package offers a plugin {name!r}{nearest(name, self._entries)}"
            self.reports[name] = PluginReport(name=name, status=PluginStatus.MISSING, reason=reason)
            return
        try:
            chosen = self._chosen(entries)
        except PluginConflict as conflict:
            self.reports[name] = report_of(entries, PluginStatus.CONFLICT, conflict.reason)
            return
        self._tried.add(name)
        await self._import(chosen)

    async def _import(self, entry: PluginEntry) -> None:
        """Import in a separate thread, so that an import which hangs blocks neither the loop nor the exit."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Loaded] = loop.create_future()

        def work() -> None:
            try:
                loaded: Loaded | KeyboardInterrupt = load(entry)
            except KeyboardInterrupt as interrupt:
                loaded = interrupt
            with suppress(RuntimeError):  # the loop is closed: nothing awaits the result any more
                loop.call_soon_threadsafe(_set_result, outcome, loaded)

        outcome.add_done_callback(self._imported)
        threading.Thread(target=work, name=f"load {entry.name}", daemon=True).start()
        try:
            async with asyncio.timeout(self._import_timeout):
                await asyncio.shield(outcome)
        except TimeoutError:
            reason = (
                f"its import takes longer than {self._import_timeout:g} s; it will be used once that finishes"
            )
            self.reports[entry.name] = report_of([entry], PluginStatus.LOADING, reason)

    def _imported(self, outcome: asyncio.Future[Loaded]) -> None:
        if outcome.exception() is None:
            name = outcome.result().report.name
            late = self.reports[name].status is PluginStatus.LOADING
            self._register(outcome.result())
            if late:
                self.on_late(name)

    def _register(self, loaded: Loaded) -> None:
        self.reports[loaded.report.name] = loaded.report
        if loaded.specs and loaded.report.distribution:
            self.used[loaded.report.name] = loaded.report.distribution
        for spec in loaded.specs:
            if isinstance(spec, SignalSourceSpec):
                self.sources[spec.name] = spec
            elif isinstance(spec, CommandSpec):
                self.commands[spec.name] = spec
            elif isinstance(spec, NotifierSpec):
                self.notifiers[spec.name] = spec
            elif isinstance(spec, RiskCheckSpec):
                self.risk_checks[spec.name] = spec
            elif isinstance(spec, ObserverSpec):
                self.observers[spec.name] = spec
            else:
                self.exchanges[spec.name] = spec


def _same(distribution: str, other: str) -> bool:
    return canonicalize_name(distribution) == canonicalize_name(other)


def _set_result(outcome: asyncio.Future[Loaded], loaded: Loaded | KeyboardInterrupt) -> None:
    if isinstance(loaded, KeyboardInterrupt):
        outcome.set_exception(loaded)
    else:
        outcome.set_result(loaded)
