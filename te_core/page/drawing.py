"""Renders values with the templates of this package. Jinja is imported at the first request, in a thread."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.clock import Clock
from te_core.page.turns import Turns

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A static file, ready to send."""

    content_type: str
    body: bytes
    packed: bytes
    version: str
    """Part of its URL, so that the content of a URL never changes."""


class Drawing:
    """All templates and files of the page."""

    def __init__(
        self, clock: Clock, filters: Mapping[str, Callable[..., Any]], words: Mapping[str, Any]
    ) -> None:
        self._clock = clock
        self._filters = filters
        self._words = words
        self._loading: asyncio.Task[None] | None = None
        self._environment: Environment
        self._parts: Any
        self.files: dict[str, StaticFile] = {}

    async def ready(self) -> None:
        """Load everything at the first call."""
        if self._loading is None:
            self._loading = asyncio.create_task(asyncio.to_thread(self._load))
        await asyncio.shield(self._loading)

    def _load(self) -> None:
        from te_core.page.compiling import CompiledTemplates, compiled, environment_of

        self.files = {path.name: _static(path) for path in sorted((HERE / "static").iterdir())}
        environment = environment_of(CompiledTemplates(compiled(tuple(self._filters))))
        environment.filters.update(self._filters)
        environment.globals.update(self._words)
        environment.globals["versions"] = {name: file.version for name, file in self.files.items()}
        self._environment = environment
        self._parts = environment.get_template("parts.html").module

    def part(self, name: str, value: Any) -> str:
        """Render one part with the macro ``value.kind``."""
        return str(getattr(self._parts, value.kind)(name, value)).strip()

    async def page(self, template: str, **values: Any) -> str:
        """Render a page, one piece at a time."""
        await self.ready()
        turns, pieces = Turns(self._clock), []
        for piece in self._environment.get_template(template).generate(**values):
            pieces.append(piece)
            await turns.next()
        return "".join(pieces)


def _static(path: Path) -> StaticFile:
    body = path.read_bytes()
    return StaticFile(
        content_type=KINDS[path.suffix],
        body=body,
        packed=gzip.compress(body, mtime=0),
        version=hashlib.sha256(body).hexdigest()[:10],
    )
