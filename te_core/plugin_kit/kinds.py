"""The kinds of plugin that ``te plugin new`` writes, and the names that they may have."""

from __future__ import annotations

import re
from dataclasses import dataclass

from te_core import __version__
from te_core.errors import CommandFailed

LONGEST_NAME = 24
"""Characters of a name: lines of the written code stay within their limit."""
_NAME = re.compile(r"[a-z](?:_?[a-z0-9])*")
_AUTHOR = re.compile(r"[^\"\\\x00-\x1f\x7f]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of plugin that can be generated."""

    name: str
    prefix: str
    description: str
    layers: tuple[str, ...]
    """Folders of templates; later ones override earlier ones."""
    needs: tuple[str, ...]
    """Requirements besides te-core."""


def core_bounds(version: str = __version__) -> str:
    """Return the versions of the core that a plugin fits which is made for this one: ``>=0.1,<0.2``."""
    major, minor, *_ = version.split(".")
    following = f"{major}.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
    return f">={major}.{minor},<{following}"


_PYDANTIC, _AIOHTTP = "pydantic>=2.11", "aiohttp>=3.12"
KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="source",
            prefix="te-signals",
            description="Signals of {title} for the trade engine",
            layers=("common", "source"),
            needs=(_AIOHTTP, _PYDANTIC),
        ),
        Kind(
            name="exchange",
            prefix="te-exchange",
            description="Accounts at {title} for the trade engine",
            layers=("common", "exchanges", "exchange"),
            needs=(_AIOHTTP, _PYDANTIC),
        ),
        Kind(
            name="ccxt-exchange",
            prefix="te-exchange",
            description="Accounts at {title}, over ccxt, for the trade engine",
            layers=("common", "exchanges", "ccxt-exchange"),
            needs=(f"te-exchange-ccxt{core_bounds()}",),
        ),
        Kind(
            name="notifier",
            prefix="te-notify",
            description="Notices of the trade engine to {title}",
            layers=("common", "notifier"),
            needs=(_AIOHTTP, _PYDANTIC),
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What a plugin is called, wherever it needs a name."""

    kind: Kind
    name: str

    @property
    def distribution(self) -> str:
        """The name that is installed, and that of the folder."""
        return f"{self.kind.prefix}-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """The name that is imported."""
        return f"{self.kind.prefix}-{self.name}".replace("-", "_")

    @property
    def title(self) -> str:
        """The name as classes begin with it."""
        return "".join(part.capitalize() for part in self.name.split("_"))


def naming(kind: str, name: str) -> Naming:
    """Check a name. Raises ``CommandFailed`` with one that would do."""
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return Naming(kind=KINDS[kind], name=name)
    raise CommandFailed(
        f"{name!r} cannot name a plugin: it is a key in settings and a part of module names, so it has up to "
        f"{LONGEST_NAME} lower-case letters, digits and single underscores, and begins with a letter",
        next_step=f"te plugin new {kind} {_usable(name)}",
    )


def checked_author(text: str) -> str:
    """Return an author's name that a TOML text can hold. Raises ``CommandFailed``."""
    if not _AUTHOR.fullmatch(text):
        raise CommandFailed(
            f"--author {text!r}: up to 80 characters without quotes, backslashes or line ends"
        )
    return text


def _usable(name: str) -> str:
    """Return the nearest name that is allowed."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = re.sub(r"[^a-z0-9]+", "_", words.encode("ascii", "ignore").decode()).strip("_")
    words = re.sub(r"^[0-9_]+", "", words)
    return words[:LONGEST_NAME].rstrip("_") or "my_plugin"
