"""A section of the settings as it would be after some answers, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from te_core.cli.settings_tree import UNSET, Keys, value_at, with_value
from te_core.contracts.options import MissingSecrets
from te_core.errors import nearest
from te_core.wizards.parameters import Parameter, in_words, parameters, readings

if TYPE_CHECKING:
    from te_core.plugins.loading import InstanceSpec
    from te_core.settings.schema import PluginSection

_ASKED_OF_THE_CORE: Mapping[str, tuple[str, ...]] = {
    "sources": ("symbols", "max_age", "on_expiry", "expect_every")
}
"""Keys of the core's own that are asked for beside the plugin's; the others are taken by name."""

_NOT_TO_BE_SET = frozenset({"plugin", "options"})


_DURATION = re.compile(r"datetime\.timedelta\((\w+)=(\d+)\)")
"""How pydantic shows the limit of a duration."""


class Refused(Exception):
    """An answer that does not hold. Never quotes a secret."""


class Draft:
    """``group``: ``sources``, ``accounts`` or ``notifiers``. ``new``: whether the settings have no such section yet."""

    def __init__(
        self,
        *,
        group: str,
        name: str,
        section: type[PluginSection],
        spec: InstanceSpec,
        data: Mapping[str, Any],
        new: bool,
    ) -> None:
        self.group = group
        self.name = name
        self.new = new
        self.changes: dict[Keys, Any] = {}
        self._section = section
        self._spec = spec
        self._before = dict(data)
        self._now = dict(data)
        self.plugin = spec.name
        self._own = [p for p in parameters(section) if p.path[0] not in _NOT_TO_BE_SET]
        self._of_plugin = list(parameters(spec.settings, data))
        self.all = {p.path: p for p in (*self._of_plugin, *self._own)}

    def asked(self) -> Iterator[Parameter]:
        """Give what is asked for: all that the plugin takes, and of the core's own keys those that matter most."""
        yield from self._of_plugin
        wanted = _ASKED_OF_THE_CORE.get(self.group, ())
        yield from (p for p in self._own if p.path[0] in wanted)

    def credentials(self) -> list[Parameter]:
        """Return what it cannot work without: required keys, the secrets that it misses, and those of a source."""
        secret = {p.path for p in self._of_plugin if p.secret}
        data = {key: value for key, value in self._now.items() if (key,) not in secret}
        missing = set(_missing_secrets(self._spec.settings, self._plugin_part(data)))
        generated = set(getattr(self._spec, "generated_secrets", ()))
        if self.group != "accounts":
            missing |= {p.path[0] for p in self._of_plugin if p.secret and p.default == "none"} - generated
        return [p for p in self._of_plugin if p.required or (len(p.path) == 1 and p.path[0] in missing)]

    def find(self, name: str) -> Parameter:
        """Give the parameter that a name means. Raises ``Refused``."""
        names = {p.name: p for p in self.all.values()}
        spellings = {spelling: p for p in self.all.values() for spelling in p.spellings}
        if name not in names and name not in spellings:
            raise Refused(f"unknown key{nearest(name, names)}")
        return names.get(name) or spellings[name]

    def lacking(self) -> Iterator[Parameter]:
        """Yield what the plugin cannot do without, or hardly anybody does, and what is not there yet."""
        own = {p.path[0] for p in self._own} | {"plugin"}
        names = dict.fromkeys(getattr(self._spec, "essential", ()))
        try:
            self._spec.settings.model_validate({k: v for k, v in self._now.items() if k not in own})
        except ValidationError as error:
            for each in error.errors(include_url=False):
                cause = each.get("ctx", {}).get("error")
                names |= dict.fromkeys(cause.names if isinstance(cause, MissingSecrets) else ())
                if each["type"] == "missing":
                    names[".".join(map(str, each["loc"]))] = None
        found = (self.find(name) for name in names)
        yield from (parameter for parameter in found if self.value(parameter) is UNSET)

    def value(self, parameter: Parameter) -> Any:
        """Give the present value; ``UNSET`` where the default counts."""
        return value_at(self._now, parameter.path)

    def answer(self, parameter: Parameter, text: str) -> None:
        """Take an answer. Raises ``Refused`` for one that does not hold, and nothing changed."""
        refused: list[str] = []
        for value in readings(text, secret=parameter.secret):
            reasons = self._problems_with(parameter, value)
            if not reasons:
                self._set(parameter.path, value)
                return
            refused = refused or reasons
        raise Refused("; ".join(refused))

    def unset(self, parameter: Parameter) -> None:
        """Go back to the default. Raises ``Refused`` where there is none."""
        if parameter.required:
            raise Refused(f"{parameter.name} has no default")
        reasons = self._problems_with(parameter, UNSET)
        if reasons:
            raise Refused("; ".join(reasons))
        self._set(parameter.path, UNSET)

    def _set(self, path: Keys, value: Any) -> None:
        self._now = with_value(self._now, path, value)
        if value_at(self._before, path) == value or value is value_at(self._before, path):
            self.changes.pop(path, None)
        else:
            self.changes[path] = value

    def _problems_with(self, parameter: Parameter, value: Any) -> list[str]:
        """Say what is wrong with a value here; what was wrong elsewhere before is no matter of this answer."""
        before = {path for path, _, _ in self._problems(self._now)}
        after = self._problems(with_value(self._now, parameter.path, value))
        size = len(parameter.path)
        return [
            reason
            for path, kind, reason in after
            if path[:size] == parameter.path or (path not in before and kind != "missing")
        ]

    def _problems(self, data: Mapping[str, Any]) -> list[tuple[Keys, str, str]]:
        options = self._plugin_part(data)
        core = {key: value for key, value in data.items() if key not in options}
        return [
            *_errors(self._section, {"plugin": self._spec.name, **core, "options": {}}),
            *_errors(self._spec.settings, options),
        ]

    def _plugin_part(self, data: Mapping[str, Any]) -> dict[str, Any]:
        own = {p.path[0] for p in self._own} | {"plugin"}
        return {key: value for key, value in data.items() if key not in own}


def _missing_secrets(model: type[BaseModel], data: dict[str, Any]) -> Iterator[str]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if isinstance(cause := each.get("ctx", {}).get("error"), MissingSecrets):
                yield from cause.names


def _errors(model: type[BaseModel], data: dict[str, Any]) -> list[tuple[Keys, str, str]]:
    """Validate. Pydantic's errors quote values: only path, kind and a reason without any of them leave here."""
    from te_core.settings.origin import Origin
    from te_core.settings.problems import Report

    try:
        model.model_validate(data)
    except ValidationError as error:
        report = Report(model, data, Origin())
        found = []
        for each in error.errors(include_url=False):
            reason = next(iter(report.invalid([each]))).reason
            reason = _DURATION.sub(_plain_duration, reason)
            found.append((tuple(str(step) for step in each["loc"]), each["type"], reason))
        return found
    return []


def _plain_duration(found: re.Match[str]) -> str:
    return in_words(timedelta(**{found[1]: int(found[2])}))
