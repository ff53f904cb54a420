"""A browser without script: stores its cookie, sends what browsers send, follows no redirects."""

from __future__ import annotations

import html
import http.client
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.end_to_end.engine_process import TIMEOUT, EngineProcess

CONTROL = "control-token-of-the-page-tests"
VIEW = "view-token-of-the-page-tests"


@dataclass
class Answer:
    """A response."""

    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def location(self) -> str:
        """The target of a redirect."""
        return self.headers.get("Location", "")

    @property
    def words(self) -> str:
        """The visible text."""
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", self.text)).split())

    def field(self, name: str) -> str:
        """Return the value of a field of its form."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no field {name} in {self.words[:500]}"
        return html.unescape(found[1])


@dataclass
class Visitor:
    """A browser at one engine."""

    engine: EngineProcess
    host: str = ""
    """The host as the browser names it; the engine's own address by default."""
    cookie: str = ""
    sent: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The origin of the engine's pages."""
        return f"http://{self.host or urlsplit(self.engine.announcement()['private']).netloc}"

    def ask(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str | None
    ) -> Answer:
        """Send one request. ``headers``: underscores stand for hyphens, None leaves one out."""
        address = urlsplit(self.engine.announcement()["private"])
        wanted: dict[str, str | None] = {"Host": self.host or address.netloc, "Sec-Fetch-Site": "same-origin"}
        if self.cookie:
            wanted["Cookie"] = self.cookie
        body = None
        if form is not None:
            body = urlencode(form)
            wanted |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT)
        try:
            kept = {name: value for name, value in wanted.items() if value is not None}
            connection.request(method, path, body=body, headers=kept)
            response = connection.getresponse()
            found = Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()
        if (given := found.headers.get("Set-Cookie")) is not None:
            self.cookie = given.partition(";")[0]
        return found

    def get(self, path: str, **headers: str | None) -> Answer:
        """Load a page."""
        return self.ask("GET", path, None, **headers)

    def until(self, path: str, *words: str) -> Answer:
        """Load a page until it contains all of the texts."""

        def look() -> Answer | None:
            answer = self.get(path)
            return answer if all(one in answer.words for one in words) else None

        found = self.engine.wait(look)
        assert found is not None
        return found

    def post(self, path: str, form: dict[str, str], **headers: str | None) -> Answer:
        """Send a form."""
        return self.ask("POST", path, form, **headers)

    def sign_in(self, token: str = CONTROL) -> Visitor:
        """Sign in."""
        answer = self.post("/login", {"token": token, "next": "/"})
        assert (answer.status, answer.location) == (303, "/"), answer.words
        return self

    def confirm(self, path: str, **fields: str) -> Answer:
        """Load a plan and confirm it."""
        plan = self.get(path)
        assert plan.status == 200, plan.words
        form = {name: plan.field(name) for name in ("key", "id", "mark")}
        return self.post(path, {**form, **fields})


def secrets(**more: Any) -> dict[str, Any]:
    """Return the content of ``.secrets.toml`` for these tests."""
    return {"listen": {"private": {"token": CONTROL}}, "page": {"view_token": VIEW}, **more}
