"""How much leverage upstream allows a miner on a pair: the whole that a miner's share is a share of. Pure.

Upstream's limit depends on the account (its size, and whether it is a miner's own, an entity's subaccount, copied from
Hyperliquid, or a pro account), so it does not follow from the one number that is served with every position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from te_signals_bittensor.entities import entity_of
from te_signals_bittensor.network import Position

TIER_3_FROM = 200_000.0
TIER_4_FROM = 1_000_000.0
"""Account sizes in USD at which upstream's tiers by size begin (its ``docs/miner.md``, "Basic Rules")."""

CHALLENGE = "SUBACCOUNT_CHALLENGE"
ELIMINATED = "ELIMINATED"
_BASE = "1"
_PRO_ON_STANDARD = "PRO_CHALLENGE_TRANSITION"
"""The only pro bucket that still trades the standard account."""


class Limit(NamedTuple):
    """The largest net leverage on a pair."""

    value: float | None
    """None if it is unknown."""
    basis: str
    """Where it comes from."""


SERVED = "served with the position"
"""The basis of a limit that is a constant of the pair: a position may exceed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What upstream states about a miner's account."""

    size: float | None = None
    """In USD."""
    bucket: str = ""
    """Upstream's stage of the account, such as ``SUBACCOUNT_FUNDED``."""
    tier: int | None = None
    """The tier that the account's owner chose: 1 to 3, of standard subaccounts only."""
    hyperliquid: bool = False
    states_tier: bool = False
    """Whether upstream states tiers. If so, an account without one is older than tiers; if not, it may have one."""

    @property
    def pro(self) -> bool:
        """Whether the account has the limits of pro accounts."""
        return self.bucket.startswith(("PRO_", "SUBACCOUNT_PRO_")) and self.bucket != _PRO_ON_STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLimits:
    """The limits of one pair in ``/trade-pairs``, by upstream's names of the tiers."""

    by_size: Mapping[str, float]
    """Tier 1 (a subaccount's challenge) to 4: ``subaccount_positional_leverage_by_tier``."""
    standard: Mapping[str, float]
    """Tier 1 to 3, and -1 to -4 for accounts older than tiers: ``standard_positional_leverage_by_tier``."""
    pro: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Limits by upstream's id of a pair. Compared by identity."""

    own: Mapping[str, float]
    """The operator's: ``max_leverage``."""
    pairs: Mapping[str, PairLimits]
    """Upstream's."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Everything that is known about limits."""

    table: PairTable
    accounts: Mapping[str, Account]
    """What upstream states about each miner, by hotkey."""

    def of(self, hotkey: str) -> MinerLimits:
        """Return the limits of one miner."""
        return MinerLimits(self.table, self.accounts.get(hotkey), entity_of(hotkey) is not None)


class MinerLimits(NamedTuple):
    """The limits of one miner."""

    table: PairTable
    account: Account | None
    """None if upstream states nothing about it."""
    subaccount: bool

    def on(self, position: Position) -> Limit:
        """Return the limit of an open position."""
        own = self.table.own.get(position.asset)
        if own is not None:
            return Limit(own, "max_leverage")
        pair = self.table.pairs.get(position.asset)
        found = None if pair is None else self._by_tier(pair, position)
        return found or Limit(position.max_leverage, SERVED)

    def _by_tier(self, pair: PairLimits, position: Position) -> Limit | None:
        account = self.account or Account(hyperliquid=position.hyperliquid)
        if account.pro and pair.pro is not None:
            return Limit(pair.pro, "pro account")
        if self.subaccount and not account.hyperliquid and pair.standard:
            return _standard(pair, account, position.account_size)
        return _by_size(pair, account, position.account_size)


def tier_by_size(bucket: str, size: float) -> int:
    """Return upstream's tier, 1 to 4, of an account with ``size`` USD."""
    if bucket == CHALLENGE:
        return 1
    return 2 + (size >= TIER_3_FROM) + (size >= TIER_4_FROM)


def _by_size(pair: PairLimits, account: Account, served: float | None) -> Limit | None:
    size = account.size or served
    if size is None:
        return None
    tier = tier_by_size(account.bucket, size)
    value = pair.by_size.get(str(tier))
    return None if value is None else Limit(value, f"tier {tier} by account size")


def _standard(pair: PairLimits, account: Account, served: float | None) -> Limit | None:
    """Return the limit of a standard subaccount, whose tier is bought and does not depend on its size.

    If upstream does not state the tier, the highest one counts: the depth is then never more than what the account
    risks.
    """
    if not account.states_tier:
        highest = max(pair.standard, key=lambda tier: (tier.isdigit(), pair.standard[tier]))
        return Limit(pair.standard[highest], f"highest tier, {highest}")
    if account.tier is not None:
        value = pair.standard.get(str(account.tier))
        return None if value is None else Limit(value, f"tier {account.tier}")
    size = account.size or served
    older = _BASE if size is None else str(-tier_by_size(account.bucket, size))
    tier = older if older in pair.standard else _BASE
    return Limit(pair.standard[tier], f"tier {tier}") if tier in pair.standard else None
