"""How other processes find the running engine: it announces its addresses in the state folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

ANNOUNCEMENT = "engine.json"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running engine says of itself. ``public`` and ``private`` are addresses without trailing slash."""

    pid: int
    public: str
    private: str

    def write(self, state: Path) -> None:
        """Announce; the file is replaced as a whole."""
        made = state / f".{ANNOUNCEMENT}.new"
        made.write_text(json.dumps({"pid": self.pid, "public": self.public, "private": self.private}))
        made.replace(state / ANNOUNCEMENT)

    @staticmethod
    def withdraw(state: Path) -> None:
        """Say that the engine has stopped."""
        (state / ANNOUNCEMENT).unlink(missing_ok=True)

    @classmethod
    def read(cls, state: Path) -> Announcement | None:
        """Give what the engine announced; None when none runs. A killed engine leaves its file behind."""
        try:
            data = json.loads((state / ANNOUNCEMENT).read_text())
            os.kill(data["pid"], 0)
            return cls(data["pid"], data["public"], data["private"])
        except PermissionError:
            return cls(data["pid"], data["public"], data["private"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
