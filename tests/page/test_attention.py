"""What needs somebody, at exchanges that fail and by hands that interfere: it is told once, and nothing is made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from te_core.reporting.view import Mark
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.exchanges import Exchanges, exchanges
from tests.page.visiting import Answer, Visitor, secrets

pytestmark = pytest.mark.real_clock

LIMITED = Mark.LIMITED.sign.glyph


@pytest.fixture(scope="module")
def world() -> Iterator[Exchanges]:
    with exchanges("bybit", "mexc") as found:
        yield found


@pytest.fixture(scope="module")
def home(world: Exchanges, tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder: Path = tmp_path_factory.mktemp("attention") / "home"
    tree = {
        **PLAIN,
        "engine": {"backoff_first": "100ms", "backoff_last": "300ms", "resync": "500ms"},
        "accounts": {
            "bybit": world.section("bybit", drift="alert"),
            "mexc": world.section("mexc", limits={"symbol_exposure": 2000}),
        },
    }
    made = Home(folder, tree)
    made.write_secrets(tomlkit.dumps(secrets(sources={"tradingview": {"token": TOKEN}})))
    return made


@pytest.fixture(scope="module")
def engine(home: Home) -> Iterator[EngineProcess]:
    with EngineProcess(home) as started:
        started.until_ready()
        started.accept(symbol="ETHUSDT.P", direction="long", action="buy", size="40/100", price="3000")
        started.wait(lambda: started.position("ETHUSDT", "bybit") and started.position("ETHUSDT", "mexc"))
        yield started


@pytest.fixture
def page(engine: EngineProcess) -> Visitor:
    return Visitor(engine).sign_in()


def cards(answer: Answer) -> dict[str, str]:
    """Return what needs somebody: how bad it is, by its title."""
    found = re.findall(r'<article class="item (\w+)">.*?<h3>(.*?)</h3>', answer.text, re.S)
    return {title: severity for severity, title in found}


def until_card(page: Visitor, words: str, *, there: bool = True) -> Answer:
    """Poll until a card shows something, or no longer does."""

    def look() -> Answer | None:
        answer = page.get("/")
        return answer if any(words in title for title in cards(answer)) is there else None

    found = page.engine.wait(look)
    assert found is not None
    return found


def at_target(answer: Answer) -> tuple[int, int]:
    """Return how many targets are held, of how many, as the head says."""
    found = re.search(r"<strong>(\d+)</strong>/(\d+) at target", answer.text)
    assert found, answer.words[:500]
    return int(found[1]), int(found[2])


def total(answer: Answer) -> int:
    """Return the sum of real money, as the head says."""
    found = re.search(r"<strong>([\d\u202f]+)</strong> USDT", answer.text)
    assert found, answer.words[:500]
    return int(found[1].replace("\u202f", ""))


def cell(answer: Answer, account: str, symbol: str = "ETHUSDT") -> tuple[str, str]:
    """Return the class of a cell of the matrix, and what it says."""
    found = re.search(rf'<td class="(c [^"]*)"><a [^>]*id="c-{account}-{symbol}".*?</td>', answer.text, re.S)
    assert found, f"{account} {symbol}"
    return found[1], " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_nothing_needs_anybody_and_the_page_says_on_what_ground(page: Visitor) -> None:
    answer = page.until("/", "Nothing needs you")
    assert "targets are held, all 2 accounts are read, the source is working." in answer.words
    held, wanted = at_target(answer)
    assert held == wanted == 2


def test_an_exchange_that_is_down_is_one_card_and_its_cells_unknown(page: Visitor, world: Exchanges) -> None:
    before = page.get("/")
    world.fail("mexc")
    answer = until_card(page, "mexc cannot be read")
    critical = [title for title, severity in cards(answer).items() if severity == "critical"]
    assert critical == ["mexc cannot be read"]
    assert at_target(answer) == (1, 2)
    kind, words = cell(answer, "mexc")
    assert "unknown" in kind
    assert "not known" in words
    assert "1 as last seen" in answer.words
    assert abs(total(answer) - total(before)) < 100
    why = page.get("/why/ETHUSDT?account=mexc")
    assert "as last seen" in why.words
    assert "the account cannot be read for" in why.words
    assert "not confirmed yet" not in why.words
    page.until("/account/mexc", "as last seen")
    world.recover("mexc")
    until_card(page, "mexc cannot be read", there=False)


def test_closing_reaches_who_answers_and_waits_for_who_does_not(
    engine: EngineProcess, world: Exchanges
) -> None:
    page = Visitor(engine).sign_in()
    world.fail("mexc")
    until_card(page, "mexc cannot be read")
    plan = page.get("/do/flatten/all")
    assert "mexc cannot be read: marked to be closed" in plan.words
    where = page.confirm("/do/flatten/all").location
    engine.wait(lambda: world.held("bybit", "ETHUSDT") == 0)
    progress = page.until(where, "bybit 1 0 ✓ nothing open")
    assert "✓ Done" not in progress.words
    assert "Closing: 1 left" in progress.words
    assert world.held("mexc", "ETHUSDT") != 0
    world.recover("mexc")
    page.until(where, "✓ Done")
    assert world.held("mexc", "ETHUSDT") == 0
    page.confirm("/do/resume/all", read="yes")
    engine.wait(lambda: world.held("bybit", "ETHUSDT") != 0 and world.held("mexc", "ETHUSDT") != 0)
    engine.wait(engine.at_rest)


def test_a_position_closed_by_hand_is_reported_and_restored_on_resume(
    engine: EngineProcess, world: Exchanges
) -> None:
    page = Visitor(engine).sign_in()
    before = world.held("bybit", "ETHUSDT")
    world.close_by_hand("bybit", "ETHUSDT")
    answer = until_card(page, "bybit ETHUSDT: changed by someone else")
    kind, words = cell(answer, "bybit")
    assert "alarm" in kind
    assert "≠" in words
    plan = page.get("/do/heal/bybit")
    assert "ETHUSDT: held 0, target" in plan.words
    assert page.confirm("/do/heal/bybit").status == 409  # it opens: that has to be ticked
    assert page.confirm("/do/heal/bybit", read="yes").status == 303
    engine.wait(lambda: abs(world.held("bybit", "ETHUSDT") - before) <= before / 20)
    until_card(page, "changed by someone else", there=False)
    assert "No positions changed by others" in page.get("/do/heal/bybit").words


def test_a_position_closed_by_hand_is_accepted_when_somebody_says_so(
    engine: EngineProcess, world: Exchanges
) -> None:
    page = Visitor(engine).sign_in()
    before = world.held("bybit", "ETHUSDT")
    world.close_by_hand("bybit", "ETHUSDT")
    assert 'href="/do/accept/bybit"' in until_card(page, "bybit ETHUSDT: changed by someone else").text
    plan = page.get("/do/accept/bybit")
    assert "ETHUSDT: 0 stays, in place of" in plan.words
    assert "Nothing is ordered." in plan.words
    answer = page.confirm("/do/accept/bybit", reason="on purpose")
    assert answer.status == 303
    assert "accepted as it is by page (session" in page.until(answer.location, "✓ Done").words
    until_card(page, "changed by someone else", there=False)
    assert world.held("bybit", "ETHUSDT") == 0
    answer = page.until("/", "ETHUSDT: accepted as it is")
    assert "note" in {severity for title, severity in cards(answer).items() if "accepted" in title}
    assert page.confirm("/do/resume/bybit?symbol=ETHUSDT", read="yes").status == 303
    engine.wait(lambda: abs(world.held("bybit", "ETHUSDT") - before) <= before / 20)


def test_a_limit_is_one_note_and_marks_the_cells(engine: EngineProcess) -> None:
    page = Visitor(engine).sign_in()
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="90/100", price="65000")
    answer = page.until("/", "symbol_exposure holds back")
    kind, words = cell(answer, "mexc", "BTCUSDT")
    assert "look" in kind
    assert LIMITED in words
    notes = [title for title, severity in cards(answer).items() if severity == "note"]
    assert [title for title in notes if "symbol_exposure" in title] == [
        "symbol_exposure holds back 1 position"
    ]
    assert LIMITED in page.get("/why/BTCUSDT?account=mexc").text


def test_a_refused_alert_is_a_card_that_leads_to_it(engine: EngineProcess) -> None:
    page = Visitor(engine).sign_in()
    status, _ = engine.post({"symbol": "PEPEUSDT", "direction": "long", "action": "buy", "size": "1/100"})
    assert status == 422
    answer = until_card(page, "1 alert refused in 24 h")
    assert cards(answer)["1 alert refused in 24 h"] == "warning"
    assert 'The last by tradingview: symbol: "PEPEUSDT" is not mapped' in answer.words
    assert "1 refused in 24 h" in answer.words.partition("Sources")[2]
    listed = page.get("/activity?kind=refused")
    assert "PEPEUSDT" in listed.words
    assert "BTCUSDT" not in listed.text.partition('class="stream"')[2]


def test_after_a_restart_the_sum_is_as_last_seen_and_never_less(
    engine: EngineProcess, home: Home, world: Exchanges
) -> None:
    world.fail("mexc")
    targets = sum(len(one["targets"]) for one in engine.state()["accounts"].values())
    engine.stop()
    with EngineProcess(home) as restarted:
        restarted.until_listening()
        page = Visitor(restarted).sign_in()
        answer = page.until("/", "1 live", "1 as last seen")
        assert total(answer) > 19_500  # two accounts of 10,000, less what trading cost
        reached, wanted = at_target(answer)
        assert wanted == targets
        assert reached <= targets / 2
        assert "unknown" in cell(answer, "mexc")[0]
        world.recover("mexc")
        until_card(page, "mexc cannot be read", there=False)
