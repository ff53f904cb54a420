"""Commands from the page, without script: planned, confirmed once, carried out by the engine, followed to the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.end_to_end.engine_process import EngineProcess
from tests.page.visiting import VIEW, Visitor

pytestmark = pytest.mark.real_clock

HALT, FLATTEN, RESUME = "/do/halt/all", "/do/flatten/all", "/do/resume/all"


@pytest.fixture
def page(paper: EngineProcess) -> Iterator[Visitor]:
    """A browser that may command; remaining halts and pauses are lifted afterwards."""
    yield Visitor(paper).sign_in()
    paper.command("resume", accounts=[], reason="the test is over")
    paper.command("resume", sources=["tradingview"])
    paper.wait(lambda: paper.state()["commands"] == [])
    paper.wait(paper.at_rest)


def commands(engine: EngineProcess) -> list[str]:
    """Return the active commands as text."""
    return [row["text"] for row in engine.state()["commands"]]


def done(page: Visitor, where: str) -> str:
    """Follow an action until it is shown as done."""
    return page.until(where, "✓ Done").words


def test_a_halt_is_planned_in_numbers_and_allows_only_reductions(page: Visitor, paper: EngineProcess) -> None:
    plan = page.get(HALT)
    assert "2 positions worth" in plan.words
    assert "(paper) stay as they are" in plan.words
    assert paper.state()["commands"] == []  # viewing changes nothing
    answer = page.confirm(HALT, reason="storm ahead")
    assert answer.status == 303
    assert "storm ahead" in done(page, answer.location)
    (standing,) = commands(paper)
    assert "halted by page (session " in standing
    assert "■ HALTED" in page.get("/").words
    assert "By page (session " in page.get("/").words

    before = paper.position("BTCUSDT")
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="90/100", price="65000")
    paper.accept(symbol="BTCUSDT.P", direction="long", action="sell", size="20/100", price="65000")
    paper.wait(lambda: 0 < paper.position("BTCUSDT") < before)
    reduced = paper.position("BTCUSDT")
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")
    paper.wait(lambda: paper.state()["accounts"]["paper"]["targets"]["BTCUSDT"]["status"] == "halted")
    assert paper.position("BTCUSDT") == reduced

    plan = page.get(RESUME)
    assert "Lifts: all accounts: halted by page" in plan.words
    assert re.search(r"1 order on 1 account: 1 of them opens", plan.words)
    refused = page.confirm(RESUME)
    assert refused.status == 409
    assert "tick the box" in refused.words
    assert commands(paper) == [standing]
    answer = page.confirm(RESUME, read="yes")
    done(page, answer.location)
    paper.until_position("BTCUSDT", before)


def test_everything_is_closed_and_the_end_is_reported(page: Visitor, paper: EngineProcess) -> None:
    plan = page.get(FLATTEN)
    assert "■ Close 2 positions, then halt" in plan.words
    assert "All orders (2)" in plan.words
    answer = page.confirm(FLATTEN)
    words = done(page, answer.location)
    assert "everything is closed" in words
    assert "paper 2 0 ✓ nothing open" in words
    assert paper.position("BTCUSDT") == paper.position("ETHUSDT") == 0


def test_pressing_twice_or_going_back_does_nothing_more(page: Visitor, paper: EngineProcess) -> None:
    plan = page.get(HALT)
    form = {name: plan.field(name) for name in ("key", "id", "mark")}
    locations = {page.post(HALT, form).location for _ in range(3)}
    assert len(locations) == 1
    done(page, locations.pop())
    paper.command("resume", reason="meanwhile")
    # the old form again, as the back button sends it
    page.post(HALT, form)
    assert commands(paper) == []


def test_an_outdated_plan_is_shown_again(page: Visitor, paper: EngineProcess) -> None:
    plan = page.get(FLATTEN)
    form = {name: plan.field(name) for name in ("key", "id", "mark")}
    # another size does not change the plan: a stop does not wait for a moving market
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="60/100", price="65000")
    paper.wait(paper.at_rest)
    assert page.get(FLATTEN).field("mark") == form["mark"]
    # another side does
    paper.accept(symbol="BTCUSDT.P", direction="short", action="sell", size="50/100", price="65000")
    paper.wait(lambda: paper.position("BTCUSDT") < 0)
    answer = page.post(FLATTEN, form)
    assert answer.status == 409
    assert "Nothing was done; below is what would happen now" in answer.words
    assert commands(paper) == []
    assert paper.position("BTCUSDT") < 0
    again = {name: answer.field(name) for name in ("key", "id", "mark")}
    assert page.post(FLATTEN, again).status == 303
    paper.wait(lambda: paper.position("BTCUSDT") == 0)
    paper.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="50/100", price="65000")


def test_a_session_that_ended_midway_returns_to_the_plan(page: Visitor, paper: EngineProcess) -> None:
    plan = page.get(FLATTEN)
    form = {name: plan.field(name) for name in ("key", "id", "mark")}
    other = Visitor(paper, cookie=page.cookie)
    other.post("/logout", {"key": form["key"]})
    answer = page.post(FLATTEN, form)
    assert answer.status == 303
    assert answer.location == "/login?next=%2Fdo%2Fflatten%2Fall"
    assert commands(paper) == []


def test_one_symbol_of_one_account_is_closed_alone(page: Visitor, paper: EngineProcess) -> None:
    path = "/do/flatten/paper?symbol=ETHUSDT"
    assert "Close everything: paper ETHUSDT" in page.get(path).words
    held = paper.position("BTCUSDT")
    done(page, page.confirm(path).location)
    assert paper.position("ETHUSDT") == 0
    assert paper.position("BTCUSDT") == held != 0
    assert "Latest orders" in page.until("/why/ETHUSDT?account=paper", "s ago buy").words


def test_a_source_is_paused_with_its_share_held_or_closed(page: Visitor, paper: EngineProcess) -> None:
    held = paper.position("ETHUSDT")
    done(page, page.confirm("/do/pause/tradingview").location)
    assert "its share held" in commands(paper)[0]
    assert paper.position("ETHUSDT") == held
    assert "tradingview" in page.get("/").words
    plan = page.get("/do/pause/tradingview?close=1")
    assert "Its share is closed" in plan.words
    assert "0 of them open" in plan.words
    done(page, page.confirm("/do/pause/tradingview?close=1").location)
    paper.wait(lambda: paper.position("ETHUSDT") == 0)
    answer = page.confirm("/do/unpause/tradingview", read="yes")
    done(page, answer.location)
    paper.until_position("ETHUSDT", held)


def test_unknown_addresses_are_404_and_nonsense_is_refused(page: Visitor) -> None:
    for path in (
        "/do/dance/all",
        "/do/halt/nobody",
        "/do/pause/all",
        "/do/go/all",
        "/do/halt/all?symbol=<b>",
    ):
        assert page.get(path.replace("<", "%3C").replace(">", "%3E")).status == 404, path
    assert "Nothing there is halted" in page.get(RESUME).words
    assert "no symbol DOGEUSDT" in said_of(page, "/do/halt/paper?symbol=DOGEUSDT")
    key = page.get(HALT).field("key")
    for identity in ("", "short", "x" * 65, "a b c d e f g"):
        assert page.post(HALT, {"key": key, "id": identity, "mark": "x"}).status == 400
    assert page.get("/action/neverheard").status == 404


def said_of(page: Visitor, path: str) -> str:
    """Confirm a plan and return its result."""
    return page.get(page.confirm(path).location).words


def test_reasons_are_text(page: Visitor) -> None:
    evil = "<img src=x onerror=alert(1)>\n\u202e&"
    answer = page.confirm(HALT, reason=evil)
    shown = page.get(answer.location).text + page.get("/").text + page.get("/activity").text
    assert "<img" not in shown
    assert "\u202e" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


def test_a_viewer_sees_active_commands_and_no_buttons(page: Visitor, paper: EngineProcess) -> None:
    page.confirm(HALT)
    looker = Visitor(paper).sign_in(VIEW)
    shown = looker.get("/")
    assert "■ HALTED" in shown.words
    assert "<form" not in shown.text.replace('<form class="leave"', "")
