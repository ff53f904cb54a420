"""``te configure`` shows what every setting of a plugin means: none may come without a word."""

from __future__ import annotations

import asyncio

import pytest

from te_core.plugins.registry import Registry
from te_core.wizards.parameters import parameters

NAMES = sorted(Registry().reports)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_of_a_plugin_says_what_it_means(name: str) -> None:
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
