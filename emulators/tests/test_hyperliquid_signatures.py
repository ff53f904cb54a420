"""The stand-in for Hyperliquid signs like the exchange's own SDK: compared with a signature of that SDK and ccxt."""

from __future__ import annotations

import pytest

from te_emulators.standins.hyperliquid import signed

pytest.importorskip("ccxt")

ACTION = {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 5}
SIGNATURE = {
    "r": "0x7e02d7d502d416f2ee9f1bc38b987cbaa84e2fed6395fbaa88e34500f707055a",
    "s": "0x6915f3e91c22778108efba910f9f79c22b53a4feb3d9d196ee52074169f8984f",
    "v": 28,
}


def test_a_recorded_signature_is_made_again() -> None:
    assert signed(ACTION, 1_700_000_000_000) == SIGNATURE


def test_another_action_or_nonce_has_another_signature() -> None:
    assert signed({**ACTION, "leverage": 6}, 1_700_000_000_000) != SIGNATURE
    assert signed(ACTION, 1_700_000_000_001) != SIGNATURE
