"""The last good settings stay active, whatever is written to the files."""

from __future__ import annotations

import itertools

import pytest

from te_core.plugins.registry import Registry
from te_core.settings.difference import Changes, Difference
from te_core.settings.problems import SettingsInvalid
from te_core.settings.store import SettingsStore
from tests.settings.conftest import SETTINGS, Folder

TOKEN = '[sources.oracle]\ntoken = "0123456789"\n'


async def opened(folder: Folder, registry: Registry, **env: str) -> SettingsStore:
    folder.write(SETTINGS, TOKEN)
    store = SettingsStore(folder.file, env=env, registry=registry)
    await store.load()
    return store


async def refusal(store: SettingsStore) -> SettingsInvalid:
    outcome = await store.reload()
    assert isinstance(outcome, SettingsInvalid)
    assert store.refused is outcome
    return outcome


async def test_the_same_text_twice_does_nothing(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    assert await store.reload() is None
    folder.write()
    assert await store.reload() is None


async def test_a_valid_edit_is_applied_with_its_difference(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.write(SETTINGS.replace("0.25", "0.5"))
    assert await store.reload() == Difference(symbols=("BTCUSDT",))
    assert store.current is not None
    assert store.current.settings.symbols["BTCUSDT"].weights["oracle"] == 0.5


async def test_an_edit_of_the_secrets_counts_too(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.write(secrets=TOKEN.replace("0123", "9999"))
    assert await store.reload() == Difference(sources=Changes(rebuild=("oracle",)))


async def test_a_comment_gives_an_empty_difference(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.write("# new\n" + SETTINGS)
    assert await store.reload() == Difference()


@pytest.mark.parametrize(
    "bad",
    [
        SETTINGS.replace("0.25", "1.5"),
        SETTINGS.replace("oracle = 0.25", "oracel = 0.25"),
        SETTINGS[: SETTINGS.index("balance") + 5],
        SETTINGS.replace("balance", "balanse"),
        "",
        "\n\n",
    ],
    ids=["weight above 1", "unknown source", "half-written", "unknown option", "empty", "blank"],
)
async def test_a_bad_edit_is_refused_and_changes_nothing(
    folder: Folder, registry: Registry, bad: str
) -> None:
    store = await opened(folder, registry)
    good = store.current
    folder.write(bad)
    await refusal(store)
    assert store.current is good
    assert await store.reload() is None
    assert store.refused is not None


async def test_a_deleted_file_is_refused_and_welcome_back(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.file.unlink()
    assert "no such file" in str(await refusal(store))
    folder.write()
    assert await store.reload() == Difference()
    assert store.refused is None


async def test_correcting_it_clears_the_refusal_and_applies_the_rest(
    folder: Folder, registry: Registry
) -> None:
    store = await opened(folder, registry)
    folder.write(SETTINGS.replace("0.25", "1.5"))
    await refusal(store)
    folder.write(SETTINGS.replace("0.25", "0.5"))
    assert await store.reload() == Difference(symbols=("BTCUSDT",))
    assert store.refused is None


async def test_an_unknown_plugin_name_stops_nothing_that_runs(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.write(SETTINGS.replace('"acme"', '"acmee"'))
    (problem,) = (await refusal(store)).problems
    assert problem.key == "accounts.paper"
    assert "no installed package offers a plugin 'acmee'" in problem.reason


@pytest.mark.parametrize("enabled", ["true", "false"])
async def test_an_account_keeps_the_keys_that_it_closes_positions_with(
    folder: Folder, registry: Registry, enabled: str
) -> None:
    folder.write('[accounts.main]\nplugin = "keyed"\n', '[accounts.main]\napi_key = "k"\napi_secret = "s"\n')
    store = SettingsStore(folder.file, env={}, registry=registry)
    await store.load()
    folder.write(f'[accounts.main]\nplugin = "keyed"\nenabled = {enabled}\n', "")
    (problem,) = (await refusal(store)).problems
    assert problem.key == "accounts.main"
    assert "lacks" in problem.reason


async def test_a_new_account_of_a_missing_plugin_is_left_out(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry)
    folder.write(SETTINGS + '[accounts.new]\nplugin = "elsewhere"\n')
    assert await store.reload() == Difference()
    assert store.current is not None
    assert "elsewhere" in store.current.unavailable["accounts.new"]


@pytest.mark.parametrize("lost", ["symbols", "accounts"])
async def test_half_a_file_is_refused_though_it_is_valid_in_itself(
    folder: Folder, registry: Registry, lost: str
) -> None:
    store = await opened(folder, registry)
    in_force = store.current
    folder.write(SETTINGS[: SETTINGS.index(f"[{lost}.")])
    refused = await store.reload()
    assert isinstance(refused, SettingsInvalid)
    assert f"settings.toml: {lost}: every entry is gone" in str(refused)
    assert store.current is in_force
    folder.write(SETTINGS)
    assert await store.reload() == Difference()


async def test_the_environment_stays_on_top(folder: Folder, registry: Registry) -> None:
    store = await opened(folder, registry, TE_SYMBOLS__BTCUSDT__LEVERAGE="7")
    folder.write(SETTINGS.replace("leverage = 3", "leverage = 4"))
    assert await store.reload() == Difference()


async def test_bad_settings_at_the_start_are_raised(folder: Folder, registry: Registry) -> None:
    folder.write("x")
    with pytest.raises(SettingsInvalid):
        await SettingsStore(folder.file, env={}, registry=registry).load()


async def test_a_plugin_installed_late_is_used_without_an_edit(folder: Folder) -> None:
    registry = Registry.of()
    store = await opened(folder, registry)
    assert store.current is not None
    assert set(store.current.unavailable) == {"sources.oracle", "accounts.paper"}
    from tests.settings.conftest import acme

    registry.exchanges["acme"] = acme()
    assert await store.reload() is None
    assert await store.reload(again=True) == Difference(accounts=Changes(start=("paper",)))


async def test_missing_tokens_are_generated_at_start_and_for_a_source(
    folder: Folder, registry: Registry
) -> None:
    numbers = itertools.count()
    folder.write()
    store = SettingsStore(folder.file, env={}, registry=registry, generate=lambda: f"token-{next(numbers)}")
    assert set((await store.load()).source_options) == {"oracle"}
    assert await store.reload() is None
    folder.write(SETTINGS + '[sources.second]\nplugin = "oracle"\n')
    assert await store.reload() == Difference(sources=Changes(start=("second",)))
    assert await store.reload() is None
    assert next(numbers) == 2
