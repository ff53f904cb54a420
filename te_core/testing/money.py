"""Conformance cases about money: what orders cost, and payments that belong to no order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from te_core.model.money import FlowKind
from te_core.testing.exchange_harness import Ability
from te_core.testing.steps import hold
from te_core.testing.worker_harness import WorkerHarness

FIFTH = Decimal("0.2")
CLOSE = Decimal("0.05")
"""The share by which the price of an order may differ from the market price in an emulator."""


class MoneyCases:
    """Cases E50 and E51."""

    async def test_e50_what_an_order_cost(self, harness: WorkerHarness) -> None:
        """After a position is opened and closed the wallet has lost what the fills add up to, within 0.1 % of a fee."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            before = (await harness.account.equity()).value.wallet
            price = (await harness.account.prices([symbol])).value[symbol]
            await hold(harness, symbol, FIFTH)
            await hold(harness, symbol, Decimal(0))
            await harness.until(lambda: len(harness.journal.fills(9)) == 2, "both fills to be asked for")
            sold, bought = harness.journal.fills(9)
            assert bought.price is not None
            assert sold.price is not None
            assert abs(bought.price - price) < CLOSE * price
            assert bought.quantity == sold.quantity == (await harness.exchange.executed())[0].quantity
            if not harness.capabilities.tells_fees:
                pytest.skip("the exchange does not report fees")
            assert bought.fee is not None
            assert sold.fee is not None
            assert 0 < bought.fee < CLOSE * bought.quantity * price
            assert bought.fee_currency == sold.fee_currency != ""
            profit = sold.quantity * (sold.price - bought.price) - sold.fee - bought.fee
            assert sold.realised in (None, sold.quantity * (sold.price - bought.price))
            assert sold.gained == sold.quantity * (sold.price - bought.price)
            tally = {one.symbol: one for one in harness.journal.tallies(harness.worker.book)}[symbol]
            assert (tally.fills, tally.unpriced, tally.result + tally.unknown_fees) == (2, 0, profit)
            spent = await harness.fallen(before) - before
            assert abs(spent - profit) <= bought.fee / 1000 + Decimal("0.0001"), (
                "the sum over the fills is what the wallet lost"
            )

    async def test_e51_what_came_without_an_order(self, harness: WorkerHarness) -> None:
        """Payments since a time are returned, each with a stable key, and no trades are among them."""
        if not harness.capabilities.cash_flows:
            pytest.skip("the exchange does not report payments")
        async with harness:
            symbol = harness.exchange.symbols[0]
            since = harness.exchange.clock.now() - timedelta(hours=1)
            await hold(harness, symbol, FIFTH)
            before = await harness.account.cash_flows(since)
            told, able = harness.capabilities.cash_flows, harness.exchange.abilities
            if FlowKind.FUNDING in told and Ability.PAY_FUNDING in able:
                await harness.exchange.pay_funding(symbol, Decimal("0.001"))
                held = (
                    await harness.exchange.position(symbol)
                    * (await harness.account.prices([symbol])).value[symbol]
                )
                found = [flow for flow in await harness.account.cash_flows(since) if flow not in before]
                assert [(flow.kind in told, flow.symbol) for flow in found] == [(True, symbol)]
                assert abs(found[0].amount + held / 1000) < held / 10_000, "longs pay a positive rate"
                assert [
                    flow for flow in await harness.account.cash_flows(since) if flow not in before
                ] == found
                before = [*before, *found]
            if {FlowKind.DEPOSIT, FlowKind.WITHDRAWAL} <= told and Ability.TRANSFER in able:
                await harness.exchange.transfer(Decimal(100))
                await harness.exchange.transfer(Decimal(-30))
                found = [flow for flow in await harness.account.cash_flows(since) if flow not in before]
                assert sorted((flow.kind, flow.amount, flow.symbol) for flow in found) == [
                    (FlowKind.DEPOSIT, Decimal(100), None),
                    (FlowKind.WITHDRAWAL, Decimal(-30), None),
                ]
            assert not await harness.account.cash_flows(harness.exchange.clock.now() + timedelta(hours=1))
