"""Errors: the class determines what the engine does next; the text states what is wrong, where, and what to do.

Every error that a plugin raises on purpose is one of these. Anything else is a defect of the plugin and is
contained by the supervisor.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from traceback import walk_tb


class TradeEngineError(Exception):
    """Base class of every error that the engine raises or handles."""


class ConfigError(TradeEngineError):
    """The settings are invalid; the operator must edit them.

    ``key`` is the dotted path (``symbols.BTCUSDT.weights``); ``file`` and ``line`` are its location, if known.
    """

    def __init__(
        self, reason: str, *, key: str = "", value: object = None, file: str = "", line: int | None = None
    ) -> None:
        self.reason = reason
        self.key = key
        self.value = value
        self.file = file
        self.line = line
        location = file + (f":{line}" if line else "")
        shown = f"{key} = {value!r}" if key and value is not None else key
        super().__init__(": ".join(part for part in (location, shown, reason) if part))


class PluginError(TradeEngineError):
    """A plugin cannot be used; the rest of the engine continues without it."""

    def __init__(self, name: str, reason: str, *, distribution: str = "") -> None:
        self.name = name
        self.reason = reason
        self.distribution = distribution
        package = f" ({distribution})" if distribution else ""
        super().__init__(f"plugin {name}{package}: {reason}")


class PluginLoadError(PluginError):
    """Importing, registering or describing the plugin failed."""


class PluginIncompatible(PluginError):
    """The plugin requires a different version of te-core, or a package that is missing."""


class PluginConflict(PluginError):
    """Several distributions offer a plugin of the same name, and nothing decides between them; none is used."""


class NotReady(TradeEngineError):
    """The remote side cannot answer now; nothing was executed. Back off and retry.

    ``retry_after`` is in seconds, if the remote side stated it.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(reason)


class RateLimited(NotReady):
    """The request budget is used up; nothing was executed. Every account that shares the budget backs off."""


class AuthError(TradeEngineError):
    """Access denied (credentials, permissions, IP allowlist): the instance pauses, and retries ever less often."""


class OrderRejected(TradeEngineError):
    """The exchange refused the order for good: never resend it unchanged. ``code`` is the exchange's error code."""

    def __init__(self, reason: str, *, code: str = "") -> None:
        self.reason = reason
        self.code = code
        super().__init__(f"{reason} [{code}]" if code else reason)


class InsufficientMargin(OrderRejected):
    """The account's free margin does not cover the order."""


class DuplicateClientOrderId(OrderRejected):
    """An order with this client order id already exists: that is a find, not a failure. Call ``find_order``."""


class OutcomeUnknown(TradeEngineError):
    """The order may have been executed (timeout, dropped connection, 5xx): check before sending it again."""


class PluginDefect(OutcomeUnknown):
    """A plugin violated its contract: the text names the call. It is unknown whether a request had been sent."""


class NoticeRefused(TradeEngineError):
    """A notifier's receiver will never accept this event; it may accept others."""


class CommandFailed(TradeEngineError):
    """A command-line command cannot do what was requested. ``next_step``: what the user can do about it."""

    def __init__(self, reason: str, *, next_step: str = "") -> None:
        self.reason = reason
        self.next_step = next_step
        super().__init__(reason)


class CommandRefused(TradeEngineError):
    """A command of the operator names something that does not exist, or is impossible; it changed nothing."""


class JournalError(TradeEngineError):
    """The journal cannot be used: it is unreadable or damaged, or a write failed."""


class EntryRefused(JournalError):
    """The journal works but rejects this entry; a retry will fail, too."""


class JournalTooNew(JournalError):
    """A newer version of the engine wrote this journal; this one refuses to touch it."""


class JournalLocked(JournalError):
    """Another process holds the journal (invariant I15). ``pid`` is its process id, if known."""

    def __init__(self, path: str, pid: int | None) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"journal {path} is in use by {holder}: only one engine may use a journal; "
            "stop that process first, or choose another state folder with TE_HOME"
        )


class SignalRejected(TradeEngineError):
    """A source's input cannot become a signal; it changed no state.

    ``field`` names the offending field, ``hint`` what to change.
    """

    def __init__(self, reason: str, *, field: str = "", hint: str = "") -> None:
        self.reason = reason
        self.field = field
        self.hint = hint
        super().__init__(": ".join(part for part in (field, reason) if part) + (f" ({hint})" if hint else ""))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` if a known name is spelled similarly, else the list of known names, if any."""
    by_fold = {name.casefold(): name for name in sorted(known)}
    close = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    if close:
        return f"; did you mean {by_fold[close[0]]!r}?"
    return f" (known: {', '.join(by_fold.values())})" if by_fold else ""


_OURS = str(Path(__file__).parent) + os.sep
_STANDARD = str(Path(os.__file__).parent) + os.sep
_BENEATH = ("pluggy", "pydantic", "pydantic_core")
"""Packages that call a plugin's code and are never the author's own."""


def record_call(error: BaseException, call: str) -> None:
    """Record which plugin call raised an error; the innermost call counts."""
    if not isinstance(error, TradeEngineError) and not hasattr(error, "te_call"):
        with suppress(Exception):  # a plugin's own class may forbid it
            error.te_call = call  # type: ignore[attr-defined]  # exceptions accept attributes


def described(error: BaseException) -> str:
    """Return an error as one line of text; for a defect, including the call, the type and the line of code."""
    if isinstance(error, TradeEngineError):
        return str(error)
    text = f"{type(error).__name__}, which cannot be shown"
    with suppress(Exception):  # a plugin's own class may fail here, too
        text = f"{type(error).__name__}: {error}".removesuffix(": ")
    call = getattr(error, "te_call", "")
    return (f"{call} raised {text}" if call else text) + raised_at(error)


def a_kind(value: object) -> str:
    """Return the type of a value with its article: ``None``, ``a float``, ``an int``."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def raised_at(error: BaseException) -> str:
    """Return `` (te_acme/plugin.py:88)``: the innermost line of plugin code in an error's traceback, if any."""
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    outside = [frame for frame in frames if _is_a_plugins(frame[0])]
    if not outside:
        return ""
    root = _package_root(outside[0][0])
    file, line = [frame for frame in outside if Path(frame[0]).is_relative_to(root)][-1]
    return _at(file, line)


def defined_at(method: object) -> str:
    """Return, in the same form, where a plugin's method is defined."""
    while isinstance(method, partial):
        method = method.func
    function = getattr(method, "__func__", method)
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return _at(code.co_filename, code.co_firstlineno) if code is not None else ""


def _at(file: str, line: int) -> str:
    root = _package_root(file)
    shown = Path(file).relative_to(root.parent).as_posix() if _is_package(root) else Path(file).name
    return f" ({shown}:{line})"


def _is_a_plugins(file: str) -> bool:
    if file.startswith(("<", _OURS)):
        return False
    standard = file.startswith(_STANDARD) and "site-packages" not in file
    return not standard and _package_root(file).name not in _BENEATH


def _package_root(file: str) -> Path:
    """Return the folder of the outermost package that a file belongs to, or its own folder without a package."""
    root = Path(file).parent
    while _is_package(root) and _is_package(root.parent):
        root = root.parent
    return root


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()
