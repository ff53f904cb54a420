"""Who may enter the page, the headers of every response, and which requests of browsers are refused."""

from __future__ import annotations

import subprocess
from urllib.parse import urlsplit

import pytest

from tests.end_to_end.engine_process import EngineProcess, te
from tests.page.visiting import CONTROL, VIEW, Visitor

pytestmark = pytest.mark.real_clock

PAGES = ("/", "/account/paper", "/why/BTCUSDT", "/activity", "/money", "/do/halt/all")
PLAN = "/do/halt/paper"


def test_every_page_sends_a_stranger_to_the_form_and_back(visitor: Visitor) -> None:
    for path in (*PAGES, "/why/BTCUSDT?account=paper", "/action/abcdefgh"):
        answer = visitor.get(path)
        assert answer.status == 303, path
        assert answer.location.startswith("/login?next=%2F")
    form = visitor.get(answer.location)
    assert form.status == 200
    answer = visitor.post("/login", {"token": CONTROL, "next": form.field("next")})
    assert (answer.status, answer.location) == (303, "/action/abcdefgh")
    assert visitor.get("/login").location == "/"


@pytest.mark.parametrize(
    "next_path", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", "\\\\x", ""]
)
def test_signing_in_leads_nowhere_else(visitor: Visitor, next_path: str) -> None:
    answer = visitor.post("/login", {"token": CONTROL, "next": next_path})
    assert (answer.status, answer.location) == (303, "/")


def test_the_cookie_is_out_of_reach_and_behind_a_proxy_for_tls(paper: EngineProcess) -> None:
    for host, name, secure in (("", "te_session", False), ("engine.example.org", "__Host-te_session", True)):
        visitor = Visitor(paper, host=host)
        answer = visitor.post("/login", {"token": VIEW}, Origin=f"https://{host}" if host else visitor.origin)
        given = answer.headers["Set-Cookie"]
        assert given.startswith(f"{name}=")
        for part in ("HttpOnly", "SameSite=Strict", "Path=/"):
            assert part in given
        assert ("Secure" in given) is secure
        assert visitor.get("/").status == 200
    # a cookie set over plain HTTP is not valid behind the proxy, where anybody may have set it
    assert (
        Visitor(paper, host="engine.example.org", cookie=f"te_session={visitor.cookie.partition('=')[2]}")
        .get("/")
        .status
        == 303
    )


def test_who_looks_may_not_command(visitor: Visitor) -> None:
    visitor.sign_in(VIEW)
    page = visitor.get("/")
    assert page.status == 200
    assert "Stop…" not in page.text
    assert visitor.get(PLAN).status == 403
    own = visitor.get("/").field("key")
    assert visitor.post(PLAN, {"key": own, "id": "abcdefgh", "mark": "x"}).status == 403
    assert visitor.post("/logout", {"key": own}).location == "/login"
    assert visitor.get("/").status == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example", "Sec_Fetch_Site": None}, 403),
        ({"Origin": "null", "Sec_Fetch_Site": None}, 403),
        ({"Origin": None, "Sec_Fetch_Site": None}, 403),
        ({"Origin": None, "Sec_Fetch_Site": "none"}, 403),
        ({"Origin": None, "Sec_Fetch_Site": "same-site"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Origin": None, "Sec_Fetch_Site": "same-origin"}, 303),
        ({"Sec_Fetch_Site": None}, 303),
    ],
)
def test_forms_are_accepted_from_own_pages_only(
    visitor: Visitor, headers: dict[str, str | None], status: int
) -> None:
    assert visitor.post("/login", {"token": VIEW}, **headers).status == status


def test_a_form_that_is_not_ours_is_refused_and_harms_nothing(paper: EngineProcess, visitor: Visitor) -> None:
    visitor.sign_in()
    for kind in ("multipart/form-data; boundary=x", "application/json", "text/plain", ""):
        assert visitor.post(PLAN, {"key": "x"}, Content_Type=kind).status == 415
    bogus = "application/x-www-form-urlencoded; charset=bogus"
    assert visitor.post(PLAN, {"key": "x"}, Content_Type=bogus).status == 403
    many = {f"field{number}": "x" for number in range(50)}
    assert visitor.post(PLAN, {"key": "x", **many}).status == 403
    assert visitor.post(PLAN, {"key": "x" * 1_100_000}).status == 413
    assert "a request failed" not in paper.home.log()


def test_a_form_without_the_key_of_its_session_changes_nothing(
    paper: EngineProcess, visitor: Visitor
) -> None:
    other = Visitor(paper).sign_in()
    visitor.sign_in()
    plan = visitor.get(PLAN)
    form = {name: plan.field(name) for name in ("id", "mark")}
    for key in ("", "x", other.get(PLAN).field("key"), "é"):
        answer = visitor.post(PLAN, {**form, "key": key})
        assert answer.status == 403
        assert "Nothing was done" in answer.words
    assert paper.state()["commands"] == []


def test_pages_of_other_sites_may_link_here_and_nothing_else(visitor: Visitor) -> None:
    visitor.sign_in(VIEW)
    follows = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert visitor.get("/", **follows).status == 200
    for mode, kind in (
        ("navigate", "iframe"),
        ("no-cors", "image"),
        ("cors", "empty"),
        ("no-cors", "script"),
    ):
        wanted = {**follows, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": kind}
        assert visitor.get("/", **wanted).status == 403, wanted
        assert visitor.get("/live", **wanted).status == 403
    assert visitor.get("/api/v1/state", **follows).status == 403
    # without its cookie, as browsers send such a request, it continues automatically from a page of our own
    visitor.cookie = ""
    answer = visitor.get("/money", **follows)
    assert answer.status == 200
    assert 'content="0;url=/money"' in answer.text


def test_many_wrong_tokens_wait_while_the_right_one_signs_in(
    paper: EngineProcess,
) -> None:
    visitor = Visitor(paper)
    statuses = [visitor.post("/login", {"token": f"wrong {number}"}).status for number in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    paper.wait(lambda: "page: too many wrong tokens from 127.0.0.1" in paper.home.events())
    assert paper.home.events().count("too many wrong tokens") == 1
    assert visitor.get("/login?code=wrong").status == 403
    assert visitor.sign_in(CONTROL).get("/").status == 200


def test_a_link_of_the_command_line_signs_in_once(paper: EngineProcess) -> None:
    for option, may_command in (("", True), ("--view", False)):
        ran = te(paper.home, "page", *([option] if option else []))
        assert ran.returncode == 0, ran.stderr
        link = urlsplit(ran.stdout.strip())
        assert f"{link.scheme}://{link.netloc}" == "https://engine.example.org"
        visitor, late = Visitor(paper), Visitor(paper)
        assert visitor.get(f"{link.path}?{link.query}").location == "/"
        assert ("Stop…" in visitor.get("/").text) is may_command
        assert late.get(f"{link.path}?{link.query}").status == 403
        assert late.get("/").status == 303


def test_a_link_is_made_for_the_token_only(paper: EngineProcess, visitor: Visitor) -> None:
    visitor.sign_in()
    assert visitor.ask("POST", "/api/v1/page/link", {}).status == 401
    bearer = {"Authorization": f"Bearer {CONTROL}"}
    assert visitor.ask("POST", "/api/v1/page/link", {}, **bearer).status == 415
    del paper


def test_a_session_may_read_the_api_and_command_nothing_there(visitor: Visitor) -> None:
    assert visitor.get("/api/v1/state").status == 401
    visitor.sign_in(VIEW)
    assert visitor.get("/api/v1/state").status == 200
    assert visitor.get("/api/v1/state", Sec_Fetch_Site="cross-site").status == 403
    assert visitor.post("/api/v1/commands/halt", {}).status == 401
    assert visitor.get("/metrics").status == 401
    assert visitor.get("/readyz").status == 401


def test_every_answer_carries_the_policy_and_is_not_kept(visitor: Visitor) -> None:
    strict = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    answers = [
        visitor.get("/login"),
        visitor.get("/"),
        visitor.get("/do/x/y"),
        visitor.get("/static/nothing"),
    ]
    visitor.sign_in()
    answers += [visitor.get(path) for path in (*PAGES, "/do/dance/all", "/action/unknown1")]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert {name: answer.headers[name] for name in strict} == strict
    assert [answer.status for answer in answers[4:]] == [200] * len(PAGES) + [404, 404]


def test_files_are_kept_for_ever_under_their_own_address(visitor: Visitor) -> None:
    page = visitor.get("/login")
    (address,) = {part for part in page.text.split('"') if part.startswith("/static/app.css")}
    kept, other = visitor.get(address), visitor.get("/static/app.css?v=old")
    assert "immutable" in kept.headers["Cache-Control"]
    assert other.headers["Cache-Control"] == "no-store"
    assert kept.text == other.text
    for odd in ("/static/..%2Fsite.py", "/static/nothing.js"):
        assert visitor.get(odd).status == 404


def test_a_stream_ends_with_its_session(visitor: Visitor) -> None:
    assert visitor.get("/live").status == 204
    assert visitor.get("/signed-in").status == 401
    visitor.sign_in(VIEW)
    assert visitor.get("/signed-in").status == 204


def test_names_in_an_address_are_text(visitor: Visitor) -> None:
    visitor.sign_in()
    for path in ("/account/%3Cscript%3E", "/why/%3Cscript%3E", "/why/BTCUSDT?account=%3Cscript%3E"):
        answer = visitor.get(path)
        assert answer.status == 404
        assert "<script>" not in answer.text.replace('<script src="', "")


def test_no_token_reaches_a_page_or_the_log(paper: EngineProcess, visitor: Visitor) -> None:
    visitor.sign_in()
    shown = "".join(visitor.get(path).text for path in PAGES)
    said = shown + paper.home.log() + paper.home.stdout.read_text()
    for secret in (CONTROL, VIEW, visitor.cookie.partition("=")[2]):
        assert secret not in said
    assert (
        subprocess.run(  # nor in the state folder, including the sessions
            ["grep", "-rlaF", visitor.cookie.partition("=")[2], str(paper.home.state)],
            capture_output=True,
            check=False,
        ).stdout
        == b""
    )
