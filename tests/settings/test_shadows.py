"""A shadow inherits the settings of its account, except what its own section states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from te_core.api import Capabilities, MarginMode
from te_core.plugins.registry import Registry
from te_core.runtime.accounts import worker_settings
from te_core.settings.difference import difference
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from tests.settings.conftest import SETTINGS, acme

Load = Callable[..., Settings]
LIVE = """
[accounts.main]
plugin = "acme"
equity = "total"
margin_mode = "cross"
leverage = 7
concurrency = 3
[accounts.main.limits]
order_notional = 500
symbol_exposure = 900
"""
SHADOW = """
[accounts.shadow]
plugin = "acme"
shadow_of = "main"
"""


@pytest.fixture
def apply(load: Load, registry: Registry) -> Callable[[str], Resolved]:
    """Resolve settings with these accounts, all on paper."""
    registry.exchanges["acme"] = replace(acme(), capabilities=Capabilities(simulated=True))

    def applied(text: str) -> Resolved:
        return resolve(load(SETTINGS + text, '[sources.oracle]\ntoken = "0123456789"\n'), registry)

    return applied


def test_a_shadow_is_steered_as_its_account_is(apply: Callable[[str], Resolved]) -> None:
    resolved = apply(SHADOW + LIVE)
    assert worker_settings("shadow", resolved) == worker_settings("main", resolved)
    section = resolved.settings.accounts["shadow"]
    assert (section.leverage, section.margin_mode, section.concurrency) == (7, MarginMode.CROSS, 3)


def test_what_its_own_section_states_goes_first_limit_by_limit(apply: Callable[[str], Resolved]) -> None:
    resolved = apply(
        LIVE + SHADOW + 'leverage = 2\nequity = "wallet"\n[accounts.shadow.limits]\nsymbol_exposure = 50\n'
    )
    section = resolved.settings.accounts["shadow"]
    assert (section.leverage, section.equity, section.margin_mode) == (2, "wallet", MarginMode.CROSS)
    assert (section.limits.order_notional, section.limits.symbol_exposure) == (Decimal(500), Decimal(50))


def test_a_shadow_of_a_disabled_account_trades_unless_disabled(
    apply: Callable[[str], Resolved],
) -> None:
    disabled = LIVE.replace('"acme"', '"acme"\nenabled = false', 1)
    assert worker_settings("shadow", apply(disabled + SHADOW)).enabled
    assert not worker_settings("shadow", apply(LIVE + SHADOW + "enabled = false\n")).enabled


def test_an_edit_of_the_account_is_an_edit_of_its_shadow(apply: Callable[[str], Resolved]) -> None:
    before, after = apply(LIVE + SHADOW), apply(LIVE.replace("leverage = 7", "leverage = 8") + SHADOW)
    assert difference(before, after).accounts.update == ("main", "shadow")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SHADOW.replace('"main"', '"mian"') + LIVE, "there is no [accounts.mian]; did you mean 'main'?"),
        (SHADOW.replace('"main"', '"shadow"'), "an account cannot be a shadow of itself"),
        (
            LIVE + SHADOW + '[accounts.second]\nplugin = "acme"\nshadow_of = "shadow"\n',
            "accounts.shadow is itself a shadow: name the account that it shadows",
        ),
    ],
)
def test_only_an_account_of_its_own_has_a_shadow(
    apply: Callable[[str], Resolved], text: str, reason: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        apply(text)
    (problem,) = refused.value.problems
    assert problem.key.endswith(".shadow_of")
    assert reason in problem.reason
    assert problem.line


def test_only_an_account_on_paper_is_a_shadow(apply: Callable[[str], Resolved], registry: Registry) -> None:
    registry.exchanges["acme"] = acme()
    with pytest.raises(SettingsInvalid) as refused:
        apply(LIVE + SHADOW)
    (problem,) = refused.value.problems
    assert (problem.key, problem.line is not None) == ("accounts.shadow.shadow_of", True)
    assert problem.reason == 'plugin acme sends real orders: a shadow account needs plugin = "paper"'


def test_paper_accounts_may_share_a_secret_that_is_nobodys_key(apply: Callable[[str], Resolved]) -> None:
    """For example the proxy through which both read prices."""
    shared = 'api_key = "one-proxy"\n'
    resolved = apply(SHADOW + shared + LIVE.replace("leverage = 7\n", shared))
    assert resolved.account_options.keys() == {"paper", "main", "shadow"}
