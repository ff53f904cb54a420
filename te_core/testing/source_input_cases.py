"""Conformance cases about what a source receives: garbage, failures of the sender, and requests to its webhook."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import pytest

from te_core.testing.endings import cancelled
from te_core.testing.source_harness import SourceAbility
from te_core.testing.source_runner_harness import SourceRunnerHarness
from te_core.testing.source_signal_cases import HALF, ZERO, listening, refused

GUESSES = 20
"""Wrong tokens after which the right one must still be accepted."""
OTHER_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS")
HANGING_UP = 0.5
"""Seconds after which the sender hangs up while the signal is written."""


def _needs(source: SourceRunnerHarness, *abilities: SourceAbility) -> None:
    """Skip the case if the source does not fetch, or if the emulator lacks an ability."""
    if not source.fetches:
        pytest.skip("the source does not fetch")
    for ability in abilities:
        if ability not in source.sender.abilities:
            pytest.skip(f"the emulator cannot {ability.replace('_', ' ')}")


async def _failed(source: SourceRunnerHarness, ability: SourceAbility) -> None:
    """Have the sender fail until it is reported, and longer; check that nothing was published because of it."""
    await source.state(source.first, HALF)
    number = await source.published()
    await source.sender.fail(ability)
    await source.until(lambda: bool(source.problems()), "a report of the failure")
    assert await source.published() == number, "an outage was published as a signal"


async def _recovered(source: SourceRunnerHarness) -> None:
    """Have the sender work again, and wait until its messages are followed and the parts of the source are well."""
    await source.sender.restore()
    await source.state(source.first, -HALF)
    await source.until(
        lambda: not source.problems().keys() - {"connection"}, "the outage to end (context.outages.well)"
    )


class SourceInputCases:
    """Cases S20 to S54."""

    async def test_s20_garbage_changes_nothing(self, source: SourceRunnerHarness) -> None:
        """What cannot be parsed is refused with a reason, publishes nothing, and the next message is followed."""
        async with source:
            if source.fetches:
                _needs(source, SourceAbility.SEND_GARBAGE)
            depth = HALF
            for body in source.sender.garbage:
                await source.state(source.first, depth)
                number, before = await source.published(), source.reports()
                if source.listens:
                    response = await source.sender.post(body)
                    assert refused(response), f"{body[:40]!r} was answered {response.status}"
                    assert response.body, f"{body[:40]!r} was refused without a reason"
                if source.fetches:
                    await source.sender.fail(SourceAbility.SEND_GARBAGE, body)
                    await source.quiet()
                    await source.sender.restore()
                    assert source.reports() > before, f"{body[:40]!r} is not reported"
                assert len(source.recorder.published) == number, f"{body[:40]!r} was published"
                depth = -depth

    async def test_s21_secrets_stay_secret(self, source: SourceRunnerHarness) -> None:
        """No secret is in what the source says, whatever the sender does and repeats."""
        async with source:
            await source.state(source.first, HALF)
            secrets = tuple(source.secrets())
            seen: list[tuple[str, str]] = []
            echoes = [json.dumps({"error": f"{secret} is wrong"}).encode() for secret in secrets]
            for ability in sorted(source.sender.abilities) if source.fetches else ():
                for echo in echoes or [b""]:
                    await source.sender.fail(ability, echo)
                    await source.quiet()
                    seen += source.shown()
                    await source.restored()
            if source.listens:
                await source.sender.post_request(source.sender.requests[0])
                for echo in echoes:
                    await source.sender.post(echo)
                    await source.sender.post(echo[:-1])
                for request in source.sender.unauthorised(source.sender.requests[0]):
                    await source.sender.post_request(request)
            await source.state(source.first, -HALF)
            for where, text in (*seen, *source.texts()):
                assert not any(secret in text for secret in secrets), f"a secret is in {where}"

    # -- fetching

    async def test_s40_an_outage_is_not_an_opinion(self, source: SourceRunnerHarness) -> None:
        """While the sender is away the outage is reported and the last signals remain; then it continues."""
        async with source:
            _needs(source, SourceAbility.GO_AWAY)
            await _failed(source, SourceAbility.GO_AWAY)
            await _recovered(source)

    async def test_s41_an_unanswered_request_is_given_up(self, source: SourceRunnerHarness) -> None:
        """A request has a time limit: a sender that never answers would otherwise be silent without a report."""
        async with source:
            _needs(source, SourceAbility.HANG)
            await _failed(source, SourceAbility.HANG)
            await _recovered(source)

    async def test_s42_a_refused_key_is_reported(self, source: SourceRunnerHarness) -> None:
        """A refused key is an outage that the operator can end, by a new key and ``te resume``."""
        async with source:
            _needs(source, SourceAbility.REFUSE_THE_KEY)
            await _failed(source, SourceAbility.REFUSE_THE_KEY)
            await source.restored()
            await _recovered(source)

    # -- listening

    async def test_s50_a_wrong_token_is_refused(self, source: SourceRunnerHarness) -> None:
        """Without the token nothing is published, and whoever guesses does not lock out the right one."""
        async with source:
            listening(source)
            await source.state(source.first, HALF)
            request = source.sender.requests[-1]
            forged = source.sender.unauthorised(request)
            if not forged:
                pytest.skip("the webhook needs no secret")
            await source.state(source.first, ZERO)
            for attempt in range(GUESSES):
                response = await source.sender.post_request(forged[attempt % len(forged)])
                assert refused(response), f"a request without the token was answered {response.status}"
            assert source.depth(source.first) == 0, "a request without the token was followed"
            await source.state(source.first, -HALF)

    async def test_s51_other_methods_are_refused(self, source: SourceRunnerHarness) -> None:
        """A link that is opened in a browser, or checked by a robot, is not a message."""
        async with source:
            listening(source)
            await source.state(source.first, HALF)
            request = source.sender.requests[-1]
            await source.state(source.first, ZERO)
            for method in OTHER_METHODS:
                response = await source.sender.post_request(replace(request, method=method))
                assert refused(response), f"{method} was answered {response.status}"
            assert source.depth(source.first) == 0, "a request of another method was followed"

    async def test_s52_screening_applies_the_same_checks(self, source: SourceRunnerHarness) -> None:
        """``screen`` answers only what ``on_webhook`` answers in the same way, and reads a message's body."""
        async with source:
            listening(source)
            await source.state(source.first, HALF)
            request = source.sender.requests[-1]
            assert source.runner.screen(replace(request, body=b"")) is None, (
                "the body of a message is not read"
            )
            for wrong in (replace(request, method="GET"), *source.sender.unauthorised(request)):
                screened = source.runner.screen(replace(wrong, body=b""))
                answered = await source.sender.post_request(wrong)
                if screened is not None:
                    both = f"screen() answered {screened.status}, on_webhook() {answered.status}"
                    assert refused(screened), both
                    assert refused(answered), both

    async def test_s53_a_sender_may_hang_up(self, source: SourceRunnerHarness) -> None:
        """A request whose sender hangs up is cancelled; the next one is answered as ever."""
        async with source:
            listening(source)
            await source.state(source.second, HALF)
            source.recorder.durable_after = 4 * HANGING_UP
            sending = asyncio.ensure_future(source.sender.send(source.first, HALF))
            await asyncio.sleep(HANGING_UP)
            ended = await cancelled(sending, within=HANGING_UP)
            assert ended, "the request goes on although its sender has hung up"
            source.recorder.durable_after = 0
            await source.state(source.first, -HALF)

    async def test_s54_the_example_is_accepted(self, source: SourceRunnerHarness) -> None:
        """The message that ``te run`` and ``te source url`` show works as it is."""
        async with source:
            listening(source)
            webhook = source.sender.spec.webhook
            if webhook is None:
                pytest.skip("the spec describes no webhook")
            for spelling in source.sender.symbols:
                response = await source.sender.post(json.dumps(webhook.example(spelling)).encode())
                assert 200 <= response.status < 300, f"answered {response.status}: {dict(response.body)}"
                assert source.depth(spelling) not in (None, Decimal(0)), "the example opens a position"
