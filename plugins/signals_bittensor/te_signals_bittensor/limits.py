"""How much leverage upstream allows a miner on a pair: what a depth is a share of. Pure.

Upstream's limit depends on the account (its size, and whether it is a miner's own, an entity's subaccount, copied from
Hyperliquid, or a pro account), so the one number that it serves with every position does not tell it.
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
"""The one pro bucket that still trades the standard account."""


class Limit(NamedTuple):
    """The largest net leverage on a pair, None if nothing tells it, and where that comes from."""

    value: float | None
    basis: str


SERVED = "served with the position"
"""The basis of a limit that is a constant of the pair: a position may well exceed it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What upstream states of a miner's account."""

    size: float | None = None
    """In USD."""
    bucket: str = ""
    """Upstream's stage of the account, such as ``SUBACCOUNT_FUNDED``."""
    tier: int | None = None
    """The tier that the account's owner chose: 1 to 3, of standard subaccounts only."""
    hyperliquid: bool = False
    states_tier: bool = False
    """Whether upstream says anything of tiers: a missing one means an account older than they are, else nothing."""

    @property
    def pro(self) -> bool:
        """Return whether the account has the limits of pro accounts."""
        return self.bucket.startswith(("PRO_", "SUBACCOUNT_PRO_")) and self.bucket != _PRO_ON_STANDARD


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLimits:
    """One pair of ``/trade-pairs``, by upstream's names of the tiers."""

    by_size: Mapping[str, float]
    """Tier 1 (a subaccount's challenge) to 4: ``subaccount_positional_leverage_by_tier``."""
    standard: Mapping[str, float]
    """Tier 1 to 3, and -1 to -4 for accounts older than tiers: ``standard_positional_leverage_by_tier``."""
    pro: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Limits by upstream's id of a pair: the operator's own, and upstream's. Compared by identity."""

    own: Mapping[str, float]
    pairs: Mapping[str, PairLimits]


@dataclass(frozen=True, slots=True)
class Limits:
    """All that is known about limits. ``accounts``: what upstream states of each miner."""

    table: PairTable
    accounts: Mapping[str, Account]

    def of(self, hotkey: str) -> MinerLimits:
        """Return what holds for one miner."""
        return MinerLimits(self.table, self.accounts.get(hotkey), entity_of(hotkey) is not None)


class MinerLimits(NamedTuple):
    """The limits of one miner. ``account``: None if upstream states nothing of it."""

    table: PairTable
    account: Account | None
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
    """Return the limit of a standard subaccount, whose tier is bought and has nothing to do with its size.

    One whose tier upstream does not tell has the highest: its depth is then never more than what it risks.
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
