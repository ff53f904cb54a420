"""From the bytes of a body to its text."""

from __future__ import annotations

from te_core.api import SignalRejected


class MalformedBody(SignalRejected):
    """The body is not a JSON object that can be persisted."""


def decode_text(body: bytes) -> str:
    """Decode a body. A byte-order mark is skipped: editors add one, and RFC 8259 allows ignoring it."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(
            f"byte {error.start} is not UTF-8", field="body", hint="save it as UTF-8"
        ) from None
