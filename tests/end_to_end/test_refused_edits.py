"""An edit that does not hold is refused with its place and reason; what was good stays in force and trades on."""

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
    """A text that does not hold; where it says so, and what has to be told of it."""

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


class Desk:
    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        self.home = engine.home
        self.percent = 50

    def refused(self) -> list[str]:
        refused: list[str] = self.engine.state()["settings"]["refused"]
        return refused

    def until_refused(self, *told: str) -> str:
        """Wait until an edit is refused for that: a file that is just being written may be refused for less."""

        def look() -> str:
            refused = "\n".join(self.refused())
            return refused if all(part in refused for part in told) else ""

        return self.engine.wait(look)

    def still_trades(self) -> None:
        """The last good settings are in force: weight 0.5 at leverage 2 of 10,000."""
        assert self.engine.state()["symbols"]["BTCUSDT"] == {
            "leverage": "2",
            "weights": {"tradingview": "0.5"},
        }
        self.percent = 150 - self.percent
        self.engine.accept(symbol="BTCUSDT.P", direction="long", size=f"{self.percent}/100")
        self.engine.until_position("BTCUSDT", str(self.percent / 100 * 0.2))

    def put_right(self) -> None:
        """Save something good that is also something new, see it done, and go back."""
        for leverage, size in ((1, 0.1), (2, 0.2)):
            self.home.settings.write_text(GOOD.replace("leverage = 2", f"leverage = {leverage}"))
            self.engine.until_position("BTCUSDT", f"{self.percent / 100 * size:g}")
        assert not self.refused()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give one engine that all these edits are tried on: none of them may leave a trace."""
    home = Home(tmp_path_factory.mktemp("refused"))
    home.settings.write_text(GOOD)
    with EngineProcess(home) as engine:
        engine.until_ready()
        pid = engine.process.pid
        desk = Desk(engine)
        desk.still_trades()
        yield desk
        assert engine.process.poll() is None
        assert engine.state()["engine"]["pid"] == pid
        assert home.log().count("Traceback") == 0


@pytest.fixture
def desk(shared: Desk) -> Desk:
    """Begin with good settings, whatever an earlier test left."""
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
def test_what_does_not_hold_is_refused_with_its_place_and_reason(name: str, desk: Desk) -> None:
    bad = BAD[name]
    desk.home.settings.write_text(bad.text)
    told = desk.until_refused(*bad.told)
    assert str(desk.home.settings) in told
    if name != "a plugin that is not installed":
        assert f"settings.toml:{line_of(bad.text, bad.line)}" in told
    logged = [f"settings refused; the last good ones stay active: {problem}" for problem in desk.refused()]
    desk.engine.wait(
        lambda: all(line in desk.home.log() for line in logged)
    )  # the log has a thread of its own
    desk.still_trades()
    desk.put_right()


def renamed_into_place(settings: Path, text: str) -> None:
    """Save as most editors do: a new file takes the old one's name."""
    fresh = settings.with_name("settings.toml.new")
    fresh.write_text(text)
    fresh.replace(settings)


def test_a_half_written_file_is_refused_until_it_is_whole(desk: Desk) -> None:
    half = GOOD[: GOOD.index("0.5 }")]
    with desk.home.settings.open("w") as stream:
        stream.write(half)
        stream.flush()
        desk.until_refused("this is not TOML")
        desk.still_trades()
        stream.write(GOOD.removeprefix(half))
    desk.engine.wait(lambda: not desk.refused())
    desk.still_trades()


@pytest.mark.parametrize("lost", ["symbols", "accounts"])
def test_half_a_file_is_refused_though_it_is_valid_in_itself(lost: str, desk: Desk) -> None:
    desk.engine.wait(desk.engine.at_rest)
    before = desk.engine.standing()["paper"]["targets"]
    desk.home.settings.write_text(GOOD[: GOOD.index(f"[{lost}.")])
    desk.until_refused(f"{lost}: none is there any more")
    assert desk.engine.standing()["paper"]["targets"] == before
    desk.still_trades()
    desk.put_right()


def test_an_emptied_file_is_refused(desk: Desk) -> None:
    desk.home.settings.write_text("")
    desk.until_refused("the file is empty")
    desk.still_trades()
    desk.put_right()


def test_a_file_that_is_no_text_is_refused(desk: Desk) -> None:
    desk.home.settings.write_bytes(b"\xff\xfe" + GOOD.encode("utf-16-le"))
    desk.until_refused("not UTF-8")
    desk.still_trades()
    desk.put_right()


def test_a_file_that_cannot_be_read_is_refused(desk: Desk) -> None:
    desk.home.settings.unlink()
    desk.home.settings.mkdir()
    desk.until_refused("cannot be read")
    desk.still_trades()
    desk.home.settings.rmdir()
    desk.put_right()


def test_a_file_renamed_into_place_is_seen_bad_or_good(desk: Desk) -> None:
    renamed_into_place(desk.home.settings, BAD["unknown key"].text)
    desk.until_refused("did you mean 'leverage'?")
    desk.still_trades()
    renamed_into_place(desk.home.settings, GOOD.replace("leverage = 2", "leverage = 1"))
    desk.engine.until_position("BTCUSDT", f"{desk.percent / 100 * 0.1:g}")
    renamed_into_place(desk.home.settings, GOOD)
    desk.engine.until_position("BTCUSDT", f"{desk.percent / 100 * 0.2:g}")
    assert not desk.refused()


def test_a_deleted_file_changes_nothing_and_a_new_one_is_picked_up(desk: Desk) -> None:
    desk.home.settings.unlink()
    desk.until_refused("there is no such file")
    desk.still_trades()
    desk.put_right()


def test_a_deployment_that_turns_a_link_is_seen(desk: Desk, tmp_path: Path) -> None:
    for name, text in (("old", GOOD), ("new", GOOD.replace("leverage = 2", "leverage = 1"))):
        (tmp_path / name).write_text(text)
    link = desk.home.settings.with_name("link")
    link.symlink_to(tmp_path / "new")
    link.replace(desk.home.settings)
    desk.engine.until_position("BTCUSDT", f"{desk.percent / 100 * 0.1:g}")
    (tmp_path / "new").write_text(GOOD)
    desk.engine.until_position("BTCUSDT", f"{desk.percent / 100 * 0.2:g}")
    (tmp_path / "new").write_text(BAD["unknown key"].text)
    desk.until_refused("levrage")
    desk.home.settings.unlink()
    desk.put_right()


def test_every_problem_of_an_edit_is_told_at_once(desk: Desk) -> None:
    text = GOOD.replace("leverage = 2", "leverage = 0").replace(
        "public = { port = 0 }", "public = { port = -1 }"
    )
    desk.home.settings.write_text(text.replace("weights", "wieghts"))
    told = desk.until_refused("weights")
    assert len(desk.refused()) == 3
    assert "settings.toml:2: listen.public.port = -1" in told
    assert "symbols.BTCUSDT.leverage = 0" in told
    assert "symbols.BTCUSDT.wieghts: unknown key; did you mean 'weights'?" in told
    desk.still_trades()
    desk.put_right()


def test_a_refused_secrets_file_hides_its_values(desk: Desk) -> None:
    before = desk.home.secrets.read_text()
    desk.home.write_secrets('[sources.tradingview]\ntoken = "short-and-bad"\n')
    told = desk.until_refused("sources.tradingview.token")
    assert ".secrets.toml:2" in told
    assert "short-and-bad" not in told + desk.home.log()
    desk.still_trades()
    desk.home.write_secrets(before)
    desk.engine.wait(lambda: not desk.refused())


def test_te_check_says_the_same(desk: Desk) -> None:
    assert te(desk.home, "check").returncode == 0
    desk.home.settings.write_text(BAD["weights above 1 together"].text)
    told = desk.until_refused("add up to 1.25")
    done = te(desk.home, "check")
    assert done.returncode == 2
    assert told in done.stderr
    desk.put_right()
