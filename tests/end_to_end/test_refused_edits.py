"""An invalid edit is refused with its location and reason; the last good settings stay active and trade on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import TOKEN, Home

pytestmark = pytest.mark.real_clock

GOOD = """\
[listen]
public = { port = 0 }
private = { port = 0 }

[sources.tradingview]
plugin = "tradingview"
symbols = { "BTCUSDT.P" = "BTCUSDT" }

[accounts.paper]
plugin = "paper"
balance = 10000
fee = 0
slippage = 0
prices = { BTCUSDT = "50000" }

[symbols.BTCUSDT]
leverage = 2
weights = { tradingview = 0.5 }
"""


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


class Bad:
    """An invalid text; the line that is reported, and what must be reported about it."""

    def __init__(self, old: str, new: str, *told: str, line: str = "") -> None:
        assert old in GOOD
        self.text = GOOD.replace(old, new)
        self.told = told
        self.line = line or new


BAD = {
    "syntax error": Bad("leverage = 2", "leverage = = 2", "this is not TOML"),
    "a string without end": Bad('plugin = "paper"', 'plugin = "paper', "this is not TOML"),
    "weights above 1": Bad(
        "{ tradingview = 0.5 }",
        "{ tradingview = 1.5 }",
        "symbols.BTCUSDT.weights.tradingview = 1.5",
        "less than or equal to 1",
        line="weights = ",
    ),
    "weights above 1 together": Bad(
        "[symbols.BTCUSDT]\nleverage = 2\nweights = { tradingview = 0.5 }",
        '[sources.second]\nplugin = "tradingview"\ntoken = "sixteen-letters-or-more"\n'
        "[symbols.BTCUSDT]\nleverage = 2\nweights = { tradingview = 0.5, second = 0.75 }",
        "symbols.BTCUSDT.weights",
        "add up to 1.25",
        line="weights = ",
    ),
    "unknown source": Bad(
        "{ tradingview = 0.5 }",
        "{ tradingveiw = 0.5 }",
        "symbols.BTCUSDT.weights.tradingveiw",
        "there is no [sources.tradingveiw]; did you mean 'tradingview'?",
        line="weights = ",
    ),
    "unknown key": Bad("leverage = 2", "levrage = 2", "symbols.BTCUSDT.levrage", "did you mean 'leverage'?"),
    "unknown table": Bad("[symbols.BTCUSDT]", "[symbol.BTCUSDT]", "did you mean 'symbols'?"),
    "a plugin's unknown key": Bad(
        "balance = 10000", "balanse = 10000", "accounts.paper.balanse", "did you mean 'balance'?"
    ),
    "a plugin's own rule": Bad("fee = 0", "fee = 7", "accounts.paper.fee = 7"),
    "a word for a number": Bad("leverage = 2", 'leverage = "two"', "symbols.BTCUSDT.leverage = 'two'"),
    "a symbol's name": Bad("[symbols.BTCUSDT]", "[symbols.btc-usdt]", "btc-usdt", "not allowed"),
    "a plugin that is not installed": Bad(
        'plugin = "paper"', 'plugin = "papper"', "accounts.paper", "did you mean 'paper'?", line=""
    ),
    "private API in public without token": Bad(
        "private = { port = 0 }",
        'private = { port = 0, host = "0.0.0.0" }',
        "listen.private",
        "set listen.private.token",
    ),
}


class Harness:
    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        self.home = engine.home
        self.percent = 50

    def refused(self) -> list[str]:
        refused: list[str] = self.engine.state()["settings"]["refused"]
        return refused

    def until_refused(self, *told: str) -> str:
        """Wait until an edit is refused for that reason: a half-written file may be refused for another one."""

        def look() -> str:
            refused = "\n".join(self.refused())
            return refused if all(part in refused for part in told) else ""

        return self.engine.wait(look)

    def still_trades(self) -> None:
        """The last good settings are active: weight 0.5 at leverage 2 of 10,000."""
        assert self.engine.state()["symbols"]["BTCUSDT"] == {
            "leverage": "2",
            "weights": {"tradingview": "0.5"},
        }
        self.percent = 150 - self.percent
        self.engine.accept(symbol="BTCUSDT.P", direction="long", size=f"{self.percent}/100")
        self.engine.until_position("BTCUSDT", str(self.percent / 100 * 0.2))

    def put_right(self) -> None:
        """Save a valid change, see it applied, and revert it."""
        for leverage, size in ((1, 0.1), (2, 0.2)):
            self.home.settings.write_text(GOOD.replace("leverage = 2", f"leverage = {leverage}"))
            self.engine.until_position("BTCUSDT", f"{self.percent / 100 * size:g}")
        assert not self.refused()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """Yield one engine that all these edits are tried on: none of them may leave a trace."""
    home = Home(tmp_path_factory.mktemp("refused"))
    home.settings.write_text(GOOD)
    with EngineProcess(home) as engine:
        engine.until_ready()
        pid = engine.process.pid
        harness = Harness(engine)
        harness.still_trades()
        yield harness
        assert engine.process.poll() is None
        assert engine.state()["engine"]["pid"] == pid
        assert home.log().count("Traceback") == 0


@pytest.fixture
def harness(shared: Harness) -> Harness:
    """Start with good settings, whatever an earlier test left."""
    settings = shared.home.settings
    if settings.is_dir():
        settings.rmdir()
    shared.home.write_secrets(f'[sources.tradingview]\ntoken = "{TOKEN}"\n')
    settings.unlink(missing_ok=True)
    settings.write_text(GOOD)
    shared.engine.wait(lambda: not shared.refused())
    shared.engine.wait(lambda: shared.engine.state()["symbols"]["BTCUSDT"]["leverage"] == "2")
    return shared


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_hold_is_refused_with_its_place_and_reason(name: str, harness: Harness) -> None:
    bad = BAD[name]
    harness.home.settings.write_text(bad.text)
    told = harness.until_refused(*bad.told)
    assert str(harness.home.settings) in told
    if name != "a plugin that is not installed":
        assert f"settings.toml:{line_of(bad.text, bad.line)}" in told
    logged = [
        f"settings refused; the last valid ones stay active: {problem}" for problem in harness.refused()
    ]
    harness.engine.wait(
        lambda: all(line in harness.home.log() for line in logged)
    )  # the log has a thread of its own
    harness.still_trades()
    harness.put_right()


def renamed_into_place(settings: Path, text: str) -> None:
    """Save as most editors do: a new file replaces the old one."""
    fresh = settings.with_name("settings.toml.new")
    fresh.write_text(text)
    fresh.replace(settings)


def test_a_half_written_file_is_refused_until_it_is_whole(harness: Harness) -> None:
    half = GOOD[: GOOD.index("0.5 }")]
    with harness.home.settings.open("w") as stream:
        stream.write(half)
        stream.flush()
        harness.until_refused("this is not TOML")
        harness.still_trades()
        stream.write(GOOD.removeprefix(half))
    harness.engine.wait(lambda: not harness.refused())
    harness.still_trades()


@pytest.mark.parametrize("lost", ["symbols", "accounts"])
def test_half_a_file_is_refused_though_it_is_valid_in_itself(lost: str, harness: Harness) -> None:
    harness.engine.wait(harness.engine.at_rest)
    before = harness.engine.standing()["paper"]["targets"]
    harness.home.settings.write_text(GOOD[: GOOD.index(f"[{lost}.")])
    harness.until_refused(f"{lost}: every entry is gone")
    assert harness.engine.standing()["paper"]["targets"] == before
    harness.still_trades()
    harness.put_right()


def test_an_emptied_file_is_refused(harness: Harness) -> None:
    harness.home.settings.write_text("")
    harness.until_refused("the file is empty")
    harness.still_trades()
    harness.put_right()


def test_a_binary_file_is_refused(harness: Harness) -> None:
    harness.home.settings.write_bytes(b"\xff\xfe" + GOOD.encode("utf-16-le"))
    harness.until_refused("not UTF-8")
    harness.still_trades()
    harness.put_right()


def test_a_file_that_cannot_be_read_is_refused(harness: Harness) -> None:
    harness.home.settings.unlink()
    harness.home.settings.mkdir()
    harness.until_refused("cannot be read")
    harness.still_trades()
    harness.home.settings.rmdir()
    harness.put_right()


def test_a_file_renamed_into_place_is_seen_bad_or_good(harness: Harness) -> None:
    renamed_into_place(harness.home.settings, BAD["unknown key"].text)
    harness.until_refused("did you mean 'leverage'?")
    harness.still_trades()
    renamed_into_place(harness.home.settings, GOOD.replace("leverage = 2", "leverage = 1"))
    harness.engine.until_position("BTCUSDT", f"{harness.percent / 100 * 0.1:g}")
    renamed_into_place(harness.home.settings, GOOD)
    harness.engine.until_position("BTCUSDT", f"{harness.percent / 100 * 0.2:g}")
    assert not harness.refused()


def test_a_deleted_file_changes_nothing_and_a_new_one_is_read(harness: Harness) -> None:
    harness.home.settings.unlink()
    harness.until_refused("no such file")
    harness.still_trades()
    harness.put_right()


def test_a_deployment_that_turns_a_link_is_seen(harness: Harness, tmp_path: Path) -> None:
    for name, text in (("old", GOOD), ("new", GOOD.replace("leverage = 2", "leverage = 1"))):
        (tmp_path / name).write_text(text)
    link = harness.home.settings.with_name("link")
    link.symlink_to(tmp_path / "new")
    link.replace(harness.home.settings)
    harness.engine.until_position("BTCUSDT", f"{harness.percent / 100 * 0.1:g}")
    (tmp_path / "new").write_text(GOOD)
    harness.engine.until_position("BTCUSDT", f"{harness.percent / 100 * 0.2:g}")
    (tmp_path / "new").write_text(BAD["unknown key"].text)
    harness.until_refused("levrage")
    harness.home.settings.unlink()
    harness.put_right()


def test_every_problem_of_an_edit_is_reported_at_once(harness: Harness) -> None:
    text = GOOD.replace("leverage = 2", "leverage = 0").replace(
        "public = { port = 0 }", "public = { port = -1 }"
    )
    harness.home.settings.write_text(text.replace("weights", "wieghts"))
    told = harness.until_refused("weights")
    assert len(harness.refused()) == 3
    assert "settings.toml:2: listen.public.port = -1" in told
    assert "symbols.BTCUSDT.leverage = 0" in told
    assert "symbols.BTCUSDT.wieghts: unknown key; did you mean 'weights'?" in told
    harness.still_trades()
    harness.put_right()


def test_a_refused_secrets_file_hides_its_values(harness: Harness) -> None:
    before = harness.home.secrets.read_text()
    harness.home.write_secrets('[sources.tradingview]\ntoken = "short-and-bad"\n')
    told = harness.until_refused("sources.tradingview.token")
    assert ".secrets.toml:2" in told
    assert "short-and-bad" not in told + harness.home.log()
    harness.still_trades()
    harness.home.write_secrets(before)
    harness.engine.wait(lambda: not harness.refused())


def test_te_check_says_the_same(harness: Harness) -> None:
    assert te(harness.home, "check").returncode == 0
    harness.home.settings.write_text(BAD["weights above 1 together"].text)
    told = harness.until_refused("add up to 1.25")
    done = te(harness.home, "check")
    assert done.returncode == 2
    assert told in done.stderr
    harness.put_right()
