"""Reads from the running engine, or from its journal if none is running. Without secrets; blocking."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, running_engine, why_no_answer
from te_core.cli.failure import Failure
from te_core.cli.past import asking, order_address, query_of
from te_core.web.encoding import encode


def status(paths: Paths, account: str = "", symbol: str = "") -> dict[str, Any]:
    """Return the state, optionally of one account or symbol only. Raises ``Failure``."""
    from te_core.cli.offline import offline_state

    state = _asked(paths, "/api/v1/state", lambda: offline_state(paths))
    del state["plugins"]
    accounts = dict(state["accounts"])
    if account:
        if account not in accounts:
            raise Failure(
                f"there is no account {account}", next_step=f"accounts: {', '.join(accounts) or 'none'}"
            )
        accounts = {account: accounts[account]}
    if symbol:
        accounts = {name: _only(one, symbol.upper()) for name, one in accounts.items()}
    return {**state, "accounts": accounts}


def attention(paths: Paths) -> dict[str, Any]:
    """Return what needs attention, worst first, as in the first lines of ``te status``. Raises ``Failure``."""
    from te_core.cli.offline import offline_state
    from te_core.reporting.view.build import view

    state = _asked(paths, "/api/v1/state", lambda: offline_state(paths))
    seen = view(state)
    noted = {"note": state["note"]} if "note" in state else {}
    items = [json.loads(encode(asdict(item))) for item in seen.attention]
    return {**noted, "ready": seen.engine.ready, "attention": items, "nothing_because": seen.ground}


def _only(account: Mapping[str, Any], symbol: str) -> dict[str, Any]:
    parts = ("positions", "targets")
    return {**account, **{part: {k: v for k, v in account[part].items() if k == symbol} for part in parts}}


def explanation(paths: Paths, symbol: str, account: str = "") -> dict[str, Any]:
    """Return the arithmetic from signals to quantity. Raises ``Failure``."""
    from te_core.cli.offline import offline_explanation

    name = symbol.upper()
    found = _asked(paths, f"/api/v1/explain/{quote(name, safe='')}", lambda: offline_explanation(paths, name))
    if not account:
        return found
    if account not in found["accounts"]:
        known = ", ".join(found["accounts"])
        raise Failure(
            f"account {account} has no target for {name}", next_step=f"accounts that have one: {known}"
        )
    return {**found, "accounts": {account: found["accounts"][account]}}


def history(paths: Paths, what: str, *, since: str, until: str = "", **asked: str) -> dict[str, Any]:
    """Return history, newest first. ``since``, ``until``: as in ``te_core.cli.since``. Raises ``Failure``."""
    names = {name: asked.pop(name, "") for name in ("account", "symbol", "source")}
    query = query_of(since=since, until=until, **names)
    return _remembered(paths, what, {**query, **{name: value for name, value in asked.items() if value}})


def order(paths: Paths, name: str) -> dict[str, Any]:
    """Return why an order was sent, and its outcome. Raises ``Failure``."""
    return _remembered(paths, order_address(name), {})


def _remembered(paths: Paths, what: str, query: Mapping[str, str]) -> dict[str, Any]:
    noted = {} if running_engine(paths) else {"note": _no_engine(paths)}
    with asking(paths) as asked:
        return {**noted, **asked(what, query)}


def running(paths: Paths, path: str) -> dict[str, Any]:
    """Return an answer that only a running engine has. Raises ``EngineDown``, ``Failure``."""
    found: dict[str, Any] = ask(paths, path)
    return found


def settings(paths: Paths) -> dict[str, Any]:
    """Return the text of the settings with every secret masked. Raises ``Failure`` if they are refused."""
    from te_core.cli.versions import redactor_of_version
    from te_core.settings.layers import read
    from te_core.settings.problems import SettingsInvalid

    texts = read(paths.settings)
    try:
        hide = redactor_of_version(paths, texts)
    except SettingsInvalid as refused:
        problems = "; ".join(str(problem) for problem in refused.problems)
        raise Failure(
            f"the settings are refused, so secrets in them cannot be identified: {problems}",
            next_step="ask the user to edit them, then: te check",
        ) from None
    return {"file": str(paths.settings), "text": hide(texts.settings or "")}


def _asked(paths: Paths, path: str, offline: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return running(paths, path)
    except EngineDown:
        return {"note": _no_engine(paths), **offline()}


def _no_engine(paths: Paths) -> str:
    return f"{why_no_answer(paths)}: this is from the journal; the current state is not known"
