"""Encrypts backups as age files (https://age-encryption.org), so that the age program can open them, too."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from te_core.moving.archive import BackupError

AGE = b"age-encryption.org/v1"
_PASSPHRASE = b"-> scrypt "


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """How a backup is encrypted: for ``recipients`` (``age1…``), or with a passphrase."""

    recipients: Sequence[str] = ()
    passphrase: str = ""


def is_sealed(file: Path) -> bool:
    """Return whether a file is encrypted."""
    return _beginning(file).startswith(AGE)


def wants_passphrase(file: Path) -> bool:
    """Return whether a file is encrypted with a passphrase."""
    return _PASSPHRASE in _beginning(file)


def _beginning(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(200)


def seal(stream: IO[bytes], target: IO[bytes], by: Seal) -> None:
    """Encrypt a stream; with a passphrase all of it is held in memory. Raises ``BackupError``."""
    age = _age()
    try:
        if by.passphrase:
            target.write(age.passphrase.encrypt(stream.read(), by.passphrase))
        else:
            recipients = [age.x25519.Recipient.from_str(text) for text in by.recipients]
            age.encrypt_io(stream, target, recipients)
    except (age.RecipientError, age.EncryptError) as error:
        raise BackupError(f"cannot encrypt: {error}; a recipient starts with age1") from None


def unseal(file: Path, *, passphrase: str = "", identities: Path | None = None) -> IO[bytes]:
    """Decrypt into memory. ``identities``: a file of age keys. Raises ``BackupError``."""
    age = _age()
    data = file.read_bytes()
    try:
        if passphrase:
            return io.BytesIO(age.passphrase.decrypt(data, passphrase))
        lines = identities.read_text(encoding="utf-8").splitlines() if identities is not None else []
        keys = [
            age.x25519.Identity.from_str(line.strip()) for line in lines if line.startswith("AGE-SECRET-KEY-")
        ]
        return io.BytesIO(age.decrypt(data, keys))
    except OSError as error:
        raise BackupError(f"{error.filename}: {error.strerror}") from None
    except (age.DecryptError, age.IdentityError):
        what = "the passphrase is wrong" if passphrase else "it is not encrypted for any of these identities"
        raise BackupError(f"cannot decrypt {file.name}: {what}, or the file is damaged") from None


def _age() -> Any:
    try:
        import pyrage  # type: ignore[import-untyped]  # it ships no types
    except ImportError:
        raise BackupError(
            "encrypted backups require the package pyrage: pip install 'te-core[encryption]'"
        ) from None
    return pyrage
