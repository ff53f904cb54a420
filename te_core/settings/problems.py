"""Turn problems of the settings into errors that state where, what, why, and what was probably meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from te_core.errors import ConfigError, nearest
from te_core.secrets import MASK, Redactor
from te_core.settings import fields
from te_core.settings.origin import Origin, Path, dotted
from te_core.settings.reasons import reason_of

NO_FIELDS: Collection[str] = frozenset()


class SettingsInvalid(ConfigError):
    """The settings are refused as a whole; ``problems`` has one error for each problem."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Report:
    """Collects the problems of one model's data. ``prefix``: the path of that data in the settings.

    ``beside``: keys that are also valid at the top of the data, although the model does not define them.
    """

    def __init__(
        self,
        model: type[BaseModel],
        data: Mapping[str, Any],
        origin: Origin,
        *,
        prefix: Path = (),
        beside: Collection[str] = NO_FIELDS,
    ) -> None:
        self._model = model
        self._data = data
        self._origin = origin
        self._prefix = prefix
        self._beside = beside
        self._redactor = Redactor(secret.get_secret_value() for secret in origin.secrets)
        nodes = fields.walk((model,), data)
        self._redactor.add(
            text for node in nodes if fields.is_secret(node.shape) for text in fields.texts(node.value)
        )

    def invalid(self, errors: Sequence[ErrorDetails]) -> Iterator[ConfigError]:
        """Translate pydantic's errors into `ConfigError`."""
        for error in errors:
            cause = error.get("ctx", {}).get("error")
            if parts := getattr(cause, "parts", None):
                yield from (self.problem(path, reason) for path, reason in parts)
            else:
                yield self._translated(error)

    def unknown(self) -> Iterator[ConfigError]:
        """Return an error for each key that the model does not have, even if the model itself would accept it."""
        for node in fields.walk((self._model,), self._data):
            if node.shape is None:
                yield self.unknown_key(node.path)

    def unknown_key(self, path: Path) -> ConfigError:
        """Return the error for an unknown key. Its value stays hidden: it may belong to a misspelled secret."""
        known = fields.known_keys(fields.at(self._model, path[:-1]) or ()) - {"options"}
        known |= set(self._beside) if len(path) == 1 else set()
        return self.problem(path, "unknown key" + nearest(str(path[-1]), known))

    def problem(self, path: Path, reason: str, value: object = None) -> ConfigError:
        """Return an error for a path below the data, without any secret in it."""
        full = (*self._prefix, *path)
        location = self._origin.location(full)
        if not isinstance(value, str | int | float):
            value = None  # a table may hold a secret, and adds nothing to its key
        elif location.secret or fields.is_secret(fields.at(self._model, path)):
            reason = reason.replace(str(value), MASK) if value != "" else reason
            value = MASK
        elif isinstance(value, str):
            value = self._redactor.redact(value)
        return ConfigError(
            self._redactor.redact(reason),
            key=dotted(full),
            value=value,
            file=location.file,
            line=location.line,
        )

    def _translated(self, error: ErrorDetails) -> ConfigError:
        path = self._path(error["loc"])
        match error["type"]:
            case "missing":
                return self.problem(path, "is missing")
            case "extra_forbidden":
                return self.unknown_key(path)
            case "string_pattern_mismatch" if "[key]" in error["loc"]:
                return self.problem(
                    path, f"this name is not allowed: it must match {error['ctx']['pattern']}"
                )
        table = f"a table, such as [{dotted((*self._prefix, *path))}]"
        return self.problem(path, reason_of(error, table=table), error["input"])

    def _path(self, loc: Sequence[str | int]) -> Path:
        """Return the path without the steps that pydantic adds, such as ``[key]`` and the alternatives of a union."""
        path: list[str | int] = []
        here: Any = self._data
        for index, step in enumerate(loc):
            if isinstance(here, Mapping):
                if step in here:
                    here = here[step]
                elif index < len(loc) - 1 or step == "[key]":
                    continue
            elif isinstance(here, list | tuple) and isinstance(step, int) and step < len(here):
                here = here[step]
            else:
                continue
            path.append(step)
        return tuple(path)
