"""Keeps secrets out of everything that is written (I12): every text passes through a redactor before it is written."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

Redact = Callable[[str], str]
"""Removes secrets from a text."""

MASK = "***"
SHORTEST = 6
"""Minimum length in characters of an unambiguous secret: it is masked wherever it occurs, even inside a word."""

_CREDENTIALS = (
    "key",
    "sign",
    "passphrase",
    "passwd",
    "password",
    "token",
    "secret",
    "authorization",
    "credential",
)
_NAME = re.compile(
    rf"(?i)(?:{'|'.join(_CREDENTIALS)})(?:ature)?s?"
    r"""(?P<quote>\\?["'])?\s{0,3}(?P<joint>[:=])\s{0,3}(?:(?:basic|bearer) )?"""
)
SHORTEST_DIGEST = 22
"""Length in characters of an MD5 digest in base64, without padding."""
_LONG_WORD = re.compile(r"[\w+/%-]{22}")
"""What may be a digest: there are hundreds of them, so only the few texts that match are searched for each."""

_WORD_BEFORE = re.compile(r"[\w-]{0,40}\Z")
_VALUE = re.compile(r"""(?P<edge>\\?["'])[^"'\\\n]*|[^\s"'&,;)}\]]+""")
"""The value of a credential recognised by its name: signatures and one-time values cannot be known beforehand."""


class Redactor:
    """Replaces every secret that it has learned with ``***``, also when quoted, escaped, in base64 or as a digest.

    Secrets shorter than ``SHORTEST`` are masked only as whole words: inside other words they would mask ordinary
    words and numbers. Whatever follows the name of a credential (``X-SIGN: …``, ``token=…``) is always masked.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._least = sys.maxsize
        self._short: re.Pattern[str] | None = None
        self._digests: frozenset[str] = frozenset()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn secrets; none is ever forgotten, because an old token may still appear in a late message."""
        known = self._secrets | {secret for secret in secrets if secret}
        if known != self._secrets:
            self._learn(known)

    def learn(self, *values: object) -> None:
        """Learn every secret found in models, dataclasses and containers, and what can be derived from it.

        That includes the secret parts of a URL, and the digests that an exchange computes from the secrets of one
        section and may echo (KuCoin's passphrase is one).
        """
        self.add(secret for value in values for secret in secrets_in(value))
        for value in values:
            for group in _groups(value):
                self.add_together(group)

    def add_together(self, secrets: Iterable[str]) -> None:
        """Learn the secrets of one section, and the digests that can be computed from them."""
        group = list(secrets)
        self.add(group)
        self._digests |= frozenset(_digests(group))

    def redact(self, text: str) -> str:
        """Return a text of external origin with every secret masked."""
        text = self.redact_long(text)
        if self._short is not None:
            text = self._short.sub(MASK, text)
        return _without_named(text)

    def redact_long(self, text: str) -> str:
        """Return a text with only unambiguous secrets masked: for the engine's own values, where 1234 may be a size."""
        if self._digests and len(text) >= SHORTEST_DIGEST and _LONG_WORD.search(text):
            text = _mask(text, [digest for digest in self._digests if digest in text])
        if len(text) < self._least:  # most of the texts: names, numbers, words
            return text
        while found := [form for form in self._forms if form in text]:
            # Repeat until none is left: a replacement may join the text around it into another secret.
            text = _mask(text, found)
        return text

    def _learn(self, known: frozenset[str]) -> None:
        self._secrets = known
        forms = {form for secret in known for part in _parts(secret) for form in _forms(part) if form}
        long = {form for form in forms if len(form) >= SHORTEST}
        short = {form for secret in known if len(secret) < SHORTEST for form in _words(secret)} - long
        self._forms = tuple(sorted(long, key=lambda form: (-len(form), form)))
        self._least = min(map(len, long), default=sys.maxsize)
        self._short = (
            re.compile("|".join(map(_as_word, sorted(short, key=lambda form: (-len(form), form)))))
            if short
            else None
        )


def redacted(value: Any, redact: Redact) -> Any:
    """Apply ``redact`` to every text in a JSON value, names of fields included; other values become text."""
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    if isinstance(value, dict | Mapping):  # checking for a plain dict is far faster than for Mapping
        return {
            redact(str(key)): redact(item) if type(item) is str else redacted(item, redact)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return redact(str(value))


def is_credential(name: object) -> bool:
    """Return whether a key is named like a credential."""
    return any(part in str(name).lower() for part in _CREDENTIALS)


def identifying(text: str, redact: Redact) -> str:
    """Redact a text that is compared later, so that different texts stay different."""
    shown = redact(text)
    return (
        text if shown == text else f"{shown}#{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"
    )


def ordering(text: str, redact: Redact) -> str:
    """Redact a sort key. A short number is never masked, even if it equals a secret: its order must not change."""
    return text if text.isdecimal() and len(text) < SHORTEST else redact(text)


def secrets_in(value: object) -> Iterator[str]:
    """Yield the secrets found in models, dataclasses and containers."""
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
    """Mask each span covered by secrets, merging overlapping ones, so that no fragment of a secret remains."""
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


def _groups(value: object) -> Iterator[list[str]]:
    """Yield the secrets that belong together: those of each model."""
    match value:
        case BaseModel():
            yield list(secrets_in(value))
            yield from _groups(dict(value))
        case Mapping():
            yield from _groups(list(value.values()))
        case list() | tuple():
            for item in value:
                yield from _groups(item)


def _digests(secrets: list[str]) -> Iterator[str]:
    """Yield the digests that exchanges compute from an account's secrets alone, in each spelling.

    An account has few secrets, so all pairs are tried.
    """
    texts = [secret.encode(errors="surrogatepass") for secret in dict.fromkeys(secrets) if secret][:8]
    for text in texts:
        yield from _spelled_out(hashlib.sha256(text).digest())
        yield from _spelled_out(hashlib.md5(text, usedforsecurity=False).digest())
        for key in texts:
            if key != text:
                yield from _spelled_out(hmac.digest(key, text, "sha256"))
                yield from _spelled_out(hmac.digest(key, text, "sha512"))


def _spelled_out(digest: bytes) -> tuple[str, ...]:
    text = base64.b64encode(digest).decode().rstrip("=")
    return (
        digest.hex(),
        digest.hex().upper(),
        text,
        base64.urlsafe_b64encode(digest).decode().rstrip("="),
        quote(text),
        quote(text, safe=""),
    )


def _parts(secret: str) -> Iterator[str]:
    """Yield a secret and, if it is a URL, its secret parts: log lines may quote only a path or a query."""
    yield secret
    if "://" not in secret:
        return
    try:
        address = urlsplit(secret)
        yield from (part for part in (address.password, address.username) if part and len(part) >= SHORTEST)
    except ValueError:
        return
    if len(address.path) > SHORTEST:
        yield address.path
    yield address.query
    segments = [segment for segment in address.path.split("/") if len(segment) >= SHORTEST]
    for segment in segments:
        if segment is segments[-1] or not (segment.isalpha() and segment.islower()):
            yield from (segment, unquote(segment))
    for _, value in parse_qsl(address.query):
        if len(value) >= SHORTEST:
            yield value


def _words(secret: str) -> Iterator[str]:
    """Yield the spellings of a short secret as a whole word."""
    yield from (secret, repr(secret)[1:-1], *_escaped(secret))
    raw = secret.encode(errors="surrogatepass")
    yield from (quote(raw, safe=""), quote_plus(raw), raw.hex())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (encode(raw).decode(), encode(raw).decode().rstrip("="))


def _as_word(form: str) -> str:
    before = r"(?<![^\W_])" if form[0].isalnum() else ""
    after = r"(?![^\W_])" if form[-1].isalnum() else ""
    return f"{before}{re.escape(form)}{after}"


def _without_named(text: str) -> str:
    """Mask what follows the name of a credential, as in printed headers, mappings, forms and URLs."""
    if "=" not in text and ":" not in text:
        return text
    lower = text.lower()
    if not any(name in lower for name in _CREDENTIALS):
        return text
    pieces, end = [], 0
    found = _NAME.search(text)
    while found:
        value = _VALUE.match(text, found.end()) if _is_name(text, found) else None
        if value:
            pieces += [text[end : value.start()], value["edge"] or "", MASK]
            end = value.end()
        found = _NAME.search(text, value.end() if value else found.end())
    return "".join([*pieces, text[end:]])


def _is_name(text: str, found: re.Match[str]) -> bool:
    """Return whether this names a value that follows rather than ending a clause: "unknown key: did you mean …"."""
    if found["joint"] == "=" or found["quote"]:
        return True
    before = _WORD_BEFORE.search(text[max(0, found.start() - 40) : found.start()])
    word = (before[0] if before else "") + text[found.start() : found.end()]
    return "-" in word or "_" in word or word != word.lower()


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
    """Return the characters that depend on the secret alone, wherever it occurs in the encoded text."""
    first = -(-offset * 8 // 6)
    return text[first : (offset + length) * 8 // 6]
