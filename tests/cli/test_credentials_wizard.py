"""``te configure credentials``: only what is needed is asked for, and what is refused is saved only if confirmed."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.cli.wizard_harness import Wizards


def secrets_of(wizards: Wizards) -> Any:
    file = wizards.folder / ".secrets.toml"
    return tomllib.loads(file.read_text()).get("accounts", {}) if file.exists() else {}


@pytest.mark.real_clock
def test_only_what_is_needed_is_asked_for_and_tried(keyed: Wizards, bybit: dict[str, str]) -> None:
    result = keyed.te(
        "configure", "credentials", answers="\n".join([bybit["api_key"], bybit["secret"], "n", "y", ""])
    )
    assert result.exit_code == 0, result.output
    assert secrets_of(keyed)["main"] == {"api_key": bybit["api_key"], "secret": bybit["secret"]}
    assert "[accounts.paper]" not in result.output, "it needs nothing"
    assert "[sources.tradingview]" not in result.output, "its token is made by the first start"
    assert result.output.count("api_key:") == 1
    assert "testing main" in result.output
    assert "may trade contracts" in result.output


@pytest.mark.real_clock
def test_what_the_exchange_refuses_is_saved_only_if_confirmed(keyed: Wizards, bybit: dict[str, str]) -> None:
    wrong = ["--set", "main.api_key=wrong", "--set", "main.secret=wrong"]
    result = keyed.te("configure", "credentials", *wrong)
    assert result.exit_code == 1
    assert secrets_of(keyed) == {}
    result = keyed.te("configure", "credentials", answers="\n".join(["wrong", "wrong", "n", "l", ""]))
    assert "nothing changed" in result.output
    result = keyed.te("configure", "credentials", "--no-try", *wrong)
    assert result.exit_code == 0, result.output
    assert secrets_of(keyed)["main"]["api_key"] == "wrong"


@pytest.mark.real_clock
def test_the_key_of_another_account_is_asked_for_again(keyed: Wizards, bybit: dict[str, str]) -> None:
    known = [bybit["api_key"], bybit["secret"]]
    text = keyed.settings.read_text()
    section = text.partition("[accounts.main]")[2].partition("[accounts.paper]")[0]
    keyed.settings.write_text(f"{text}\n[accounts.again]{section}")
    answers = [*known, "n", *known, "n", "s", *known, "n", "l", "y", ""]
    result = keyed.te("configure", "credentials", answers="\n".join(answers))
    assert result.exit_code == 0, result.output
    assert result.output.count("has the same credentials as accounts.main") == 3
    assert set(secrets_of(keyed)) == {"main"}


def test_credentials_of_nobody_are_refused(wizards: Wizards) -> None:
    assert wizards.te("configure", "credentials", "--set", "nobody.api_key=x").exit_code == 2
    assert "nothing changed" in wizards.configure("credentials").output
