"""The conformance suite fails accounts that are wrong in the ways that exchange plugins are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    AccountContext,
    AuthError,
    DuplicateClientOrderId,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    Position,
    RateLimited,
)
from te_core.testing import virtual_clock
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.desk import Desk
from te_core.testing.faults import FaultyAccount
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.plugin import CAPABILITIES
from te_exchange_paper.testing import PaperVenue


class ExecutesDuplicates(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        try:
            return await super().place_order(order)
        except DuplicateClientOrderId:
            return await super().place_order(replace(order, client_order_id=order.client_order_id[::-1]))


class FindsNothing(PaperAccount):
    async def find_order(self, symbol: str, client_order_id: str) -> None:
        return None


class FindsAnything(PaperAccount):
    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        orders = self.executed_orders()
        return await super().find_order(symbol, client_order_id) or (orders[-1].report() if orders else None)


class ForgetsReduceOnly(PaperAccount):
    async def place_order(self, order: OrderRequest) -> OrderReport:
        return await super().place_order(replace(order, reduce_only=False))


class ForgetsTheSideOfPositions(PaperAccount):
    async def positions(self) -> Known[Mapping[str, Position]]:
        known = await super().positions()
        return replace(known, value={s: replace(p, quantity=abs(p.quantity)) for s, p in known.value.items()})


class CountsInContracts(PaperAccount):
    async def positions(self) -> Known[Mapping[str, Position]]:
        known = await super().positions()
        sizes = await self.instruments(list(known.value))
        value = {s: replace(p, quantity=p.quantity / sizes[s].contract_size) for s, p in known.value.items()}
        return replace(known, value=value)


class OverstatesTheLargestOrder(PaperAccount):
    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        known = await super().instruments(symbols)
        return {
            s: replace(i, largest_market_quantity=2 * (i.largest_market_quantity or Decimal(0)))
            for s, i in known.items()
        }


class HidesMinimums(PaperAccount):
    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        known = await super().instruments(symbols)
        return {
            s: replace(i, minimum_notional=Decimal(0), minimum_quantity=Decimal(0)) for s, i in known.items()
        }


class UnderstatesTheStep(PaperAccount):
    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        known = await super().instruments(symbols)
        return {s: replace(i, quantity_step=i.quantity_step / 10) for s, i in known.items()}


class KeepsItsLeverage(PaperAccount):
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        await super().set_leverage(symbol, 3, margin_mode)


class KeepsItsMarginMode(PaperAccount):
    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        pass

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        await super().set_leverage(symbol, leverage, MarginMode.ISOLATED)


class NeverSeesAChange(PaperAccount):
    first: Known[Mapping[str, Position]] | None = None

    async def positions(self) -> Known[Mapping[str, Position]]:
        now = await super().positions()
        if self.first is None and any(position.quantity for position in now.value.values()):
            self.first = now
        return replace(self.first or now, as_of=now.as_of)


class Mistranslates(FaultyAccount):
    """Raises another error than the contract asks for."""

    wrong: Mapping[type[Exception], Exception] = {
        RateLimited: OrderRejected("429"),
        AuthError: NotReady("401"),
        OutcomeUnknown: OrderRejected("timeout"),
    }

    async def open(self) -> None:
        await self._translated(super().open())

    async def place_order(self, order: OrderRequest) -> OrderReport:
        report: OrderReport = await self._translated(super().place_order(order))
        return report

    async def _translated(self, call: Any) -> Any:
        try:
            return await call
        except tuple(self.wrong) as error:
            raise self.wrong[type(error)] from error


class Mistaken(PaperVenue):
    """A venue whose plugin has a fault: in the account, or in what it raises."""

    def __init__(self, mistake: type[Any], folder: Path) -> None:
        self.mistake = mistake
        market = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000), "DOGEUSDT": Decimal("0.125")}
        super().__init__(
            folder,
            clock=virtual_clock.VirtualClock(),
            log=logger,
            market=market,
            balance=100_000,
            fee="0.0006",
            instruments={
                "BTCUSDT": {"minimum_notional": 200},
                "ETHUSDT": {"largest_market_quantity": "7.7"},
                "DOGEUSDT": {"quantity_step": 100, "minimum_quantity": 100, "contract_size": 100},
            },
        )

    def make_paper(self, context: AccountContext[Any]) -> PaperAccount:
        made = self.mistake(context) if issubclass(self.mistake, PaperAccount) else PaperAccount(context)
        assert isinstance(made, PaperAccount)
        return made

    def connect(self) -> FaultyAccount:
        account = super().connect()
        if issubclass(self.mistake, FaultyAccount):
            self.account = self.mistake(account.inner, account.faults)
        return self.account


MISTAKES: list[tuple[str, type[Any]]] = [
    ("e03_reduce", ForgetsReduceOnly),
    ("e05_flip", ForgetsTheSideOfPositions),
    ("e06_leverage_change", KeepsItsLeverage),
    ("e07_margin_mode_change", KeepsItsMarginMode),
    ("e09_chunks", OverstatesTheLargestOrder),
    ("e10_reduce_only_refused", ForgetsReduceOnly),
    ("e12_rate_limit", Mistranslates),
    ("e13_bad_key", Mistranslates),
    ("e14_accepted_then_timed_out", FindsNothing),
    ("e14_accepted_then_timed_out", Mistranslates),
    ("e15_duplicate_client_order_id", ExecutesDuplicates),
    ("e15_duplicate_client_order_id", FindsAnything),
    ("e16_restart_with_an_open_intent", FindsNothing),
    ("e17_manual_change", NeverSeesAChange),
    ("e18_liquidation", NeverSeesAChange),
    ("e19_precision_and_contract_size", CountsInContracts),
    ("e19_precision_and_contract_size", UnderstatesTheStep),
    ("e19_rules_of_size_are_the_exchanges_own", HidesMinimums),
]


def run(case: str, account: type[Any], folder: Path) -> None:
    desk = Desk(folder, Mistaken(account, folder / "venue"), CAPABILITIES, patience=30)
    arguments = {"executed": True} if case.startswith("e16") else {}
    virtual_clock.run(getattr(ExchangeConformance(), f"test_{case}")(desk, **arguments))


@pytest.mark.parametrize("case", dict.fromkeys(case for case, _ in MISTAKES))
def test_without_a_mistake_the_case_passes(case: str, tmp_path: Path) -> None:
    run(case, PaperAccount, tmp_path)


@pytest.mark.parametrize(("case", "mistake"), MISTAKES)
def test_a_mistake_fails_its_case(case: str, mistake: type[Any], tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(case, mistake, tmp_path)
