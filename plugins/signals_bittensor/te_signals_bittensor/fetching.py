"""Asks the REST endpoint for the miners' positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from te_signals_bittensor.options import BittensorOptions

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_LARGEST = 1 << 29
_BUFFER = 1 << 20
_LONGEST_REFUSAL = 200
_LONGEST_RETRY = 3600.0


class FetchFailed(Exception):
    """No payload came. ``retry_after``: seconds that the server asks for."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A body in the pieces that it came in, perhaps gzipped. Times are the server's: of the content, of the answer.

    Pieces are never joined: copying a hundred MB would hold up the event loop.
    """

    body: tuple[bytes, ...]
    modified: datetime | None = None
    date: datetime | None = None
    etag: str | None = None
    last_modified: str | None = None


class Fetcher:
    """One endpoint. Asks only for what is newer than the page that was ``keep``-ed."""

    def __init__(self, options: BittensorOptions, http: Callable[[], ClientSession]) -> None:
        self._options = options
        self._http = http
        self._kept: Page | None = None

    def keep(self, page: Page) -> None:
        """Remember a page as used: it need not be sent again. One that was refused has to be."""
        self._kept = replace(page, body=())

    async def fetch(self) -> Page | None:
        """Give the page, or None where it did not change. Raises ``FetchFailed``."""
        import aiohttp  # late: listing plugins needs no HTTP client

        timeout = aiohttp.ClientTimeout(total=self._options.timeout.total_seconds())
        try:
            async with self._http().get(
                self._options.url,
                timeout=timeout,
                allow_redirects=False,  # the key is for this address only
                auto_decompress=False,
                read_bufsize=_BUFFER,
                **self._question(),
            ) as answer:
                return await self._page(answer)
        except TimeoutError:
            raise FetchFailed(f"no complete answer within {timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise FetchFailed(self._clean(f"{type(error).__name__}: {error}")) from None

    def _question(self) -> dict[str, Any]:
        question = asked_with_key(self._options)
        headers = question["headers"]
        if self._options.tier is not None:
            question["params"] = {"tier": str(self._options.tier)}
        if self._kept is not None and self._kept.etag is not None:
            headers["If-None-Match"] = self._kept.etag
        if self._kept is not None and self._kept.last_modified is not None:
            headers["If-Modified-Since"] = self._kept.last_modified
        return question

    async def _page(self, answer: ClientResponse) -> Page | None:
        if answer.status == 304:
            return None
        if answer.status != 200:
            raise await self._refused(answer)
        if answer.headers.get("Content-Encoding", "gzip").lower() not in {"gzip", "identity"}:
            raise FetchFailed(
                f"the body came as {answer.headers['Content-Encoding']}: only gzip was asked for"
            )
        pieces = []
        size = 0
        async for piece, _ in answer.content.iter_chunks():  # as they come, and not joined
            size += len(piece)
            if size > _LARGEST:
                raise FetchFailed(f"the body is larger than {_LARGEST >> 20} MiB")
            pieces.append(piece)
        last_modified = answer.headers.get("Last-Modified")
        return Page(
            body=tuple(pieces),
            modified=_http_time(last_modified),
            date=_http_time(answer.headers.get("Date")),
            etag=answer.headers.get("ETag"),
            last_modified=last_modified,
        )

    async def _refused(self, answer: ClientResponse) -> FetchFailed:
        said = (await answer.content.read(_LONGEST_REFUSAL)).decode(errors="replace")
        hint = ""
        if answer.status == 401:
            hint = "; is api_key right, and auth what the server expects?"
        elif answer.status == 403 and "rate" not in said.lower():
            hint = "; a key of a lower tier needs tier = 0, 30 or 50"
        retry = retry_seconds(answer.headers.get("Retry-After"), _http_time(answer.headers.get("Date")))
        return FetchFailed(f"HTTP {answer.status} {self._clean(said).strip()}{hint}", retry_after=retry)

    def _clean(self, text: str) -> str:
        return without_key(text, self._options)


def asked_with_key(options: BittensorOptions) -> dict[str, Any]:
    """Return the arguments of a request that carries the key where the server expects it."""
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    question: dict[str, Any] = {"headers": headers}
    if options.api_key is not None:
        key = options.api_key.get_secret_value()
        if options.auth in {"header", "both"}:
            headers["Authorization"] = f"Bearer {key}"
        if options.auth in {"body", "both"}:
            question["json"] = {"api_key": key}
    return question


def without_key(text: str, options: BittensorOptions) -> str:
    """Return what a server said, fit to be shown."""
    if options.api_key is not None:
        text = text.replace(options.api_key.get_secret_value(), "…")
    return "".join(character if character.isprintable() else " " for character in text)


def _http_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def retry_seconds(text: str | None, now: datetime | None) -> float | None:
    """Read ``Retry-After``: seconds, or a date by the server's own clock; an hour at most."""
    if text is None:
        return None
    if text.strip().isdigit():
        return min(float(text), _LONGEST_RETRY)
    moment = _http_time(text)
    if moment is None or now is None:
        return None
    return min(max(0.0, (moment - now).total_seconds()), _LONGEST_RETRY)
