"""Loads one plugin. Whatever it does wrong is told in its report and reaches nobody else."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pluggy
from pydantic import BaseModel, ValidationError

from te_core import __version__, hookspecs
from te_core.arithmetic import own_arithmetic
from te_core.contracts.command import CommandSpec
from te_core.contracts.exchange import Capabilities, ExchangeSpec
from te_core.contracts.notifier import NotifierSpec
from te_core.contracts.source import SignalSourceSpec
from te_core.errors import PluginIncompatible, PluginLoadError, nearest
from te_core.plugins.discovery import PluginEntry
from te_core.plugins.report import PluginReport, PluginStatus, report_of

InstanceSpec = SignalSourceSpec[Any] | ExchangeSpec[Any] | NotifierSpec[Any]
Spec = InstanceSpec | CommandSpec
HOOKS: dict[str, type[Spec]] = {
    "te_signal_sources": SignalSourceSpec,
    "te_exchanges": ExchangeSpec,
    "te_notifiers": NotifierSpec,
    "te_commands": CommandSpec,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The outcome of loading: a report, and the specs when all went well."""

    report: PluginReport
    specs: tuple[Spec, ...] = ()


def load(entry: PluginEntry, *, core_version: str = __version__) -> Loaded:
    """Import and describe a plugin. Blocks for as long as its import does. Never raises for its defects.

    ``SystemExit`` and the like are the plugin's defects too; only ``KeyboardInterrupt``, which is the
    operator's, passes.
    """
    try:
        entry.check_requirements(core_version)
        with own_arithmetic():
            specs = _specs(entry.name, entry.entry_point.load())
    except KeyboardInterrupt:
        raise
    except PluginIncompatible as error:
        return Loaded(report=report_of([entry], PluginStatus.INCOMPATIBLE, error.reason))
    except BaseException as error:  # noqa: BLE001 - the loader's guard: a plugin may raise anything
        trace = "".join(traceback.format_exception(error))
        return Loaded(report=report_of([entry], PluginStatus.FAILED, _reason(error), traceback=trace))
    kinds = ", ".join(dict.fromkeys(spec.kind for spec in specs))
    return Loaded(report=report_of([entry], PluginStatus.LOADED, kind=kinds), specs=specs)


def options_of(spec: InstanceSpec, data: Mapping[str, Any]) -> BaseModel:
    """Validate a section's options with the plugin's model.

    Raises pydantic's ``ValidationError``, or ``PluginLoadError`` when the model itself breaks.
    """
    try:
        with own_arithmetic():
            options: BaseModel = spec.settings.model_validate(data)
    except ValidationError:
        raise
    except Exception as error:  # noqa: BLE001 - the loader's guard: a plugin's validator may raise anything
        raise PluginLoadError(spec.name, f"its settings model fails: {_reason(error)}") from None
    return options


def _reason(error: BaseException) -> str:
    match error:
        case PluginLoadError():
            return error.reason
        case ModuleNotFoundError(name=str(module)):
            return f"cannot be imported: there is no module {module!r}: is a dependency not installed?"
        case SystemExit():
            return f"its code calls sys.exit({error.code!r}) when it is loaded"
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _specs(name: str, plugin: object) -> tuple[Spec, ...]:
    """Register the plugin on a manager of its own, so that it meets nobody else, and collect its specs."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        _refuse_unknown_hooks(name, manager, plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginLoadError(name, str(error)) from error
    specs = [
        _checked(name, hook, spec)
        for hook in HOOKS
        for offered in getattr(manager.hook, hook)()
        for spec in _iterated(name, hook, offered)
    ]
    if not specs:
        raise PluginLoadError(
            name, f"offers nothing: decorate one of {', '.join(HOOKS)} with te_core.api.hookimpl"
        )
    if len({spec.kind for spec in specs}) < len(specs):
        raise PluginLoadError(
            name, "offers two specs of one kind: a plugin has one name, and one spec of a kind"
        )
    return tuple(specs)


def _refuse_unknown_hooks(name: str, manager: pluggy.PluginManager, plugin: object) -> None:
    known = [hook for hook in dir(hookspecs) if hook.startswith(hookspecs.PREFIX)]
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise PluginLoadError(name, f"there is no hook {caller.name!r}{nearest(caller.name, known)}")


def _iterated(name: str, hook: str, offered: object) -> Iterable[object]:
    if not isinstance(offered, Iterable):
        raise PluginLoadError(
            name, f"{hook} returned {type(offered).__name__}: yield specs, or return a list"
        )
    return offered


def _checked(name: str, hook: str, spec: object) -> Spec:
    kind = HOOKS[hook]
    if not isinstance(spec, SignalSourceSpec | ExchangeSpec | NotifierSpec | CommandSpec) or not isinstance(
        spec, kind
    ):
        raise PluginLoadError(name, f"{hook} gave {type(spec).__name__} instead of {kind.__name__}")
    if spec.name != name:
        raise PluginLoadError(name, f"{hook} gave the name {spec.name!r}: it has to equal the entry point's")
    if isinstance(spec, CommandSpec):
        if not callable(spec.build):
            raise PluginLoadError(name, f"{hook}: build has to be callable, not {spec.build!r}")
        return spec
    return _checked_instance(name, hook, spec)


def _checked_instance(name: str, hook: str, spec: InstanceSpec) -> InstanceSpec:
    if not _is_model(spec.settings):
        raise PluginLoadError(
            name, f"{hook}: settings has to be a pydantic model class, not {spec.settings!r}"
        )
    if not callable(spec.factory):
        raise PluginLoadError(name, f"{hook}: factory has to be callable, not {spec.factory!r}")
    if isinstance(spec, ExchangeSpec) and not isinstance(spec.capabilities, Capabilities):
        raise PluginLoadError(name, f"{hook}: capabilities has to be a Capabilities")
    if isinstance(spec, SignalSourceSpec):
        strange = [field for field in spec.generated_secrets if field not in spec.settings.model_fields]
        if strange:
            raise PluginLoadError(name, f"{hook}: generated_secrets has {strange[0]!r}, which no setting is")
    return spec


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
