"""One HTTP client for the product: bounded in time and size, redacted, its failures told apart by what to do next."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from ferryman.kit.errors import Busy, Misconfigured, Unreachable

DEFAULT_TIMEOUT = 15.0
CONNECT_TIMEOUT = 5.0
LARGEST_ANSWER = 32 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came back, read whole. `headers` are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Raises ValueError when the body is not JSON (a proxy's HTML page, an empty answer)."""
        return json.loads(self.body)

    @property
    def is_json_object(self) -> bool:
        try:
            return isinstance(self.json(), dict)
        except ValueError:
            return False


class Http:
    """A pooled session. Never follows redirects, never retries: only the caller knows what is safe to repeat.

    `tls` is passed on: True = verify, False = do not, or an ssl.SSLContext / aiohttp.Fingerprint.
    """

    def __init__(self, *, limit_per_host: int = 20, largest_answer: int = LARGEST_ANSWER) -> None:
        self._limit = limit_per_host
        self._largest = largest_answer
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str | URL,
        *,
        headers: Mapping[str, str] | None = None,
        json_body: Any = None,
        form: Mapping[str, str] | None = None,
        raw_body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        tls: bool | ssl.SSLContext | aiohttp.Fingerprint = True,
    ) -> Answer:
        """Any HTTP answer is an Answer. `raw_body` goes out byte for byte, for a signature over it; name its type.

        Raises Unreachable when none came whole within `timeout` seconds, Busy when it is larger than allowed,
        Misconfigured when the address is none.
        """
        where = _address(url)
        try:
            async with self._opened().request(
                method,
                where,
                headers=headers,
                json=json_body,
                data=form if raw_body is None else raw_body,
                params=params,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_TIMEOUT)),
                ssl=tls,
            ) as response:
                body = await _read_bounded(response, self._largest)
                return Answer(response.status, response.headers, body)
        except TimeoutError as error:
            raise Unreachable(f"{where.host} did not answer within {timeout:g} s.") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise Unreachable(f"{where.host} gave no answer ({type(error).__name__}).") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=self._limit, keepalive_timeout=30)
            # A jar that keeps nothing: each client carries its own cookies, or two panels would share a session.
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _address(url: str | URL) -> URL:
    """Where to call; never repeated in the error, for it may carry a secret."""
    mistake = Misconfigured("An address to call is not one.", "It must be a whole http:// or https:// address.")
    try:
        where = URL(url, encoded=True) if isinstance(url, str) else url
        whole = where.scheme in ("http", "https") and bool(where.host and where.port)
    except ValueError as error:
        raise mistake from error
    if not whole:
        raise mistake
    return where


async def _read_bounded(response: aiohttp.ClientResponse, largest: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise Busy(f"{response.url.host} answered more than {largest} bytes.")
    return bytes(body)
