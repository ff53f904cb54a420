"""Entities and their subaccounts: many hotkeys of one operator. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from te_signals_bittensor.network import Miner
from te_signals_bittensor.strategy import Ranked

SUM = "sum"
_SUBACCOUNT = re.compile(r"(.+)_\d+")

Rank = Callable[[Sequence[Miner]], tuple[Ranked, ...]]


def entity_of(hotkey: str) -> str | None:
    """Return the entity that a subaccount (``<entity's hotkey>_<n>``) belongs to; None for a miner of its own."""
    found = _SUBACCOUNT.fullmatch(hotkey)
    return None if found is None else found[1]


def ranked_by_entity(
    miners: Sequence[Miner], rank: Rank, per_entity: int | str, sizes: Callable[[Miner], float | None]
) -> tuple[tuple[Ranked, ...], int]:
    """Rank miners with at most ``per_entity`` subaccounts of each entity; return also how many were left out.

    With ``"sum"`` an entity counts as one miner: all its qualifying subaccounts share the weight of the best, in
    proportion to the sizes of their accounts, or evenly if one size is unknown. Those after the best are not part of
    the percentiles. With 0 subaccounts count like any miner.
    """
    ranked = rank(miners)
    if not per_entity:
        return ranked, 0
    most = 1 if per_entity == SUM else int(per_entity)
    others = _beyond(ranked, most)
    if not others:
        return ranked, 0
    best = rank([miner for miner in miners if miner.hotkey not in others])
    if per_entity != SUM:
        return best, len(others)
    return _shared(best, others, sizes), 0


def _beyond(ranked: Iterable[Ranked], most: int) -> Mapping[str, Ranked]:
    """Return the subaccounts of each entity after its ``most`` best ones, by hotkey."""
    counted: Counter[str] = Counter()
    others = {}
    for entry in ranked:
        entity = entity_of(entry.miner.hotkey)
        if entity is None:
            continue
        counted[entity] += 1
        if counted[entity] > most:
            others[entry.miner.hotkey] = entry
    return others


def _shared(
    best: Sequence[Ranked], others: Mapping[str, Ranked], sizes: Callable[[Miner], float | None]
) -> tuple[Ranked, ...]:
    """Return the ranking with the weight of each entity's best subaccount shared by all of them."""
    by_entity: dict[str | None, list[Ranked]] = {}
    for entry in others.values():
        by_entity.setdefault(entity_of(entry.miner.hotkey), []).append(entry)
    shared: list[Ranked] = []
    for entry in best:
        entity = entity_of(entry.miner.hotkey)
        members = [entry, *(by_entity.get(entity, ()) if entity is not None else ())]
        stated = [sizes(member.miner) for member in members]
        stated_sizes = [size for size in stated if size is not None]
        parts = stated_sizes if len(stated_sizes) == len(members) else [1.0] * len(members)
        shared += [
            replace(member, weight=entry.weight * part / sum(parts))
            for member, part in zip(members, parts, strict=True)
        ]
    return tuple(shared)
