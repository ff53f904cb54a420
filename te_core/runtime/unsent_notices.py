"""The notices that one notifier has not sent yet, in a file, so that the next run of the engine sends them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from te_core.model.event import Event
from te_core.settings.files import replace_file

if TYPE_CHECKING:
    from loguru import Logger

_MODE = 0o600
_EVENTS = TypeAdapter(tuple[Event, ...])


class UnsentNotices:
    """A file of events whose texts are redacted. It exists only while there are any.

    A problem with the file is logged once, and affects nothing else: the journal has the events, too.
    """

    def __init__(self, path: Path, log: Logger) -> None:
        self._path = path
        self._log = log
        self._written: tuple[Event, ...] | None = None
        self._failed = False

    def load(self) -> tuple[Event, ...]:
        """Return the events that the last run did not send, oldest first; none if the file cannot be used."""
        try:
            found = _EVENTS.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is damaged"
            self._log.warning("the unsent notices of the last run cannot be read: {}: {}", self._path, reason)
            return ()
        self._written = found
        return found

    def save(self, events: Iterable[Event]) -> None:
        """Replace the content; without events, remove the file. It is not synced to disk: the event loop waits."""
        kept = tuple(events)
        if kept == self._written:
            return
        try:
            if kept:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                replace_file(self._path, _EVENTS.dump_json(kept).decode(), mode=_MODE, sync=False)
            else:
                self._path.unlink(missing_ok=True)
        except (OSError, ValueError, TypeError) as error:
            if not self._failed:
                self._log.warning("unsent notices would not outlast the engine: {}", error)
            self._failed = True
            return
        self._written, self._failed = kept, False
