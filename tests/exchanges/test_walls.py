"""An access block in front of an exchange: reported as such, and not hit again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from te_core.api import AuthError, NotReady
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from te_emulators.wire.call import Call, Outcome, Reply, json_reply
from te_emulators.wire.server import WireServer
from tests.exchanges.trading import PLUGINS, account, quick, spec_of, trading

pytestmark = pytest.mark.real_clock

COUNTRY = Reply(
    body=b"<HTML><BODY>The Amazon CloudFront distribution is configured to block access from your country.",
    status=403,
    content_type="text/html",
)
CHALLENGE = Reply(
    body=b"<html><head><title>Just a moment...</title></head></html>",
    status=403,
    content_type="text/html",
    headers={"cf-mitigated": "challenge"},
)
US = json_reply({"code": "400302", "msg": "Our services are currently unavailable in the U.S."})
BORDER, BOTS = "where the exchange serves", "bot protection refuses this machine"


class Walled:
    """Blocks some kinds of requests, and counts them."""

    def __init__(self, server: WireServer, *kinds: str, answer: Reply) -> None:
        self.met: list[str] = []
        rendered, process = server.rendered, server.process

        async def nothing(call: Call, handler: Any, **rest: Any) -> Outcome:
            return await process(call, (lambda _call: {}) if call.kind in kinds else handler, **rest)

        def walled(call: Call, outcome: Outcome) -> Reply:
            if call.kind not in kinds:
                return rendered(call, outcome)
            self.met.append(call.kind)
            return answer

        server.process, server.rendered = nothing, walled  # type: ignore[method-assign]


@pytest.mark.parametrize("exchange", sorted(PLUGINS))
@pytest.mark.parametrize(
    ("answer", "error", "said"), [(COUNTRY, AuthError, BORDER), (CHALLENGE, NotReady, BOTS)]
)
async def test_a_wall_is_named_for_reads_and_orders(
    exchange: str, answer: Reply, error: type[Exception], said: str, tmp_path: Path
) -> None:
    async with running(exchange) as server, connected(spec_of(exchange), server, tmp_path) as found:
        await found.instruments(["BTCUSDT"])
        wall = Walled(server, "positions", "balance", "order", answer=answer)
        for ask in (found.positions, lambda: found.place_order(order("0.01"))):
            with pytest.raises(error, match=said) as raised:
                await ask()
            assert type(raised.value) is error
        assert wall.met.count("order") == 1


async def test_kucoins_own_words_for_a_border(tmp_path: Path) -> None:
    async with running("kucoin") as server, connected(spec_of("kucoin"), server, tmp_path) as found:
        Walled(server, "positions", answer=US)
        with pytest.raises(AuthError, match=BORDER):
            await found.positions()


@pytest.mark.parametrize("answer", [COUNTRY, CHALLENGE, US], ids=["country", "bots", "kucoin"])
async def test_a_close_into_a_wall_is_not_sent_again_at_once(answer: Reply, tmp_path: Path) -> None:
    """It used to be hit every second after the first."""
    async with running("kucoin") as server:
        settings = {
            "accounts": {"main": account("kucoin", server, streams=False)},
            "symbols": {"BTCUSDT": {"weights": {"said": "1"}}},
        }
        async with trading(tmp_path, settings, quick(spec_of("kucoin"))) as harness:
            await harness.say({"BTCUSDT": "0.1"})
            await harness.until_confirmed()
            wall = Walled(server, "order", answer=answer)
            await harness.say({"BTCUSDT": "0"})
            await harness.until(lambda: wall.met, "the close to be sent")
            await harness.until(lambda: harness.states()[0].hold, "the answer")
            (keeper,) = harness.states()
            assert keeper.hold is not None
            assert keeper.hold.retry.startswith("retrying after 60 s")
            assert keeper.hold.reduction, "reductions wait, too"
            assert len(wall.met) == 1
            assert (BOTS if answer is CHALLENGE else BORDER) in keeper.reason
