"""The key of an account in the journal: by its identity at the exchange, not by its name in the settings (I20)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from te_core.journal.snapshot import AccountRecord

DIGITS = 8
"""Hexadecimal digits that distinguish two accounts of one name; more are used if the key is already taken."""


def book_of(known: Sequence[AccountRecord], *, name: str, plugin: str, host: str, uid: str) -> str:
    """Return the book of an account: the one it had before, whatever its name was, or one that is not in use.

    The book that equals the name is tried first, so that a journal from before identities stays valid. New credentials
    under an old name are another account and get their own book.
    """
    identity = (plugin, host, uid)
    for record in known:
        if (record.plugin, record.host, record.uid) == identity:
            return record.book
    taken = {record.book for record in known}
    if name not in taken:
        return name
    digest = blake2b("\0".join(identity).encode()).hexdigest()
    books = (f"{name}~{digest[:digits]}" for digits in range(DIGITS, len(digest) + 1))
    return next(book for book in books if book not in taken)
