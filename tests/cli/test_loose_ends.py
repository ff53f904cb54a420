"""What settings name and nothing uses is reported by ``te check``, and before it is written."""

from __future__ import annotations

from tests.cli.wizard_harness import SETTINGS, Wizards


def test_loose_ends_are_named(wizards: Wizards) -> None:
    wizards.settings.write_text(
        SETTINGS.replace('"ETHUSDT" = "ETHUSDT"', '"XRPUSDT" = "XRPUSDT"').replace("BTCUSDT]", "SOLUSDT]")
    )
    warnings = "\n".join(wizards.json("check")["warnings"])
    assert "sources.tradingview maps BTCUSDT, XRPUSDT without a weight" in warnings
    assert (
        "sources.tradingview has weight for SOLUSDT and maps nothing to it: te configure mappings" in warnings
    )
    assert "sources.other has weight" not in warnings, "it maps nothing: whatever it publishes counts"


def test_a_kind_of_event_that_nothing_records_is_named(wizards: Wizards) -> None:
    text = wizards.settings.read_text()
    notifier = '\n[notifiers.phone]\nplugin = "webhook"\nurl = "https://example.org"\n'
    notifier += 'kinds = ["*", "outage", "drifts", "refused"]\nmute = ["fills"]\ncritical = ["halt", "*"]\n'
    wizards.settings.write_text(text + notifier)
    found = [line for line in wizards.json("check")["warnings"] if "no event is of kind" in line]
    assert found[:2] == [
        "notifiers.phone.kinds: no event is of kind drifts; did you mean 'drift'?",
        "notifiers.phone.mute: no event is of kind fills; did you mean 'filled'?",
    ]
    assert found[2].startswith("notifiers.phone.critical: no event is of kind * (known: ")
    assert len(found) == 3
    result = wizards.te("configure", "notifiers", "--set", "phone.kinds=outage, missed_alert, silence")
    assert "no event is of kind silence; did you mean 'silent'?" in result.output


def test_a_leverage_that_no_account_allows_is_named(wizards: Wizards) -> None:
    def found() -> list[str]:
        return [line for line in wizards.json("check")["warnings"] if "leverage" in line]

    assert found() == []
    wizards.settings.write_text(SETTINGS.replace("leverage = 3", "leverage = 7"))
    assert found() == ["symbols.BTCUSDT.leverage is 7, and no account allows more than 5"]
    wizards.settings.write_text(SETTINGS.replace("leverage = 3", "leverage = 7").replace("leverage = 5", ""))
    assert found() == [], "what the exchange allows is not known here"


def test_loose_ends_are_shown_before_they_are_written(wizards: Wizards) -> None:
    result = wizards.te("configure", "weights", answers="7\n\n\nn\nn\n")
    assert "no account allows more than 5" in result.output
    assert "no engine is running, so what this orders is not known" in result.output
    assert result.exit_code == 1
    assert wizards.settings.read_text() == SETTINGS
