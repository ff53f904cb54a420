"""What needs attention when exchanges fail and people interfere: each cause is shown once, and nothing is invented."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from te_core.reporting.view import Mark
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.page.exchanges import Exchanges, exchanges
from tests.page.tabs import accessible, live
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
    """Return the severity of each item by its title."""
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
    """Return how many targets are reached, of how many, as the header shows."""
    found = re.search(r"<strong>(\d+)</strong>/(\d+) at target", answer.text)
    assert found, answer.words[:500]
    return int(found[1]), int(found[2])


def total(answer: Answer) -> int:
    """Return the sum of real money, as the header shows."""
    found = re.search(r"<strong>([\d\u202f]+)</strong> USDT", answer.text)
    assert found, answer.words[:500]
    return int(found[1].replace("\u202f", ""))


def cell(answer: Answer, account: str, symbol: str = "ETHUSDT") -> tuple[str, str]:
    """Return the class of a cell of the matrix, and its text."""
    found = re.search(rf'<td class="(c [^"]*)"><a [^>]*id="c-{account}-{symbol}".*?</td>', answer.text, re.S)
    assert found, f"{account} {symbol}"
    return found[1], " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_nothing_needs_attention_and_the_page_shows_why(page: Visitor) -> None:
    answer = page.until("/", "Nothing needs attention")
    assert "targets reached, all 2 accounts are readable, the source is working." in answer.words
    held, wanted = at_target(answer)
    assert held == wanted == 2


def test_an_exchange_that_is_down_is_one_card_and_unknown_cells(page: Visitor, world: Exchanges) -> None:
    before = page.get("/")
    world.fail("mexc")
    answer = until_card(page, "mexc cannot be read")
    critical = [title for title, severity in cards(answer).items() if severity == "critical"]
    assert critical == ["mexc cannot be read"]
    assert at_target(answer) == (1, 2)
    kind, words = cell(answer, "mexc")
    assert "unknown" in kind
    assert "unknown" in words
    assert "1 as last seen" in answer.words
    assert abs(total(answer) - total(before)) < 100
    why = page.get("/why/ETHUSDT?account=mexc")
    assert "as last seen" in why.words
    assert "the account cannot be read for" in why.words
    assert "not confirmed yet" not in why.words
    page.until("/account/mexc", "as last seen")
    world.recover("mexc")
    until_card(page, "mexc cannot be read", there=False)


@pytest.mark.page
def test_an_open_page_shows_by_itself_what_is_down_and_back(
    tab: Any, engine: EngineProcess, world: Exchanges
) -> None:
    engine.wait(engine.at_rest)
    open_page = tab(width=375).page
    open_page.goto("/")
    live(open_page)
    world.fail("mexc")
    card = open_page.locator("article.item.critical", has_text="mexc cannot be read")
    card.wait_for()
    assert open_page.locator("article.item.critical").count() == 1
    open_page.get_by_role("link", name="■ 1 critical").wait_for()
    assert "1/2 at target" in open_page.locator(".head").inner_text()
    hatched = open_page.locator("td.unknown:has(#c-mexc-ETHUSDT) a")
    assert "gradient" in hatched.evaluate("(cell) => getComputedStyle(cell).backgroundImage")
    assert "?" in hatched.inner_text()
    accessible(open_page)
    world.recover("mexc")
    card.wait_for(state="detached")
    open_page.locator("td.unknown").wait_for(state="detached")
    open_page.goto("/money?period=all")
    assert open_page.get_by_role("heading", name="By symbol").is_visible()
    accessible(open_page, ((375, "light"), (1440, "dark")))


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
    assert "Closing: 1 still open" in progress.words
    assert world.held("mexc", "ETHUSDT") != 0
    world.recover("mexc")
    page.until(where, "✓ Done")
    assert world.held("mexc", "ETHUSDT") == 0
    page.confirm("/do/resume/all", read="yes")
    engine.wait(lambda: world.held("bybit", "ETHUSDT") != 0 and world.held("mexc", "ETHUSDT") != 0)
    engine.wait(engine.at_rest)


def test_a_position_closed_by_hand_is_restored_on_resume(engine: EngineProcess, world: Exchanges) -> None:
    page = Visitor(engine).sign_in()
    before = world.held("bybit", "ETHUSDT")
    world.close_by_hand("bybit", "ETHUSDT")
    answer = until_card(page, "bybit ETHUSDT: changed by someone else")
    kind, words = cell(answer, "bybit")
    assert "alarm" in kind
    assert "≠" in words
    plan = page.get("/do/heal/bybit")
    assert "ETHUSDT: held 0, target" in plan.words
    assert page.confirm("/do/heal/bybit").status == 409  # it opens: the box must be ticked
    assert page.confirm("/do/heal/bybit", read="yes").status == 303
    engine.wait(lambda: abs(world.held("bybit", "ETHUSDT") - before) <= before / 20)
    until_card(page, "changed by someone else", there=False)
    assert "No positions changed by others" in page.get("/do/heal/bybit").words


def test_a_position_closed_by_hand_is_accepted_by_command(engine: EngineProcess, world: Exchanges) -> None:
    page = Visitor(engine).sign_in()
    before = world.held("bybit", "ETHUSDT")
    world.close_by_hand("bybit", "ETHUSDT")
    path = "/do/accept/bybit?symbol=ETHUSDT"
    assert f'href="{path}"' in until_card(page, "bybit ETHUSDT: changed by someone else").text
    plan = page.get(path)
    assert "ETHUSDT: 0 is kept instead of" in plan.words
    assert "No order is sent." in plan.words
    answer = page.confirm(path, reason="on purpose")
    assert answer.status == 303
    assert "accepted as it is by page (session" in page.until(answer.location, "✓ Done").words
    until_card(page, "changed by someone else", there=False)
    assert world.held("bybit", "ETHUSDT") == 0
    answer = page.until("/", "ETHUSDT: accepted as it is")
    assert "note" in {severity for title, severity in cards(answer).items() if "accepted" in title}
    assert page.confirm("/do/resume/bybit?symbol=ETHUSDT", read="yes").status == 303
    engine.wait(lambda: abs(world.held("bybit", "ETHUSDT") - before) <= before / 20)


def test_one_changed_position_is_restored_another_accepted(engine: EngineProcess, world: Exchanges) -> None:
    page = Visitor(engine).sign_in()
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="20/100", price="65000")
    before = engine.wait(lambda: world.held("bybit", "BTCUSDT"))
    engine.wait(engine.at_rest)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        world.close_by_hand("bybit", symbol)
    answer = until_card(page, "bybit 2 symbols: changed by someone else")
    assert 'href="/do/heal/bybit"' in answer.text
    both = page.get("/do/heal/bybit")
    assert "Restore 2 positions of bybit" in both.words
    assert 'href="/do/heal/bybit?symbol=BTCUSDT"' in both.text
    one = page.get("/do/heal/bybit?symbol=BTCUSDT")
    assert "BTCUSDT: held 0, target" in one.words
    assert "ETHUSDT: held" not in one.words
    assert "Restore bybit BTCUSDT" in one.words
    assert (
        page.post("/do/heal/bybit", {name: one.field(name) for name in ("key", "id", "mark")}).status == 409
    )
    page.until(page.confirm("/do/heal/bybit?symbol=BTCUSDT", read="yes").location, "✓ Done")
    engine.wait(lambda: abs(world.held("bybit", "BTCUSDT") - before) <= before / 20)
    answer = until_card(page, "bybit ETHUSDT: changed by someone else")
    assert 'href="/do/heal/bybit?symbol=ETHUSDT"' in answer.text
    assert world.held("bybit", "ETHUSDT") == 0, "the other one is left alone"
    page.until(page.confirm("/do/accept/bybit?symbol=ETHUSDT").location, "✓ Done")
    until_card(page, "changed by someone else", there=False)
    assert world.held("bybit", "ETHUSDT") == 0
    assert page.confirm("/do/resume/bybit?symbol=ETHUSDT", read="yes").status == 303
    engine.wait(lambda: world.held("bybit", "ETHUSDT") and engine.at_rest())


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
    assert 'Latest from tradingview: symbol: "PEPEUSDT" is not mapped' in answer.words
    assert "1 refused in 24 h" in answer.words.partition("Sources")[2]
    listed = page.get("/activity?kind=refused")
    assert "PEPEUSDT" in listed.words
    assert "BTCUSDT" not in listed.text.partition('class="stream"')[2]


def test_a_refused_order_is_counted_where_it_was_sent(engine: EngineProcess, world: Exchanges) -> None:
    page = Visitor(engine).sign_in()
    have_an_order_rejected(engine, world, "70/100")
    assert 'href="/activity?kind=rejected&amp;account=bybit"' in page.get("/").text
    listed = page.get("/activity?kind=rejected&account=bybit").text.partition('class="stream"')[2]
    assert "bybit ETHUSDT rejected by the exchange" in listed
    assert listed.count("long 0.7 @ 3000") == 1, "with the alert that caused it"
    assert "long 0.4" not in listed
    for kind in ("orders", "alert"):
        assert "long 0.4" in page.get(f"/activity?kind={kind}&account=bybit").text, kind


def have_an_order_rejected(engine: EngineProcess, world: Exchanges, size: str) -> None:
    """Make Bybit reject the first order of an alert."""
    engine.wait(engine.at_rest)
    before = engine.state()["accounts"]["bybit"]["rejected_24h"]
    world.reject_the_next_order("bybit")
    engine.accept(symbol="ETHUSDT.P", direction="long", action="buy", size=size, price="3000")
    engine.wait(lambda: engine.state()["accounts"]["bybit"]["rejected_24h"] > before)
    engine.wait(engine.at_rest)


def test_after_a_restart_the_sum_is_as_last_seen_and_never_less(
    engine: EngineProcess, home: Home, world: Exchanges
) -> None:
    have_an_order_rejected(engine, world, "75/100")
    world.fail("mexc")
    targets = sum(len(one["targets"]) for one in engine.state()["accounts"].values())
    engine.stop()
    with EngineProcess(home) as restarted:
        restarted.until_listening()
        page = Visitor(restarted).sign_in()
        answer = page.until("/", "1 live", "1 as last seen")
        assert total(answer) > 19_500  # two accounts of 10,000, less trading costs
        reached, wanted = at_target(answer)
        assert wanted == targets
        assert reached <= targets / 2
        assert "unknown" in cell(answer, "mexc")[0]
        (rejected,) = [title for title in cards(answer) if title.endswith("rejected in 24 h")]
        assert cards(answer)[rejected] == "warning"
        assert "Latest on bybit, ETHUSDT" in answer.words
        assert 'href="/activity?kind=rejected"' in answer.text
        world.recover("mexc")
        until_card(page, "mexc cannot be read", there=False)
