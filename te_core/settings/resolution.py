"""Validate the options of each section with its plugin's model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from te_core.contracts.options import MissingSecrets
from te_core.errors import ConfigError, PluginLoadError
from te_core.plugins.loading import InstanceSpec, options_of
from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginStatus
from te_core.settings import fields
from te_core.settings.credentials import credentials
from te_core.settings.origin import Path, dotted, misplaced_secret
from te_core.settings.problems import Report, SettingsInvalid
from te_core.settings.references import fetched
from te_core.settings.schema import Settings
from te_core.settings.section import PluginSection

Kind = Literal["sources", "accounts", "notifiers", "risk_checks", "observers"]
"""The groups of sections that plugins build instances from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """Settings that can be applied.

    ``account_options`` has every account (a disabled one still closes what the engine opened), the others every one
    that must run (a disabled source with a webhook still listens).
    """

    settings: Settings
    source_options: Mapping[str, BaseModel] = field(default_factory=dict)
    account_options: Mapping[str, BaseModel] = field(default_factory=dict)
    notifier_options: Mapping[str, BaseModel] = field(default_factory=dict)
    risk_check_options: Mapping[str, BaseModel] = field(default_factory=dict)
    observer_options: Mapping[str, BaseModel] = field(default_factory=dict)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Why an instance that must run cannot, by its section's key (``accounts.bybit-main``)."""
    secrets: tuple[SecretStr, ...] = field(default=(), repr=False, compare=False)
    """For the redactor."""
    warnings: tuple[str, ...] = field(default=(), compare=False)
    """What the operator should know although nothing is refused."""

    def sections(self, kind: Kind) -> Mapping[str, PluginSection]:
        """Return all sections of a kind, by name."""
        found: Mapping[str, PluginSection] = getattr(self.settings, kind)
        return found

    def options(self, kind: Kind) -> Mapping[str, BaseModel]:
        """Return the options of the sections of a kind that must run and can run."""
        return {
            "sources": self.source_options,
            "accounts": self.account_options,
            "notifiers": self.notifier_options,
            "risk_checks": self.risk_check_options,
            "observers": self.observer_options,
        }[kind]


def resolve(settings: Settings, registry: Registry) -> Resolved:
    """Check every section's options with its plugin's model. Raise `SettingsInvalid` with every problem found.

    A section whose plugin could not be loaded, or that only lacks its secrets, is left out without affecting the
    others.
    """
    resolution = _Resolution(settings, registry)
    sources = resolution.options("sources", settings.sources, registry.sources)
    accounts = resolution.options("accounts", settings.accounts, registry.exchanges)
    notifiers = resolution.options("notifiers", settings.notifiers, registry.notifiers)
    risk_checks = resolution.options("risk_checks", settings.risk_checks, registry.risk_checks)
    observers = resolution.options("observers", settings.observers, registry.observers)
    problems = [
        *resolution.problems,
        *resolution.shared_credentials(accounts),
        *resolution.real_shadows(),
        *resolution.without_answers(),
    ]
    if problems:
        raise SettingsInvalid(problems)
    return Resolved(
        settings=settings,
        source_options={name: made for name, made in sources.items() if _listens(settings, registry, name)},
        account_options=accounts,
        notifier_options=_enabled(settings.notifiers, notifiers),
        risk_check_options=_enabled(settings.risk_checks, risk_checks),
        observer_options=_enabled(settings.observers, observers),
        unavailable=resolution.unavailable,
        secrets=settings.origin.secrets,
        warnings=(*settings.origin.warnings, *resolution.warnings),
    )


def _enabled(sections: Mapping[str, PluginSection], made: Mapping[str, BaseModel]) -> dict[str, BaseModel]:
    return {name: options for name, options in made.items() if sections[name].enabled}


def _listens(settings: Settings, registry: Registry, name: str) -> bool:
    """Return whether a source runs: a disabled one with a webhook does, so that no alert is refused or lost (I19)."""
    section = settings.sources[name]
    return section.enabled or registry.sources[section.plugin].webhook is not None


class _Resolution:
    def __init__(self, settings: Settings, registry: Registry) -> None:
        self.problems: list[ConfigError] = []
        self.unavailable: dict[str, str] = {}
        self.warnings: list[str] = []
        self._settings = settings
        self._registry = registry

    def options(
        self, group: str, sections: Mapping[str, PluginSection], specs: Mapping[str, InstanceSpec]
    ) -> dict[str, BaseModel]:
        found = {}
        for name, section in sections.items():
            if not self._settings.plugin_enabled(section.plugin):
                continue
            if spec := specs.get(section.plugin):
                if (options := self._validated((group, name), section, spec)) is not None:
                    found[name] = options
            elif section.enabled or group == "accounts":
                self.unavailable[dotted((group, name))] = self._absent(group, section.plugin)
        return found

    def shared_credentials(self, accounts: Mapping[str, BaseModel]) -> Iterator[ConfigError]:
        """Refuse a second section for the same key: each would trade against the other (I20)."""
        first: dict[tuple[str, ...], str] = {}
        for name, options in accounts.items():
            plugin = self._settings.accounts[name].plugin
            simulated = self._registry.exchanges[plugin].capabilities.simulated
            if simulated or not (secrets := credentials(options)):
                continue
            other = first.setdefault((plugin, *secrets), name)
            if other != name:
                reason = f"has the same credentials as accounts.{other}: an account may be traded by one section only"
                location = self._settings.origin.location(("accounts", name))
                yield ConfigError(reason, key=f"accounts.{name}", file=location.file, line=location.line)

    def real_shadows(self) -> Iterator[ConfigError]:
        """Refuse shadows that would send real orders."""
        for name, section in self._settings.accounts.items():
            spec = self._registry.exchanges.get(section.plugin)
            if section.shadow_of is not None and spec is not None and not spec.capabilities.simulated:
                path = ("accounts", name, "shadow_of")
                location = self._settings.origin.location(path)
                reason = f'plugin {section.plugin} sends real orders: a shadow account needs plugin = "paper"'
                yield ConfigError(reason, key=dotted(path), file=location.file, line=location.line)

    def without_answers(self) -> Iterator[ConfigError]:
        """Refuse control by a plugin that only sends: the operator would never get an answer."""
        for name, section in self._settings.notifiers.items():
            spec = self._registry.notifiers.get(section.plugin)
            if section.control and spec is not None and not spec.answers:
                path = ("notifiers", name, "control")
                location = self._settings.origin.location(path)
                reason = (
                    f"plugin {section.plugin} only sends notices and cannot receive commands: remove control"
                )
                yield ConfigError(reason, key=dotted(path), file=location.file, line=location.line)

    def _warn_of_misplaced(self, key: Path, section: PluginSection, spec: InstanceSpec) -> None:
        locations = self._settings.origin.locations
        for node in fields.walk((spec.settings,), section.options):
            if isinstance(node.value, str) and fields.is_secret(node.shape):
                stated = [(*key, *node.path[:length]) for length in range(len(node.path), 0, -1)]
                location = next((locations[path] for path in stated if path in locations), None)
                warning = misplaced_secret(stated[-1], location) if location else ""
                self.warnings += [warning] if warning and warning not in self.warnings else []

    def _absent(self, group: str, plugin: str) -> str:
        report = self._registry.reports.get(plugin)
        if report is None or report.status is PluginStatus.INSTALLED:
            return f"plugin {plugin} is not loaded"
        if report.status is PluginStatus.LOADED:
            kind = group.removesuffix("s").replace("_", " ")
            return f"plugin {plugin} offers no {kind} but: {report.kind}"
        return f"plugin {plugin}: {report.reason}"

    def _validated(self, key: Path, section: PluginSection, spec: InstanceSpec) -> BaseModel | None:
        """Return the options, or None after recording why. Pydantic's error quotes values, so it is never chained."""
        try:
            found = fetched(section.options, (spec.settings,), self._settings.origin.fetch)
        except ConfigError as error:
            self.unavailable[dotted(key)] = f"lacks a secret: {error}"
            return None
        section.options.clear()
        section.options.update(found)
        self._warn_of_misplaced(key, section, spec)
        report = Report(
            spec.settings,
            section.options,
            self._settings.origin,
            prefix=key,
            beside=set(type(section).model_fields),
        )
        problems, errors, options = list(report.unknown()), [], None
        try:
            options = options_of(spec, section.options)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        except PluginLoadError as error:
            self.unavailable[dotted(key)] = report.problem((), f"plugin {spec.name}: {error.reason}").reason
        if errors and not problems and (lack := _lack(spec, section, errors)):
            if section.enabled:
                reason = f"lacks {lack}: set it below [{dotted(key)}] in .secrets.toml"
                self.unavailable[dotted(key)] = reason
            return None
        told = {problem.key for problem in problems}
        self.problems += [*problems, *(p for p in report.invalid(errors) if p.key not in told)]
        return options


def _lack(spec: InstanceSpec, section: PluginSection, errors: Sequence[ErrorDetails]) -> str:
    """Return what is missing if a section only lacks its secrets, or is disabled and incomplete; otherwise ""."""
    generated = [name for name in getattr(spec, "generated_secrets", ()) if name not in section.options]
    lacking = dict.fromkeys(generated)
    for error in errors:
        if isinstance(cause := error.get("ctx", {}).get("error"), MissingSecrets):
            lacking.update(dict.fromkeys(cause.names))
            continue
        secret = fields.is_secret(fields.at(spec.settings, error["loc"]))
        if error["type"] == "missing" and (secret or not section.enabled):
            lacking[dotted(error["loc"])] = None
        elif error["loc"] or not generated:  # a rule of the whole model may concern the missing secret
            return ""
    return ", ".join(lacking)
