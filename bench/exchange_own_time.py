"""The engine's own time: from just before an alert is handed in until the bytes of the orders are at the exchange.

Both processes read one steady clock. The exchange records a request before its latency passes, so that the
handling of one order does not delay recording the next.
"""

from __future__ import annotations

from bench.exchange_engine import Round, bench
from harness.report import judge, print_line

LATENCY = 0.02
ALERTS = {1: 25, 10: 15}
"""Alerts by number of accounts."""


GOALS = {1: 5.0, 10: 10.0}
"""Milliseconds, p50, by number of accounts."""


async def measure(exchange: str, accounts: int) -> None:
    """Send alerts one by one, with streams and without limits per key."""
    found: list[Round] = []
    async with bench([exchange], accounts=accounts, streams=True, lifted=True, latency=LATENCY) as made:
        await made.alert("22")
        for number in range(ALERTS[accounts]):
            await made.rest(0.05)
            found.append(await made.alert("20" if number % 2 else "25"))
    taken = sorted(one.last * 1000 for one in found)
    half, most = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    what = f"{exchange}, {accounts:>2} account{'s' if accounts > 1 else ''}"
    read = sum(one.chain > 1 for one in found)
    print_line(
        f"  {what:<20} p50 {half:5.1f} ms, p99 {most:5.1f} ms until the last order is at the exchange"
        + (f"; {read} of {len(found)} had to read first" if read else "")
    )
    judge(f"own time, {what}: p50 {half:.1f} ms", f"{GOALS[accounts]:g} ms", met=half <= GOALS[accounts])
