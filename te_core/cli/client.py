"""Sends requests to the running engine, which announces its addresses in the state folder while it runs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from te_core.app.announcement import Announcement
from te_core.app.paths import Paths
from te_core.cli.failure import ExitCode, Failure

JOURNAL_FILE = "journal.sqlite3"
"""The schema's default, repeated here: importing the schema takes longer than a request to the engine."""

_TIMEOUT = 10.0
"""Seconds; `te plan` waits until every account has been read."""


NOT_RUNNING = "no engine is running"


class EngineDown(Failure):
    """No engine answers with this state folder: none is running, or it hangs."""

    def __init__(self, paths: Paths) -> None:
        text, next_step = why_no_answer(paths), f"start it: te --settings {paths.settings} run"
        if text == NOT_RUNNING:
            text = f"{text} in {paths.state}"
        else:
            next_step = (
                "it is starting, busy or stuck; if it stays so, restart it the way it was started (pm2, systemd), "
                "or close positions without it: te flatten --direct"
            )
        super().__init__(text, next_step=next_step, code=ExitCode.ENGINE)


def holder_of_journal(paths: Paths) -> str:
    """Return which process holds the journal, as text; if no engine answers, this one hangs. Empty if none does."""
    from te_core.journal.lock import holder

    return holder(paths.state / setting(paths, "journal", "file"))


def why_no_answer(paths: Paths) -> str:
    """Return why no engine answers."""
    process = holder_of_journal(paths)
    return f"the engine ({process}) does not answer" if process else NOT_RUNNING


def ask(paths: Paths, path: str) -> Any:
    """Send a GET request to the running engine and return the answer.

    Raises ``EngineDown``, or ``Failure`` with the reason that the engine returned.
    """
    status, body = _exchange(paths, path)
    if status != 200:
        raise Failure(str(body["error"]["reason"]))
    return body


def post(paths: Paths, path: str, body: Mapping[str, Any] | None = None) -> Any | None:
    """Send a POST request to the running engine; return None for 404. Raises as ``ask`` does."""
    from te_core.web.encoding import encode

    status, answer = _exchange(paths, path, body=encode(body or {}).encode())
    if status not in {200, 404}:
        raise Failure(str(answer["error"]["reason"]))
    return answer if status == 200 else None


def command(paths: Paths, action: str, body: Mapping[str, Any]) -> Any:
    """Send an operator's command to the running engine and return the answer. Raises as ``ask`` does."""
    from te_core.web.encoding import encode

    status, answer = _exchange(paths, f"/api/v1/commands/{action}", body=encode(body).encode())
    if status != 200:
        raise Failure(str(answer["error"]["reason"]), next_step="te status shows what there is")
    return answer


def running_engine(paths: Paths) -> Announcement | None:
    """Return the engine that runs here, or None.

    ``engine.json`` is trusted only while the journal is locked, and only if the process that answers there proves that
    it is the engine that wrote the file: after a crash any process may listen on that port.
    """
    from te_core.journal.lock import is_locked

    announced = Announcement.read(paths.state)
    if announced is None or not is_locked(paths.state / setting(paths, "journal", "file")):
        return None
    return announced if _is_genuine(announced) else None


def _is_genuine(announced: Announcement) -> bool:
    from te_core.settings.secrets import random_secret
    from te_core.web.identity import is_proof

    challenge = random_secret()
    try:
        _, answer = request(announced.private, f"/healthz?challenge={challenge}")
    except (OSError, Failure):
        return False
    return isinstance(answer, dict) and is_proof(answer.get("proof"), announced.nonce, challenge)


def _exchange(paths: Paths, path: str, *, body: bytes | None = None) -> tuple[int, Any]:
    engine = running_engine(paths)
    if engine is None:
        raise EngineDown(paths)
    headers = {"Authorization": f"Bearer {setting(paths, 'listen', 'private', 'token')}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        status, answer = request(engine.private, path, body=body, headers=headers)
    except OSError:
        raise EngineDown(paths) from None
    if status == 401:
        raise Failure(
            "the running engine uses a different listen.private.token than the settings",
            next_step="restart the engine, or restore the token",
        )
    return status, answer


def request(
    base: str,
    target: str,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    authority: Path | None = None,
) -> tuple[int, Any]:
    """Send one request to this machine (GET, or POST if there is a body); return the status and the JSON answer.

    ``base``: the address of a listener. ``authority``: the certificate it must present, whatever name is in it.
    """
    import http.client

    connection = _connection(base, authority)
    try:
        connection.request("GET" if body is None else "POST", target, body=body, headers=headers or {})
        response = connection.getresponse()
        if 300 <= response.status < 400:
            raise Failure(f"{base} answered with a redirect, which an engine never does; it was not followed")
        return response.status, json.loads(response.read() or b"{}")
    except (http.client.HTTPException, ValueError) as error:
        raise Failure(f"{base} did not answer like an engine: {type(error).__name__}") from None
    finally:
        connection.close()


def _connection(base: str, authority: Path | None) -> Any:
    import http.client
    from urllib.parse import urlsplit

    from te_core.web.address import UNIX

    if base.startswith(UNIX):
        return _at_socket(base.removeprefix(UNIX))
    parts = urlsplit(base)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT)
    import ssl

    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False  # this machine's address is in no certificate
    # This exact certificate is expected; the strict X.509 checks that Python 3.13 enables by default do not matter.
    context.verify_flags = context.verify_flags & ~ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT, context=context)


def _at_socket(path: str) -> Any:
    import http.client
    import socket

    class Local(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(self.timeout)
            self.sock.connect(path)

    return Local("localhost", timeout=_TIMEOUT)


def setting(paths: Paths, *path: str) -> str:
    """Return one setting, even while an edit has broken others: the engine keeps running with its last good ones."""
    from te_core.settings.peek import peek

    default = JOURNAL_FILE if path == ("journal", "file") else ""
    return str(peek(paths.settings, os.environ, path) or default)
