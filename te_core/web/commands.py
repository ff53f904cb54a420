"""What a command of the operator looks like on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from te_core.model.control import Action, Command
from te_core.settings.schema import SymbolSettings
from te_core.settings.section import SymbolName

Name = Annotated[str, Field(min_length=1, max_length=100)]
Text = Annotated[str, Field(max_length=200)]


class BadCommand(ValueError):
    """The body of a command does not hold; the text names the field."""


class Body(BaseModel):
    """One command. ``lasts`` in seconds; ``preview``: show what it would do, and change nothing."""

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
    lasts: Annotated[float, Field(gt=0, le=366 * 86_400)] | None = None
    leave_flat: Annotated[tuple[SymbolName, ...], Field(max_length=1000)] = ()
    preview: bool = False


class Sections(BaseModel):
    """Sections of symbols as they would be; null for one that is to have none."""

    model_config = ConfigDict(extra="forbid")

    symbols: dict[SymbolName, SymbolSettings | None]


class Symbols(BaseModel):
    """Symbols that are asked about."""

    symbols: Annotated[tuple[SymbolName, ...], Field(max_length=1000)]


def parse_sections(body: bytes) -> Mapping[str, SymbolSettings | None]:
    """Return the sections of a request. Raises ``BadCommand``."""
    try:
        return Sections.model_validate_json(body).symbols
    except ValidationError as error:
        raise _bad(error) from None


def parse_symbols(text: str) -> tuple[str, ...]:
    """Return the symbols of a query, with commas between. Raises ``BadCommand``."""
    try:
        return Symbols.model_validate({"symbols": text.split(",") if text else ()}).symbols
    except ValidationError as error:
        raise _bad(error) from None


def parse_command(action: str, body: bytes) -> tuple[Command, bool]:
    """Return the command of a request, and whether it is a preview. Raises ``BadCommand``."""
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
    first = error.errors(include_input=False, include_url=False)[0]
    field = ".".join(map(str, first["loc"]))
    return BadCommand(f"{field}: {first['msg']}" if field else first["msg"])
