"""How other processes find the running engine: it announces its addresses in the state folder."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

ANNOUNCEMENT = "engine.json"


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a running engine says of itself. ``public`` and ``private`` are addresses without trailing slash.

    ``nonce``: what it proves itself with, see ``te_core.web.identity``; the file is its owner's alone.
    """

    pid: int
    public: str
    private: str
    nonce: str = field(repr=False)

    def write(self, state: Path) -> None:
        """Announce; the file is replaced as a whole."""
        made = state / f".{ANNOUNCEMENT}.new"
        made.write_text(json.dumps(asdict(self)))
        made.replace(state / ANNOUNCEMENT)

    @staticmethod
    def left_behind(state: Path) -> bool:
        """Return whether an engine that has ended, as the journal's lock is free, did not withdraw its own."""
        return (state / ANNOUNCEMENT).exists()

    @staticmethod
    def withdraw(state: Path) -> None:
        """Say that the engine has stopped."""
        (state / ANNOUNCEMENT).unlink(missing_ok=True)

    @classmethod
    def read(cls, state: Path) -> Announcement | None:
        """Return what an engine announced, not yet believed: a killed one leaves its file behind."""
        try:
            data = json.loads((state / ANNOUNCEMENT).read_text())
            announced = cls(data["pid"], data["public"], data["private"], data["nonce"])
            os.kill(announced.pid, 0)
        except PermissionError:
            return announced
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return announced
