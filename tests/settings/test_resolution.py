"""Each section's options are checked by its plugin; what cannot run is left out and affects nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import pytest
from pydantic import BaseModel, SecretStr, model_validator

from te_core.api import ExchangeSpec, MissingSecrets, WebhookSpec
from te_core.plugins.registry import Registry
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from tests.settings.conftest import SETTINGS, AcmeOptions, OracleOptions, acme, oracle, unused

Load = Callable[..., Settings]
TOKEN = '[sources.oracle]\ntoken = "0123456789"\n'


def test_options_become_the_plugins_own_models(load: Load, registry: Registry) -> None:
    resolved = resolve(load(SETTINGS, TOKEN), registry)
    source, account = resolved.source_options["oracle"], resolved.account_options["paper"]
    assert isinstance(source, OracleOptions)
    assert source.token.get_secret_value() == "0123456789"
    assert account == AcmeOptions(balance=10000)
    assert resolved.unavailable == {}
    assert [secret.get_secret_value() for secret in resolved.secrets] == ["0123456789"]


def test_an_account_without_its_keys_is_disabled_with_a_reason(load: Load, registry: Registry) -> None:
    resolved = resolve(load(SETTINGS + '[accounts.main]\nplugin = "keyed"\n', TOKEN), registry)
    assert set(resolved.account_options) == {"paper"}
    assert resolved.unavailable == {
        "accounts.main": "lacks api_key, api_secret: set it below [accounts.main] in .secrets.toml"
    }


def test_a_model_may_state_which_secrets_it_waits_for(load: Load) -> None:
    class Cautious(BaseModel):
        key: SecretStr | None = None
        host: str = "real"

        @model_validator(mode="after")
        def _complete(self) -> Self:
            if self.host == "nowhere":
                raise ValueError("there is no such host")
            if self.key is None:
                raise MissingSecrets("the real host needs a key", names=["key"])
            return self

    registry = Registry.of(ExchangeSpec(name="cautious", settings=Cautious, factory=unused))
    resolved = resolve(load('[accounts.main]\nplugin = "cautious"\n'), registry)
    assert resolved.unavailable == {
        "accounts.main": "lacks key: set it below [accounts.main] in .secrets.toml"
    }
    with pytest.raises(SettingsInvalid, match="there is no such host"):
        resolve(load('[accounts.main]\nplugin = "cautious"\nhost = "nowhere"\n'), registry)


def test_a_source_without_its_token_waits_for_one(load: Load, registry: Registry) -> None:
    resolved = resolve(load(), registry)
    assert resolved.source_options == {}
    assert resolved.unavailable["sources.oracle"].startswith("lacks token")


def test_a_wrong_option_is_refused_though_keys_are_missing_too(load: Load, registry: Registry) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        resolve(load('[accounts.main]\nplugin = "keyed"\nregion = 3\n'), registry)
    assert {p.key for p in refused.value.problems} == {
        "accounts.main.api_key",
        "accounts.main.api_secret",
        "accounts.main.region",
    }


def test_a_missing_plugin_affects_nothing_else(load: Load) -> None:
    resolved = resolve(load(SETTINGS, TOKEN), Registry.of(acme()))
    assert set(resolved.account_options) == {"paper"}
    assert resolved.unavailable == {"sources.oracle": "plugin oracle is not loaded"}


def test_an_exchange_named_as_a_source_is_told_apart(load: Load, registry: Registry) -> None:
    resolved = resolve(load('[sources.s]\nplugin = "acme"\n[accounts.a]\nplugin = "oracle"\n'), registry)
    assert resolved.unavailable == {
        "sources.s": "plugin acme offers no source but: exchange",
        "accounts.a": "plugin oracle offers no account but: source",
    }


def test_a_defect_in_a_plugins_model_stops_its_section_only(load: Load, registry: Registry) -> None:
    text = SETTINGS + '[accounts.broken]\nplugin = "acme"\nhosts = ["boom"]\n'
    resolved = resolve(load(text, TOKEN), registry)
    assert set(resolved.account_options) == {"paper"}
    assert "its settings model failed: KeyError" in resolved.unavailable["accounts.broken"]


def test_a_disabled_account_runs_and_a_disabled_source_does_not(load: Load, registry: Registry) -> None:
    text = SETTINGS.replace('"oracle"\n', '"oracle"\nenabled = false\n').replace(
        '"acme"\n', '"acme"\nenabled = false\n'
    )
    resolved = resolve(load(text, TOKEN), registry)
    assert resolved.source_options == {}
    assert set(resolved.account_options) == {"paper"}
    assert resolved.unavailable == {}


def test_a_disabled_section_may_be_unfinished_but_not_wrong(load: Load, registry: Registry) -> None:
    unfinished = '[accounts.a]\nplugin = "acme"\nenabled = false\nendpoint = {}\n'
    resolved = resolve(load(unfinished), registry)
    assert (resolved.account_options, resolved.unavailable) == ({}, {})
    with pytest.raises(SettingsInvalid):
        resolve(load(unfinished.replace("enabled = false\n", "")), registry)
    with pytest.raises(SettingsInvalid):
        resolve(load(unfinished + "balanse = 3\n"), registry)


def test_a_disabled_plugin_has_no_instances_and_is_not_asked_for(load: Load, registry: Registry) -> None:
    settings = load(SETTINGS + "[plugins.acme]\nenabled = false\n", TOKEN)
    assert settings.plugins_in_use() == ("oracle",)
    assert resolve(settings, registry).account_options == {}


def test_plugins_in_use_are_named_once(load: Load) -> None:
    accounts = '[accounts.a]\nplugin = "x"\n[accounts.b]\nplugin = "x"\nenabled = false\n'
    text = accounts + '[sources.s]\nplugin = "y"\nenabled = false\n'
    text += '[notifiers.n]\nplugin = "z"\nenabled = false\n'
    assert load(text).plugins_in_use() == ("y", "x"), (
        "a disabled source may listen, a disabled account reduces"
    )


def test_a_disabled_source_listens_where_it_has_a_webhook(load: Load) -> None:
    webhook: WebhookSpec[Any] = WebhookSpec(path=lambda _: "", example=lambda _: {})
    off = SETTINGS.replace('plugin = "oracle"', 'plugin = "oracle"\nenabled = false')
    for listens in (None, webhook):
        registry = Registry.of(replace(oracle(), webhook=listens), acme())
        assert set(resolve(load(off, TOKEN), registry).source_options) == ({"oracle"} if listens else set())


def test_two_sections_with_the_same_key_are_refused_by_name(load: Load, registry: Registry) -> None:
    def section(name: str, key: str) -> str:
        return (
            f'[accounts.{name}]\nplugin = "keyed"\napi_key = "{key}"\napi_secret = "s"\nregion = "{name}"\n'
        )

    with pytest.raises(SettingsInvalid) as refused:
        resolve(load(section("a", "k1") + section("b", "k2") + section("c", "k1")), registry)
    (problem,) = refused.value.problems
    assert problem.key == "accounts.c"
    assert "accounts.a" in problem.reason
    assert "k1" not in str(problem)
    resolve(load(section("a", "k1") + section("b", "k2")), registry)


def test_defaults_are_nobodys_credentials(load: Load, registry: Registry) -> None:
    endpoint = 'endpoint = { url = "u" }'
    resolve(
        load(f'[accounts.a]\nplugin = "acme"\n{endpoint}\n[accounts.b]\nplugin = "acme"\n{endpoint}\n'),
        registry,
    )
    endpoint = 'endpoint = { url = "u", password = "p" }'
    with pytest.raises(SettingsInvalid, match="same credentials"):
        resolve(
            load(f'[accounts.a]\nplugin = "acme"\n{endpoint}\n[accounts.b]\nplugin = "acme"\n{endpoint}\n'),
            registry,
        )


def test_resolved_settings_compare_by_value(load: Load, registry: Registry) -> None:
    def resolved(text: str) -> Resolved:
        return resolve(load(text, TOKEN), registry)

    assert resolved(SETTINGS) == resolved("# a comment\n\n" + SETTINGS)
    assert resolved(SETTINGS) != resolved(SETTINGS.replace("0.25", "0.26"))


def test_resolved_settings_do_not_show_secrets(load: Load, registry: Registry) -> None:
    resolved = resolve(load(SETTINGS, TOKEN), registry)
    assert "0123456789" not in repr(resolved)
