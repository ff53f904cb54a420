"""Any package may declare any plugin name; that neither replaces nor stops a running one."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginStatus
from tests.plugins.conftest import Install

pytestmark = pytest.mark.real_clock


async def loaded(*, used: Mapping[str, str] | None = None, pins: Mapping[str, str] | None = None) -> Registry:
    registry = Registry(used=used or {})
    await registry.ensure(["one"], pins or {})
    return registry


def origin(registry: Registry) -> str:
    assert registry.reports["one"].status is PluginStatus.LOADED
    return registry.reports["one"].distribution


@pytest.fixture(autouse=True)
def _two(install: Install) -> None:
    install("one", distribution="te-one")
    install("one", distribution="an-intruder")


async def test_the_package_that_was_used_before_stays() -> None:
    registry = await loaded(used={"one": "te_one"})
    assert origin(registry) == "te-one"
    assert "an-intruder also offers a plugin one and is ignored: keeping te-one" in registry.notices["one"]
    assert registry.used == {"one": "te-one"}


async def test_the_settings_may_state_which_one_it_is() -> None:
    registry = await loaded(used={"one": "te-one"}, pins={"one": "An_Intruder"})
    assert origin(registry) == "an-intruder"
    assert "te-one also offers a plugin one and is ignored" in registry.notices["one"]


async def test_where_nothing_decides_both_are_refused() -> None:
    registry = await loaded()
    assert registry.reports["one"].status is PluginStatus.CONFLICT
    assert "set plugins.one.distribution" in registry.reports["one"].reason
    assert registry.sources == {}


async def test_a_pinned_package_that_is_not_there_is_not_replaced() -> None:
    registry = await loaded(used={"one": "te-one"}, pins={"one": "te-other"})
    assert registry.reports["one"].status is PluginStatus.CONFLICT
    assert "pinned to te-other" in registry.reports["one"].reason


async def test_another_package_in_place_of_a_removed_one_is_reported() -> None:
    registry = await loaded(used={"one": "te-gone", "two": "te-two"}, pins={"one": "te-one"})
    assert origin(registry) == "te-one"


async def test_a_lone_newcomer_is_used_and_reported(install: Install) -> None:
    install("two", distribution="a-fork")
    registry = Registry(used={"two": "te-two"})
    await registry.ensure(["two"])
    assert registry.reports["two"].status is PluginStatus.LOADED
    assert registry.notices["two"] == (
        "plugin two now comes from a-fork; te-two, used before, no longer offers it"
    )
