"""Fetches the miners' positions from the REST endpoint."""

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
    """No payload was received."""

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""
        super().__init__(reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A response body, and what its headers state. Times are by the server's clock."""

    body: tuple[bytes, ...]
    """In pieces as it arrived, perhaps gzipped. They are never joined: copying 100 MB stalls the event loop."""
    modified: datetime | None = None
    """When the content changed."""
    date: datetime | None = None
    """When the server responded."""
    etag: str | None = None
    last_modified: str | None = None


class Fetcher:
    """One endpoint. Requests only what is newer than the page that was used last."""

    def __init__(self, options: BittensorOptions, http: Callable[[], ClientSession]) -> None:
        self._options = options
        self._http = http
        self._used: Page | None = None

    def mark_used(self, page: Page) -> None:
        """Do not request this page again. A page that was rejected is requested again."""
        self._used = replace(page, body=())

    async def fetch(self) -> Page | None:
        """Return the page; None if it is unchanged. Raises ``FetchFailed``."""
        import aiohttp  # late: listing plugins needs no HTTP client

        timeout = aiohttp.ClientTimeout(total=self._options.timeout.total_seconds())
        try:
            async with self._http().get(
                self._options.url,
                timeout=timeout,
                allow_redirects=False,  # the key is for this address only
                auto_decompress=False,
                read_bufsize=_BUFFER,
                **self._request(),
            ) as response:
                return await self._page(response)
        except TimeoutError:
            raise FetchFailed(f"no complete response within {timeout.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise FetchFailed(self._clean(f"{type(error).__name__}: {error}")) from None

    def _request(self) -> dict[str, Any]:
        arguments = authenticated_request(self._options)
        headers = arguments["headers"]
        if self._options.tier is not None:
            arguments["params"] = {"tier": str(self._options.tier)}
        if self._used is not None and self._used.etag is not None:
            headers["If-None-Match"] = self._used.etag
        if self._used is not None and self._used.last_modified is not None:
            headers["If-Modified-Since"] = self._used.last_modified
        return arguments

    async def _page(self, response: ClientResponse) -> Page | None:
        if response.status == 304:
            return None
        if response.status != 200:
            raise await self._refused(response)
        if response.headers.get("Content-Encoding", "gzip").lower() not in {"gzip", "identity"}:
            raise FetchFailed(
                f"the body is encoded as {response.headers['Content-Encoding']}; only gzip was requested"
            )
        pieces = []
        size = 0
        async for piece, _ in response.content.iter_chunks():  # as they arrive, not joined
            size += len(piece)
            if size > _LARGEST:
                raise FetchFailed(f"the body is larger than {_LARGEST >> 20} MiB")
            pieces.append(piece)
        last_modified = response.headers.get("Last-Modified")
        return Page(
            body=tuple(pieces),
            modified=_http_time(last_modified),
            date=_http_time(response.headers.get("Date")),
            etag=response.headers.get("ETag"),
            last_modified=last_modified,
        )

    async def _refused(self, response: ClientResponse) -> FetchFailed:
        body = (await response.content.read(_LONGEST_REFUSAL)).decode(errors="replace")
        hint = ""
        if response.status == 401:
            hint = "; check api_key, and whether auth is what the server expects"
        elif response.status == 403 and "rate" not in body.lower():
            hint = "; a key of a lower tier needs tier = 0, 30 or 50"
        retry = retry_seconds(response.headers.get("Retry-After"), _http_time(response.headers.get("Date")))
        return FetchFailed(f"HTTP {response.status} {self._clean(body).strip()}{hint}", retry_after=retry)

    def _clean(self, text: str) -> str:
        return without_key(text, self._options)


def authenticated_request(options: BittensorOptions) -> dict[str, Any]:
    """Return the arguments of a request that has the key where the server expects it."""
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    arguments: dict[str, Any] = {"headers": headers}
    if options.api_key is not None:
        key = options.api_key.get_secret_value()
        if options.auth in {"header", "both"}:
            headers["Authorization"] = f"Bearer {key}"
        if options.auth in {"body", "both"}:
            arguments["json"] = {"api_key": key}
    return arguments


def without_key(text: str, options: BittensorOptions) -> str:
    """Return a server's text without the key and without control characters."""
    if options.api_key is not None:
        text = text.replace(options.api_key.get_secret_value(), "…")
    return "".join(character if character.isprintable() else " " for character in text)


def _http_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def retry_seconds(text: str | None, now: datetime | None) -> float | None:
    """Parse ``Retry-After``: seconds, or a date by the server's own clock; at most an hour."""
    if text is None:
        return None
    if text.strip().isdigit():
        return min(float(text), _LONGEST_RETRY)
    retry_at = _http_time(text)
    if retry_at is None or now is None:
        return None
    return min(max(0.0, (retry_at - now).total_seconds()), _LONGEST_RETRY)
