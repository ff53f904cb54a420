"""How a command fails: what is wrong, what to do next, and an exit code that scripts can rely on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    INVALID = 2
    """Usage, or settings that do not hold."""
    ENGINE = 3
    """The engine is running already, or it is not running and the command needs it."""


class Failure(Exception):
    """Ends a command with a message and the next step."""

    def __init__(self, text: str, *, next_step: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        self.next_step = next_step
        self.code = code
        super().__init__(text)
