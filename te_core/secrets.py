"""Keeps secrets out of everything that is written (I12): whoever writes a text passes it through a redactor."""

from __future__ import annotations

import base64
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

MASK = "***"
SHORTEST = 6


class Redactor:
    """Replaces every secret that it has learned with ``***``, also when quoted, escaped or in base64.

    Secrets shorter than ``shortest`` characters are not searched for: they would blot out ordinary words and
    numbers. They are still never shown where the value itself would be (``SecretStr``).
    """

    def __init__(self, secrets: Iterable[str] = (), *, shortest: int = SHORTEST) -> None:
        self._shortest = shortest
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._least = sys.maxsize
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn secrets; none is ever forgotten, for an old token may still come up in a late message."""
        known = self._secrets | {secret for secret in secrets if len(secret) >= self._shortest}
        if known != self._secrets:
            forms = {form for secret in known for form in _forms(secret) if len(form) >= self._shortest}
            self._secrets = known
            self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))
            self._least = min(map(len, forms), default=sys.maxsize)

    def learn(self, *values: object) -> None:
        """Learn every secret that stands anywhere in models, dataclasses and containers."""
        self.add(secret for value in values for secret in secrets_in(value))

    def redact(self, text: str) -> str:
        """Give the text without any secret."""
        if len(text) < self._least:  # most of what is looked at: names, numbers, words
            return text
        while found := [form for form in self._forms if form in text]:
            # Again until none is left: a replacement may join what stands around it into another secret.
            text = _mask(text, found)
        return text


def secrets_in(value: object) -> Iterator[str]:
    """Find the secrets in models, dataclasses and containers."""
    match value:
        case SecretStr() | SecretBytes() | Secret():
            inner = value.get_secret_value()
            yield inner.decode(errors="replace") if isinstance(inner, bytes) else str(inner)
        case BaseModel():
            yield from secrets_in(dict(value))
        case Mapping():
            yield from secrets_in(list(value.values()))
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from secrets_in(item)
        case _ if dataclasses.is_dataclass(value):
            for part in dataclasses.fields(value):
                yield from secrets_in(getattr(value, part.name))


def _mask(text: str, found: list[str]) -> str:
    """Replace each stretch that secrets cover, overlapping ones as one, so that no end of one stays."""
    covered = sorted(span for form in found for span in _spans(text, form))
    pieces, end = [], 0
    for start, stop in covered:
        if start >= end:
            pieces += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*pieces, text[end:]])


def _spans(text: str, form: str) -> Iterator[tuple[int, int]]:
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms(secret: str) -> Iterator[str]:
    plain = {secret, repr(secret)[1:-1], *_escaped(secret)}
    yield from plain
    for text in plain:  # JSON in JSON, as in a logged request body
        yield from _escaped(text)
    raw = secret.encode(errors="surrogatepass")
    yield from (quote(raw, safe=""), quote(raw), quote_plus(raw))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            yield _base64_core(encode(b"\0" * offset + raw).decode(), offset, len(raw))


def _escaped(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _base64_core(text: str, offset: int, length: int) -> str:
    """Cut to the characters that depend on the secret alone, wherever it stands in the encoded text."""
    first = -(-offset * 8 // 6)
    return text[first : (offset + length) * 8 // 6]
