"""Sections that are configured together: limits, breakers, engine, listeners, notifiers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core.settings.loading import settings_from
from te_core.settings.schema import AccountSettings, Settings
from te_core.wizards.asking import draft_of, tree_of
from te_core.wizards.draft import Draft, Refused
from te_core.wizards.parameters import Parameter

if TYPE_CHECKING:
    from te_core.app.paths import Paths
    from te_core.settings.layers import Texts


def drafts_of(paths: Paths, texts: Texts, chapter: str) -> list[Draft]:
    """Return drafts of a chapter's sections from the settings."""
    settings = settings_from(texts, os.environ)
    return list(CHAPTERS[chapter](paths, texts, settings))


def find(drafts: list[Draft], name: str) -> tuple[Draft, Parameter]:
    """Return the parameter for a key: a full path, or an unambiguous end of one. Raises ``Refused``."""
    found: list[tuple[Draft, Parameter]] = []
    reason = Refused(f"unknown key; the sections are {', '.join(draft.title for draft in drafts)}")
    for draft in drafts:
        starts = [
            start for start in (".".join(draft.section_path), draft.name) if name.startswith(f"{start}.")
        ]
        if not starts and draft.part:
            continue
        rest = name.removeprefix(f"{starts[0]}.") if starts else name
        if not rest.startswith(".".join(draft.part)):
            rest = ".".join((*draft.part, rest))
        try:
            found.append((draft, draft.find(rest)))
        except Refused as refused:
            reason = refused
            continue
        if starts:
            return found[-1]
    if len(found) > 1:
        raise Refused(f"ambiguous; use one of {', '.join(f'{draft.title}.{name}' for draft, _ in found)}")
    if not found:
        raise reason
    return found[0]


def _core(texts: Texts, *names: str) -> Iterator[Draft]:
    tree = tree_of(texts)
    for name in names:
        model = Settings.model_fields[name].annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield Draft(section_path=(name,), section=model, data=tree.get(name, {}))


def _of_accounts(texts: Texts, settings: Settings, part: str) -> Iterator[Draft]:
    accounts: Mapping[str, Any] = tree_of(texts).get("accounts", {})
    for name in settings.accounts:
        data = accounts.get(name, {})
        yield Draft(section_path=("accounts", name), section=AccountSettings, data=data, part=(part,))


def _limits(_paths: Paths, texts: Texts, settings: Settings) -> Iterator[Draft]:
    yield from _core(texts, "limits")
    yield Draft(section_path=(), section=Settings, data=tree_of(texts), part=("groups",))
    yield from _of_accounts(texts, settings, "limits")


def _breakers(_paths: Paths, texts: Texts, settings: Settings) -> Iterator[Draft]:
    yield from _core(texts, "breakers")
    yield from _of_accounts(texts, settings, "breakers")


def _engine(_paths: Paths, texts: Texts, _settings: Settings) -> Iterator[Draft]:
    yield from _core(texts, "engine", "logs", "journal", "tracing", "notices")


def _listen(_paths: Paths, texts: Texts, _settings: Settings) -> Iterator[Draft]:
    yield from _core(texts, "listen", "page")


def _notifiers(paths: Paths, texts: Texts, settings: Settings) -> Iterator[Draft]:
    for name in settings.notifiers:
        yield draft_of(paths, texts, f"notifiers.{name}")


def notifier_plugins(paths: Paths) -> list[str]:
    """Return the installed plugins that provide a notifier."""
    import asyncio

    from te_core.app import used_plugins
    from te_core.plugins.registry import Registry

    registry = Registry(used=used_plugins.read(paths.state))
    asyncio.run(registry.ensure(list(registry.reports), {}))
    return list(registry.notifiers)


CHAPTERS: Mapping[str, Callable[[Paths, Texts, Settings], Iterator[Draft]]] = {
    "limits": _limits,
    "breakers": _breakers,
    "engine": _engine,
    "listen": _listen,
    "notifiers": _notifiers,
}
