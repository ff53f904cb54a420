"""The file in the state folder by which other processes find the running engine."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

ANNOUNCEMENT = "engine.json"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running engine announces. ``public`` and ``private`` are addresses without a trailing slash."""

    pid: int
    public: str
    private: str
    nonce: str = field(repr=False)
    """Proves the engine's identity, see ``te_core.web.identity``; only the file's owner can read it."""

    def write(self, state: Path) -> None:
        """Write the announcement; the file is replaced in one step."""
        made = state / f".{ANNOUNCEMENT}.new"
        made.write_text(json.dumps(asdict(self)))
        made.replace(state / ANNOUNCEMENT)

    @staticmethod
    def left_behind(state: Path) -> bool:
        """Return whether an earlier engine did not withdraw its announcement; call it with the journal locked."""
        return (state / ANNOUNCEMENT).exists()

    @staticmethod
    def withdraw(state: Path) -> None:
        """Remove the announcement of an engine that has stopped."""
        (state / ANNOUNCEMENT).unlink(missing_ok=True)

    @classmethod
    def read(cls, state: Path) -> Announcement | None:
        """Return an announcement that is not verified yet: a killed engine leaves its file behind."""
        try:
            data = json.loads((state / ANNOUNCEMENT).read_text())
            announced = cls(data["pid"], data["public"], data["private"], data["nonce"])
            os.kill(announced.pid, 0)
        except PermissionError:
            return announced
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return announced
