"""A settings section while it is edited, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from te_core.cli.settings_tree import UNSET, Keys, value_at, with_value
from te_core.contracts.options import MissingSecrets
from te_core.errors import nearest
from te_core.wizards.parameters import Parameter, interpretations, pairs, parameters
from te_core.wizards.prompts import TAKE_OUT
from te_core.wizards.words import in_words

if TYPE_CHECKING:
    from te_core.plugins.loading import InstanceSpec

_NOT_TO_BE_SET = frozenset({"plugin", "options"})
_NOT_ASKED = frozenset({"symbols"})
"""Keys with their own wizard: ``te configure mappings``."""
_OF_A_CHAPTER = frozenset({"breakers"})
"""Tables of an account that are edited for all accounts together: ``te configure breakers``."""


_DURATION = re.compile(r"datetime\.timedelta\((\w+)=(\d+)\)")
"""Pydantic's notation for a duration limit."""


class Refused(Exception):
    """Raised for an invalid answer. Never quotes a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A titled group of keys."""

    title: str
    parameters: Sequence[Parameter]


class Draft:
    """A section with the answers so far.

    ``section_path``: such as ``("sources", "sn8")`` or ``("limits",)``; empty for the whole file. ``new``: whether the
    section does not exist yet. ``spec``: of its plugin; None for a section of the core, or if only the core's keys
    matter. ``part``: edit only the keys below this one.
    """

    def __init__(
        self,
        *,
        section_path: Keys,
        section: type[BaseModel],
        spec: InstanceSpec | None = None,
        data: Mapping[str, Any],
        new: bool = False,
        part: Keys = (),
    ) -> None:
        self.section_path = section_path
        self.name = (section_path or part)[-1]
        self.new = new
        self.changes: dict[Keys, Any] = {}
        self._section = section
        self._spec = spec
        self.part = part
        self._before = dict(data)
        self._now = dict(data)
        self._own = [p for p in parameters(section) if p.path[0] not in _NOT_TO_BE_SET]
        self._of_plugin = list(parameters(spec.settings, data)) if spec else []
        self.all = {p.path: p for p in (*self._of_plugin, *self._own)}

    @property
    def group(self) -> str:
        """Return ``sources``, ``accounts`` or ``notifiers``, or the name of a section of the core."""
        return self.section_path[0]

    @property
    def plugin(self) -> str:
        """Return the name of the plugin; empty for a section of the core."""
        return self._spec.name if self._spec else str(self._now.get("plugin", ""))

    @property
    def title(self) -> str:
        """Return the heading of the section in the file."""
        return ".".join((*self.section_path, *self.part))

    def groups(self) -> Iterator[Group]:
        """Yield the keys to edit, in the groups that the plugin defines; the rest grouped by table."""
        left = {p.name: p for p in self._of_plugin}
        for title, names in getattr(self._spec, "groups", {}).items():
            if found := [left.pop(name) for name in names if name in left]:
                yield Group(title=title, parameters=found)
        yield from _by_table(left.values(), "plugin settings")
        left_out = _NOT_ASKED if self.part else _NOT_ASKED | (_OF_A_CHAPTER if self._spec else set())
        own = [p for p in self._own if p.path[0] not in left_out and p.path[: len(self.part)] == self.part]
        yield from _by_table(own, "engine settings" if self._spec else "")

    def credentials(self) -> list[Parameter]:
        """Return the keys it needs to work: required keys, missing secrets, and the optional secrets of a source."""
        if self._spec is None:
            return []
        secret = {p.path for p in self._of_plugin if p.secret}
        data = {key: value for key, value in self._now.items() if (key,) not in secret}
        missing = set(_missing_secrets(self._spec.settings, self._plugin_part(data)))
        generated = set(getattr(self._spec, "generated_secrets", ()))
        if self.group != "accounts":
            missing |= {p.path[0] for p in self._of_plugin if p.secret and p.default == "none"} - generated
        return [p for p in self._of_plugin if p.required or (len(p.path) == 1 and p.spellings & missing)]

    def find(self, name: str) -> Parameter:
        """Return the parameter that a name refers to. Raises ``Refused``."""
        names = {p.name: p for p in self.all.values()}
        spellings = {spelling: p for p in self.all.values() for spelling in p.spellings}
        if found := names.get(name) or spellings.get(name):
            return found
        for parameter in self.all.values():  # one entry of a table: its name may contain dots
            entry = name.removeprefix(f"{parameter.name}.")
            if parameter.is_table and entry != name:
                path = (*parameter.path, entry)
                made = replace(
                    parameter,
                    path=path,
                    is_table=False,
                    is_list=parameter.is_table_of_lists,
                    default="none",
                    expected="",
                    spellings=frozenset(),
                )
                return self.all.setdefault(path, made)
        raise Refused(f"unknown key{nearest(name, names)}")

    def lacking(self) -> Iterator[Parameter]:
        """Yield the required and essential keys of the plugin that are not set yet."""
        if self._spec is None:
            return
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
        """Return the current value; ``UNSET`` if the default applies."""
        return value_at(self._now, parameter.path)

    def answer(self, parameter: Parameter, text: str) -> None:
        """Apply an answer. Raises ``Refused`` if it is invalid; nothing has changed then.

        A table accepts entries, ``NAME=VALUE, …``, or a complete table in braces, which replaces it.
        """
        if parameter.is_table and not text.startswith("{"):
            self._answer_entries(parameter, text)
            return
        refused: list[str] = []
        for value in interpretations(text, secret=parameter.secret, is_list=parameter.is_list):
            reasons = self._problems_with(parameter, value)
            if not reasons:
                self._set(parameter.path, value)
                return
            refused = refused or reasons
        raise Refused("; ".join(refused))

    def _answer_entries(self, parameter: Parameter, text: str) -> None:
        try:
            entries = pairs(text)
        except ValueError as error:
            raise Refused(str(error)) from None
        for name, value in entries.items():
            entry = self.find(f"{parameter.name}.{name}")
            if value == TAKE_OUT:
                self.unset(entry)
            else:
                self.answer(entry, value)

    def replaced(self) -> Iterator[tuple[Parameter, list[str]]]:
        """Yield the tables that lose or change entries because a complete table was written."""
        for path, value in self.changes.items():
            before = value_at(self._before, path)
            if self.all[path].is_table and isinstance(before, Mapping):
                now = value if isinstance(value, Mapping) else {}
                if lost := [name for name, old in before.items() if now.get(name) != old]:
                    yield self.all[path], lost

    def unset(self, parameter: Parameter) -> None:
        """Restore the default. Raises ``Refused`` if there is none."""
        if parameter.required:
            raise Refused(f"{parameter.name} has no default")
        reasons = self._problems_with(parameter, UNSET)
        if reasons:
            raise Refused("; ".join(reasons))
        self._set(parameter.path, UNSET)

    def path_of(self, path: Keys) -> Keys:
        """Return the path to remove with a key: that of the outermost table that is empty without it."""
        while len(path) > 1 and value_at(self._now, path[:-1]) in (UNSET, {}):
            path = path[:-1]
        return path

    def _with(self, path: Keys, value: Any) -> dict[str, Any]:
        tree = with_value(self._now, path, value)
        while value is UNSET and len(path) > 1 and value_at(tree, path[:-1]) == {}:
            path = path[:-1]
            tree = with_value(tree, path, UNSET)
        return tree

    def _set(self, path: Keys, value: Any) -> None:
        self._now = self._with(path, value)
        for entry in [key for key in self.changes if key[: len(path)] == path]:
            del self.changes[entry]
        if value_at(self._before, path) == value or value is value_at(self._before, path):
            return
        self.changes[path] = value

    def _problems_with(self, parameter: Parameter, value: Any) -> list[str]:
        """Return the problems that a value causes; problems that existed elsewhere before are ignored."""
        before = {path for path, _, _ in self._problems(self._now)}
        after = self._problems(self._with(parameter.path, value))
        size = len(parameter.path)
        return [
            reason
            for path, kind, reason in after
            if path[:size] == parameter.path or (path not in before and kind != "missing")
        ]

    def _problems(self, data: Mapping[str, Any]) -> list[tuple[Keys, str, str]]:
        options = self._plugin_part(data)
        core = {key: value for key, value in data.items() if key not in options}
        if self._spec is None:
            return _errors(self._section, dict(data))
        return [
            *_errors(self._section, {"plugin": self._spec.name, **core, "options": {}}),
            *_errors(self._spec.settings, options),
        ]

    def _plugin_part(self, data: Mapping[str, Any]) -> dict[str, Any]:
        own = {p.path[0] for p in self._own} | {"plugin"}
        return {key: value for key, value in data.items() if key not in own}


def _by_table(found: Iterable[Parameter], title: str) -> Iterator[Group]:
    """Group keys by their table; ``title`` is the heading of keys outside of any table."""
    tables: dict[Keys, list[Parameter]] = {}
    for parameter in found:
        tables.setdefault(parameter.path[:-1], []).append(parameter)
    for table, members in sorted(tables.items(), key=lambda item: bool(item[0])):
        yield Group(title=".".join(table) or title, parameters=members)


def _missing_secrets(model: type[BaseModel], data: dict[str, Any]) -> Iterator[str]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            if isinstance(cause := each.get("ctx", {}).get("error"), MissingSecrets):
                yield from cause.names


def _errors(model: type[BaseModel], data: dict[str, Any]) -> list[tuple[Keys, str, str]]:
    """Validate; return path, kind and reason of each error. Pydantic quotes values in errors; these reasons do not."""
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
