"""Keeps secrets out of everything that is written (I12): whoever writes a text passes it through a redactor."""

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
"""Takes secrets out of a text."""

MASK = "***"
SHORTEST = 6
"""Characters from which a text is unmistakable: it is masked wherever it stands, also within another word."""

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
"""Characters of MD5 in base64, without its padding."""
_LONG_WORD = re.compile(r"[\w+/%-]{22}")
"""What may be a digest: there are hundreds of them, and hardly a text is worth to be searched for any."""

_WORD_BEFORE = re.compile(r"[\w-]{0,40}\Z")
_VALUE = re.compile(r"""(?P<edge>\\?["'])[^"'\\\n]*|[^\s"'&,;)}\]]+""")
"""A credential by its name: signatures and one-time values cannot be known beforehand."""


class Redactor:
    """Replaces every secret that it has learned with ``***``, also when quoted, escaped, in base64 or as a digest.

    What is shorter than ``SHORTEST`` is masked where it stands as a word of its own: within others it would blot out
    ordinary words and numbers. What stands behind the name of a credential (``X-SIGN: …``, ``token=…``) is masked
    whatever it is.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._forms: tuple[str, ...] = ()
        self._least = sys.maxsize
        self._short: re.Pattern[str] | None = None
        self._digests: frozenset[str] = frozenset()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Learn secrets; none is ever forgotten, for an old token may still come up in a late message."""
        known = self._secrets | {secret for secret in secrets if secret}
        if known != self._secrets:
            self._learn(known)

    def learn(self, *values: object) -> None:
        """Learn every secret that stands anywhere in models, dataclasses and containers, and what follows from it.

        That is the secret parts of an address, and the digests that an exchange makes of the secrets of one section
        and may echo (KuCoin's passphrase is one).
        """
        self.add(secret for value in values for secret in secrets_in(value))
        for value in values:
            for group in _groups(value):
                self.add_together(group)

    def add_together(self, secrets: Iterable[str]) -> None:
        """Learn the secrets of one section, and the digests that can be made of them."""
        group = list(secrets)
        self.add(group)
        self._digests |= frozenset(_digests(group))

    def redact(self, text: str) -> str:
        """Return a text from outside without any secret."""
        text = self.redact_long(text)
        if self._short is not None:
            text = self._short.sub(MASK, text)
        return _without_named(text)

    def redact_long(self, text: str) -> str:
        """Return a text without the secrets that cannot be mistaken: for values of our own, a size of 1234 is one."""
        if self._digests and len(text) >= SHORTEST_DIGEST and _LONG_WORD.search(text):
            text = _mask(text, [digest for digest in self._digests if digest in text])
        if len(text) < self._least:  # most of what is looked at: names, numbers, words
            return text
        while found := [form for form in self._forms if form in text]:
            # Again until none is left: a replacement may join what stands around it into another secret.
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
    if isinstance(value, dict | Mapping):  # a plain dict is told far quicker than any mapping
        return {
            redact(str(key)): redact(item) if type(item) is str else redacted(item, redact)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(item, redact) for item in value]
    return redact(str(value))


def is_credential(name: object) -> bool:
    """Whether a key is named as credentials are."""
    return any(part in str(name).lower() for part in _CREDENTIALS)


def identifying(text: str, redact: Redact) -> str:
    """Redact what is compared later, so that what differed still differs."""
    shown = redact(text)
    return (
        text if shown == text else f"{shown}#{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"
    )


def ordering(text: str, redact: Redact) -> str:
    """Redact what things are ordered by. A short number is one, and not a short secret: it has to compare as before."""
    return text if text.isdecimal() and len(text) < SHORTEST else redact(text)


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


def _groups(value: object) -> Iterator[list[str]]:
    """Find the secrets that belong together: those of each model."""
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
    """Compute what exchanges make of an account's secrets alone, in each spelling; few, so all pairs are tried."""
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
    """Return a secret, and where it is an address what is secret in it: log lines quote path or query alone."""
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
    """Return the spellings of a short secret as a word of its own."""
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
    """Mask what stands behind the name of a credential, as in printed headers, mappings, forms and addresses."""
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
    """Whether this names a value that follows, rather than ending a clause: "unknown key: did you mean …"."""
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
    """Cut to the characters that depend on the secret alone, wherever it stands in the encoded text."""
    first = -(-offset * 8 // 6)
    return text[first : (offset + length) * 8 // 6]
