"""Loads one plugin. Its defects are recorded in its report and affect nothing else."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pluggy
from pydantic import BaseModel, ValidationError

from te_core import __version__, hookspecs
from te_core.arithmetic import own_arithmetic
from te_core.contracts.command import CommandSpec
from te_core.contracts.exchange import Capabilities, ExchangeSpec
from te_core.contracts.notifier import NotifierSpec
from te_core.contracts.observer import ObserverSpec
from te_core.contracts.risk_check import RiskCheckSpec
from te_core.contracts.source import SignalSourceSpec
from te_core.errors import (
    PluginIncompatible,
    PluginLoadError,
    a_kind,
    defined_at,
    described,
    nearest,
    raised_at,
    record_call,
)
from te_core.plugins.discovery import PluginEntry
from te_core.plugins.report import PluginReport, PluginStatus, report_of

InstanceSpec = (
    SignalSourceSpec[Any] | ExchangeSpec[Any] | NotifierSpec[Any] | RiskCheckSpec[Any] | ObserverSpec[Any]
)
Spec = InstanceSpec | CommandSpec
HOOKS: dict[str, type[Spec]] = {
    "te_signal_sources": SignalSourceSpec,
    "te_exchanges": ExchangeSpec,
    "te_notifiers": NotifierSpec,
    "te_risk_checks": RiskCheckSpec,
    "te_observers": ObserverSpec,
    "te_commands": CommandSpec,
}
MOST_SPECS = 20
"""Maximum number of specs that one hook may offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The outcome of loading: a report, and the specs if it succeeded."""

    report: PluginReport
    specs: tuple[Spec, ...] = ()


def load(entry: PluginEntry, *, core_version: str = __version__) -> Loaded:
    """Import a plugin and collect its specs. Blocks for as long as its import does. Never raises for its defects.

    ``SystemExit`` and similar are defects of the plugin, too; only ``KeyboardInterrupt``, which comes from the
    operator, propagates.
    """
    digest = entry.digest()
    try:
        entry.check_requirements(core_version)
        with own_arithmetic():
            specs = _specs(entry.name, _imported(entry))
    except KeyboardInterrupt:
        raise
    except PluginIncompatible as error:
        return Loaded(report=report_of([entry], PluginStatus.INCOMPATIBLE, error.reason, digest=digest))
    except BaseException as error:  # noqa: BLE001 - the loader's guard: a plugin may raise anything
        trace = "".join(traceback.format_exception(error))
        reason = _reason(error)
        report = report_of([entry], PluginStatus.FAILED, reason, traceback=trace, digest=digest)
        return Loaded(report=report)
    kinds = ", ".join(dict.fromkeys(spec.kind for spec in specs))
    return Loaded(report=report_of([entry], PluginStatus.LOADED, kind=kinds, digest=digest), specs=specs)


def options_of(spec: InstanceSpec, data: Mapping[str, Any]) -> BaseModel:
    """Validate a section's options with the plugin's model.

    Raises pydantic's ``ValidationError``, or ``PluginLoadError`` if the model itself is broken.
    """
    try:
        with own_arithmetic():
            options: BaseModel = spec.settings.model_validate(data)
    except ValidationError:
        raise
    except Exception as error:  # noqa: BLE001 - the loader's guard: a plugin's validator may raise anything
        raise PluginLoadError(spec.name, f"its settings model failed: {_reason(error)}") from None
    return options


def _reason(error: BaseException) -> str:
    match error:
        case PluginLoadError():
            return error.reason
        case ModuleNotFoundError(name=str(module)):
            at = raised_at(error)
            return f"cannot be imported: no module named {module!r}{at}; is a dependency missing?"
        case SyntaxError(filename=str(file), lineno=int(line)) if not raised_at(error):
            return f"{type(error).__name__}: {error.msg} ({Path(file).parent.name}/{Path(file).name}:{line})"
        case SystemExit():
            return f"its code calls sys.exit({error.code!r}) while it is loaded{raised_at(error)}"
    return described(error)


def _imported(entry: PluginEntry) -> object:
    """Import what an entry point names. Raises ``PluginLoadError`` if it names something that does not exist."""
    point = entry.entry_point
    try:
        return point.load()
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing and (point.module == missing or point.module.startswith(f"{missing}.")):
            raise PluginLoadError(
                entry.name,
                f"the entry point names {point.value}, which does not exist: no module named {missing!r}",
            ) from error
        raise
    except AttributeError as error:
        if raised_at(error):
            raise
        raise PluginLoadError(
            entry.name, f"the entry point names {point.value}, which does not exist: {error}"
        ) from error


def _specs(name: str, plugin: object) -> tuple[Spec, ...]:
    """Register the plugin with a manager of its own, so that it cannot affect other plugins, and collect its specs."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(plugin, name=name)
        _refuse_unknown_hooks(name, manager, plugin)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginLoadError(name, str(error)) from error
    offers = [
        (hook, implementation.function)
        for hook in HOOKS
        for implementation in getattr(manager.hook, hook).get_hookimpls()
    ]
    specs = [
        _checked(name, f"{hook}(){defined_at(function)}", HOOKS[hook], spec)
        for hook, function in offers
        for spec in _offered(name, hook, function)
    ]
    if not specs and offers:
        named = " and ".join(f"{hook}(){defined_at(function)}" for hook, function in offers)
        raise PluginLoadError(
            name, f"{named} offered nothing: it must yield a spec or return a list with one"
        )
    if not specs:
        raise PluginLoadError(
            name, f"offers nothing: implement one of {', '.join(HOOKS)} with te_core.api.hookimpl"
        )
    if len({spec.kind for spec in specs}) < len(specs):
        raise PluginLoadError(name, "offers two specs of the same kind: a plugin may offer one spec per kind")
    return tuple(specs)


def _refuse_unknown_hooks(name: str, manager: pluggy.PluginManager, plugin: object) -> None:
    known = [hook for hook in dir(hookspecs) if hook.startswith(hookspecs.PREFIX)]
    for caller in manager.get_hookcallers(plugin) or ():
        if not caller.has_spec():
            raise PluginLoadError(name, f"unknown hook {caller.name!r}{nearest(caller.name, known)}")


def _offered(name: str, hook: str, function: Callable[[], object]) -> list[object]:
    """Call a hook and return what it offers; an error names the hook."""
    try:
        return list(_iterated(name, f"{hook}(){defined_at(function)}", function()))
    except Exception as error:
        record_call(error, f"{hook}()")
        raise


def _iterated(name: str, hook: str, offered: object) -> Iterable[object]:
    if not isinstance(offered, Iterable):
        raise PluginLoadError(
            name, f"{hook} returned {a_kind(offered)}: it must yield specs or return a list"
        )
    return islice(
        offered, MOST_SPECS
    )  # a hook that yields forever is rejected like one that yields two of a kind


def _checked(name: str, hook: str, kind: type[Spec], spec: object) -> Spec:
    if not isinstance(spec, kind):
        raise PluginLoadError(name, f"{hook} returned {a_kind(spec)} instead of {kind.__name__}")
    if spec.name != name:
        raise PluginLoadError(
            name, f"{hook} returned the name {spec.name!r}: it must equal the entry point's"
        )
    if isinstance(spec, CommandSpec):
        if not callable(spec.build):
            raise PluginLoadError(name, f"{hook}: build must be callable, not {spec.build!r}")
        return spec
    return _checked_instance(name, hook, spec)


def _checked_instance(name: str, hook: str, spec: InstanceSpec) -> InstanceSpec:
    if not _is_model(spec.settings):
        raise PluginLoadError(name, f"{hook}: settings must be a pydantic model class, not {spec.settings!r}")
    if not callable(spec.factory):
        raise PluginLoadError(name, f"{hook}: factory must be callable, not {spec.factory!r}")
    if isinstance(spec, ExchangeSpec) and not isinstance(spec.capabilities, Capabilities):
        raise PluginLoadError(name, f"{hook}: capabilities must be a Capabilities instance")
    if isinstance(spec, SignalSourceSpec):
        strange = [field for field in spec.generated_secrets if field not in spec.settings.model_fields]
        if strange:
            raise PluginLoadError(
                name, f"{hook}: generated_secrets names {strange[0]!r}, which is not a setting"
            )
    return spec


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
