"""Failures of commands: what is wrong, what to do next, and an exit code that scripts can rely on."""

from __future__ import annotations

from enum import IntEnum

from te_core.errors import CommandFailed


class ExitCode(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    INVALID = 2
    """Wrong usage or invalid settings."""
    ENGINE = 3
    """The engine is running already, or it is not running and the command needs it."""


class Failure(CommandFailed):
    """Raised to end a command with a message, the next step, and an exit code."""

    def __init__(self, text: str, *, next_step: str = "", code: ExitCode = ExitCode.FAILED) -> None:
        self.code = code
        super().__init__(text, next_step=next_step)
