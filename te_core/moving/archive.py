"""Reads and writes backup archives: a compressed tar whose first member lists the others with their digests."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from te_core.errors import TradeEngineError

FORMAT = 1
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 16 * 1024 * 1024
CHUNK = 1024 * 1024
SETTINGS = "settings.toml"
SECRETS = ".secrets.toml"
JOURNAL = "journal.sqlite3"
STATE = "state"
"""Folder in the archive for the rest of the state folder."""


class BackupError(TradeEngineError):
    """A backup cannot be created or used; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The contents of a backup and where it comes from."""

    version: str
    made_at: str
    machine: str
    journal: str
    """Path of the journal relative to the state folder; empty if there is none."""
    journal_id: str
    revision: str
    files: Mapping[str, str]
    """SHA-256 of each file in the archive, by name."""
    format: int = FORMAT


def write_archive(stream: IO[bytes], manifest: Manifest, folder: Path) -> None:
    """Write the files that the manifest lists from a folder. Raises ``OSError``."""
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=6) as tar:
        text = json.dumps(asdict(manifest), indent=2).encode()
        tar.addfile(_member(MANIFEST, len(text)), io.BytesIO(text))
        for name in manifest.files:
            with (folder / name).open("rb") as content:
                tar.addfile(_member(name, os.fstat(content.fileno()).st_size), content)


def _member(name: str, size: int) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.mode = size, 0o600
    return made


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unpack(stream: IO[bytes], folder: Path) -> Manifest:
    """Unpack an archive into an empty folder and verify each digest. Raises ``BackupError``."""
    try:
        with tarfile.open(fileobj=stream, mode="r:gz") as tar:
            members = iter(tar)
            manifest = _manifest(tar, next(members, None))
            found = dict(_unpacked(tar, members, manifest, folder))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise BackupError(f"the file is damaged, or is not a backup: {error}") from None
    if missing := [name for name in manifest.files if name not in found]:
        raise BackupError(f"the backup is truncated: {', '.join(missing[:3])} is missing")
    return manifest


def _manifest(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> Manifest:
    content = tar.extractfile(member) if member is not None and member.name == MANIFEST else None
    if content is None or member is None or member.size > LARGEST_MANIFEST:
        raise BackupError("this is not a backup of the engine: it does not start with a manifest")
    data: Any = json.loads(content.read())
    if data.get("format") != FORMAT:
        raise BackupError(
            f"the backup has format {data.get('format')}, this version reads {FORMAT}: use a newer version"
        )
    try:
        return Manifest(**data)
    except TypeError:
        raise BackupError("the backup's manifest is incomplete") from None


def _unpacked(
    tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], manifest: Manifest, folder: Path
) -> Iterator[tuple[str, str]]:
    for member in members:
        path = PurePosixPath(member.name)
        if (
            member.name not in manifest.files
            or path.is_absolute()
            or ".." in path.parts
            or not member.isreg()
        ):
            raise BackupError(f"the backup contains {member.name!r}, which its manifest does not list")
        content = tar.extractfile(member)
        assert content is not None  # it is a regular file
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest = _write(target, content)
        if digest != manifest.files[member.name]:
            raise BackupError(f"the backup is damaged: {member.name} does not match its digest")
        yield member.name, digest


def _write(target: Path, content: IO[bytes]) -> str:
    digest = hashlib.sha256()
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as stream:  # noqa: PTH123 - it is a descriptor
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            stream.write(chunk)
        stream.flush()
        os.fsync(handle)
    return digest.hexdigest()
