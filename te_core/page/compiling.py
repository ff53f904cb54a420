"""Compile the page's templates in a process that ends afterwards: ``python -m te_core.page.compiling``.

Parsing them holds the interpreter for tenths of a second, in which alerts would wait, and leaves megabytes that are
never returned to the system. The compiled code is a tenth of that.
"""

from __future__ import annotations

import marshal
import subprocess
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from jinja2 import BaseLoader, Environment, FileSystemLoader, StrictUndefined, Template, TemplateNotFound

from te_core.reporting.figures import THIN
from te_core.texts import printable

FOLDER = Path(__file__).parent / "templates"
UNBROKEN = "\N{NARROW NO-BREAK SPACE}"
TIMEOUT = 30.0
"""Seconds after which the other process is given up, and the templates are compiled in this one."""


class CompiledTemplates(BaseLoader):
    """Loads templates from their compiled code, by name."""

    has_source_access = False

    def __init__(self, codes: Mapping[str, CodeType]) -> None:
        self._codes = codes

    def list_templates(self) -> list[str]:
        """Return the names of all templates."""
        return sorted(self._codes)

    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002 - Jinja passes it by this name
    ) -> Template:
        """Return a template. Raise `TemplateNotFound` for an unknown name."""
        if name not in self._codes:
            raise TemplateNotFound(name)
        return environment.template_class.from_code(environment, self._codes[name], globals or {})


def environment_of(loader: BaseLoader) -> Environment:
    """Return the environment that templates are compiled and rendered with, without filters and globals."""
    return Environment(
        loader=loader,
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


@cache
def compiled(filters: tuple[str, ...]) -> Mapping[str, CodeType]:
    """Return the code of each template, compiled once per process, in another one if that can be started. Blocks.

    ``filters``: the names of the filters that templates may use. Raise `TemplateError` if a template is not valid.
    """
    command = [sys.executable, "-P", "-m", __name__, *filters]
    try:
        child = subprocess.run(command, capture_output=True, timeout=TIMEOUT, check=True)  # noqa: S603 - itself
        found: dict[str, CodeType] = marshal.loads(child.stdout)  # noqa: S302 - our own child wrote it
    except (OSError, subprocess.SubprocessError, ValueError, EOFError, TypeError):
        return compile_here(filters)
    return found


def compile_here(filters: Iterable[str]) -> dict[str, CodeType]:
    """Return the code of each template. Raise `TemplateError` if one is not valid."""
    loader = FileSystemLoader(FOLDER)
    environment = environment_of(loader)
    environment.filters.update(dict.fromkeys(filters, _at_rendering))
    codes = {}
    for name in loader.list_templates():
        source, path, _ = loader.get_source(environment, name)
        codes[name] = environment.compile(source, name, path)
    return codes


def _at_rendering(*_: Any) -> Any:
    """Stand for a filter: the compiler applies filters to constants, unless they fail."""
    raise NotImplementedError


def _visible(value: Any) -> Any:
    """Return a printable value: non-printing characters are escaped (I22).

    The thin space in numbers becomes a non-breaking one.
    """
    if type(value) is str and not value.isprintable():
        return UNBROKEN.join(printable(part) for part in value.split(THIN))
    return value


if __name__ == "__main__":
    sys.stdout.buffer.write(marshal.dumps(compile_here(sys.argv[1:])))
