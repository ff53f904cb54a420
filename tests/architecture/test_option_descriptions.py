"""``te configure`` describes every setting of a plugin: none may lack a description."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from te_core.plugins.loading import InstanceSpec
from te_core.plugins.registry import Registry
from te_core.settings.schema import Settings
from te_core.wizards.draft import Draft
from te_core.wizards.parameters import parameters
from te_core.wizards.sections import section_of

NAMES = sorted(Registry().reports)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_plugin_is_described(name: str) -> None:
    registry = Registry()
    asyncio.run(registry.ensure([name]))
    specs = [
        found[name] for found in (registry.sources, registry.exchanges, registry.notifiers) if name in found
    ]
    assert specs
    for spec in specs:
        silent = [parameter.name for parameter in parameters(spec.settings) if len(parameter.meaning) < 15]
        assert not silent
        grouped = [key for keys in getattr(spec, "groups", {}).values() for key in keys]
        assert len(set(grouped)) == len(grouped)
        assert not grouped or set(grouped) == {parameter.name for parameter in parameters(spec.settings)}


def drafts() -> Iterator[Draft]:
    """Yield the core's own sections, and one of each plugin."""
    for name in ("engine", "logs", "journal", "limits", "listen"):
        model = Settings.model_fields[name].annotation
        assert isinstance(model, type)
        yield Draft(section_path=(name,), section=model, data={})
    registry = Registry()
    asyncio.run(registry.ensure(NAMES))
    specs: list[tuple[str, InstanceSpec]] = [("sources", spec) for spec in registry.sources.values()]
    specs += [("accounts", spec) for spec in registry.exchanges.values()]
    specs += [("notifiers", spec) for spec in registry.notifiers.values()]
    for group, spec in specs:
        yield Draft(section_path=(group, spec.name), section=section_of(group), spec=spec, data={})


def test_every_default_that_is_shown_can_be_typed() -> None:
    typed = 0
    for draft in drafts():
        for parameter in list(draft.all.values()):
            if parameter.default in {"", "none", "empty"} or parameter.secret or parameter.is_table:
                continue
            draft.answer(parameter, parameter.default)
            typed += 1
    assert typed > 100


def test_every_key_is_in_one_group_unless_it_has_its_own_wizard() -> None:
    for draft in drafts():
        shown = [parameter.name for group in draft.groups() for parameter in group.parameters]
        assert len(shown) == len(set(shown))
        left = {parameter.name for parameter in draft.all.values()} - set(shown)
        # Mappings have a wizard of their own; the breakers of all accounts are a chapter.
        assert {name for name in left if not name.startswith("breakers.")} <= {"symbols"}, draft.title
