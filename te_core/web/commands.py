"""Request bodies of the operator's commands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from te_core.model.control import Action, Command
from te_core.settings.schema import SymbolSettings
from te_core.settings.section import SymbolName
from te_core.web.validation import first_problem

Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(max_length=200)]


class BadCommand(ValueError):
    """The body of a command is not valid; the message names the field."""


class Body(BaseModel):
    """One command."""

    model_config = ConfigDict(extra="forbid")

    by: Text = ""
    reason: Text = ""
    accounts: tuple[Name, ...] = ()
    sources: tuple[Name, ...] = ()
    symbol: Text = ""
    foreign: bool = False
    from_next_signal: bool = False
    close: bool = False
    depth: Annotated[Decimal, Field(ge=-1, le=1)] | None = None
    """Target exposure, -1 … 1."""
    lasts: Annotated[float, Field(gt=0, le=366 * 86_400)] | None = None
    """Seconds."""
    leave_flat: Annotated[tuple[SymbolName, ...], Field(max_length=1000)] = ()
    preview: bool = False
    """Change nothing."""


class Sections(BaseModel):
    """Hypothetical sections of symbols; null for a symbol without one."""

    model_config = ConfigDict(extra="forbid")

    symbols: dict[SymbolName, SymbolSettings | None]


class Symbols(BaseModel):
    """The requested symbols."""

    symbols: Annotated[tuple[SymbolName, ...], Field(max_length=1000)]


def parse_sections(body: bytes) -> Mapping[str, SymbolSettings | None]:
    """Return the sections of a request. Raise `BadCommand` if they are not valid."""
    try:
        return Sections.model_validate_json(body).symbols
    except ValidationError as error:
        raise _bad(error) from None


def parse_symbols(text: str) -> tuple[str, ...]:
    """Return the comma-separated symbols of a query. Raise `BadCommand` if they are not valid."""
    try:
        return Symbols.model_validate({"symbols": text.split(",") if text else ()}).symbols
    except ValidationError as error:
        raise _bad(error) from None


def parse_command(action: str, body: bytes) -> tuple[Command, bool]:
    """Return the command of a request, and whether it is a preview. Raise `BadCommand` if it is not valid."""
    try:
        said = Body.model_validate_json(body)
    except ValidationError as error:
        raise _bad(error) from None
    command = Command(
        action=Action(action),
        by=said.by or "the API",
        reason=said.reason,
        accounts=said.accounts,
        sources=said.sources,
        symbol=said.symbol,
        foreign=said.foreign,
        from_next_signal=said.from_next_signal,
        close=said.close,
        depth=said.depth,
        lasts=None if said.lasts is None else timedelta(seconds=said.lasts),
        leave_flat=said.leave_flat,
    )
    return command, said.preview


def _bad(error: ValidationError) -> BadCommand:
    field, problem = first_problem(error)
    return BadCommand(f"{field}: {problem}" if field else problem)
