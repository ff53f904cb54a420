"""Talks to the running engine. It announces its addresses in the state folder while it runs."""

from __future__ import annotations

import json
import os
from typing import Any

from te_core.app.announcement import Announcement
from te_core.app.paths import Place
from te_core.cli.failure import ExitCode, Failure

_PATIENCE = 10.0
"""Seconds; `te plan` waits for every account to be read."""


class EngineDown(Failure):
    """No engine runs in this place."""

    def __init__(self, place: Place) -> None:
        super().__init__(
            f"no engine is running in {place.state}",
            next_step=f"start it: te --settings {place.settings} run",
            code=ExitCode.ENGINE,
        )


def ask(place: Place, path: str) -> Any:
    """Ask the running engine. Raises ``EngineDown``, or ``Failure`` with the engine's own words."""
    status, body = _exchange(place, path)
    if status != 200:
        raise Failure(str(body["error"]["reason"]))
    return body


def post(place: Place, path: str) -> Any | None:
    """Have the running engine do something; None when it knows nothing of that name. Raises as ``ask`` does."""
    status, body = _exchange(place, path, body=b"{}")
    if status not in {200, 404}:
        raise Failure(str(body["error"]["reason"]))
    return body if status == 200 else None


def _exchange(place: Place, path: str, *, body: bytes | None = None) -> tuple[int, Any]:
    announced = Announcement.read(place.state)
    if announced is None:
        raise EngineDown(place)
    headers = {"Content-Type": "application/json"} if body is not None else {}
    try:
        status, answer = request(announced.private + path, body=body, headers=headers)
        if status == 401:
            headers["Authorization"] = f"Bearer {_token(place)}"
            status, answer = request(announced.private + path, body=body, headers=headers)
    except OSError:
        raise EngineDown(place) from None
    return status, answer


def request(url: str, *, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Send one request to this machine; GET, or POST with a body. Gives the status and the JSON answer."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET" if body is None else "POST", target, body=body, headers=headers or {})
        response = connection.getresponse()
        if 300 <= response.status < 400:
            raise Failure(f"{parts.netloc} answers with a redirect, which no engine does: it is not followed")
        return response.status, json.loads(response.read() or b"{}")
    except (http.client.HTTPException, ValueError) as error:
        raise Failure(f"{parts.netloc} does not answer like an engine: {type(error).__name__}") from None
    finally:
        connection.close()


def _token(place: Place) -> str:
    from te_core.settings.loading import load_settings

    token = load_settings(place.settings, os.environ).listen.private.token
    return token.get_secret_value() if token else ""
