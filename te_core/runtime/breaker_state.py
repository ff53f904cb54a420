"""The state of a circuit breaker's scope as JSON. It is journaled with each fill, which changes only one symbol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json import dumps
from typing import TypeVar

from pydantic import TypeAdapter

from te_core.rules.breakers import Sums
from te_core.rules.profit import Money, SymbolMoney

T = TypeVar("T")
Members = Mapping[str, tuple[T, str]]
"""By symbol: a value, and its encoded member of a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    sums: Sums
    money: Money | None = None


_STATE = TypeAdapter(_State)
_SUMS, _MONEY, _SYMBOL = TypeAdapter(Sums), TypeAdapter(Money), TypeAdapter(SymbolMoney)


class StateWriter:
    """Encodes the state of one scope; encodes again only the symbols that changed since the last time."""

    def __init__(self) -> None:
        self._results: Members[object] = {}
        self._money: Members[SymbolMoney] = {}

    def write(self, sums: Sums, money: Money | None) -> str:
        """Return the state as JSON."""
        self._results = _members(self._results, sums.symbols, lambda result: f'"{result}"')
        parts = [f'"sums":{_object(_SUMS.dump_json(sums, exclude={"symbols"}), self._results)}']
        if money is not None:
            self._money = _members(
                self._money, money.symbols, lambda symbol: _SYMBOL.dump_json(symbol).decode()
            )
            parts.append(f'"money":{_object(_MONEY.dump_json(money, exclude={"symbols"}), self._money)}')
        return f"{{{','.join(parts)}}}"


def read_state(text: str) -> tuple[Sums, Money | None]:
    """Return the values that ``StateWriter.write`` encoded. Raise `ValidationError` if the text is not valid."""
    state = _STATE.validate_json(text)
    return state.sums, state.money


def _members(known: Members[T], values: Mapping[str, T], encode: Callable[[T], str]) -> Members[T]:
    return {
        symbol: before
        if (before := known.get(symbol)) is not None and before[0] is value
        else (value, f"{dumps(symbol)}:{encode(value)}")
        for symbol, value in values.items()
    }


def _object(others: bytes, symbols: Members[T]) -> str:
    """Return a JSON object with its other members and ``symbols``."""
    members = ",".join([member for _, member in symbols.values()])
    return f'{others.decode()[:-1]},"symbols":{{{members}}}}}'
