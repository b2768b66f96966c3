"""One call to a panel: who is calling, how long it may take, and what its answer means.

The panel answers `{"success", "msg", "obj"}` with HTTP 200 even for failures; other statuses come from its gate, from
a panic (500, empty) or from a proxy in front of it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

import ferryman.fleet.panels.xui.version as version
import ferryman.fleet.panels.xui.wording as wording
from ferryman.fleet.panel import PanelAccess, PanelTools
from ferryman.fleet.panels.xui.login import Bearer, Credentials, Door, Login
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, Refused, Unreachable
from ferryman.kit.http import Answer

# `X-Requested-With` makes the panel say 401 for a dead session instead of a 404; `Accept` keeps it from answering an
# unknown page with its web app; the language is that of texts in our logs.
HEADERS = {"Accept": "application/json", "X-Requested-With": "XMLHttpRequest", "Accept-Language": "en-US"}
# Writes of one panel go through one serial writer anyway; more at a time only fill its queue.
CHANGES_AT_ONCE = 2


@dataclass(frozen=True)
class Timeouts:
    """Seconds. The panel itself cuts an answer off at 30, so a change is given a little more."""

    read: float = 15.0
    change: float = 35.0


@dataclass(frozen=True)
class Reply:
    obj: Any
    headers: Mapping[str, str]


class Session:
    """Raises what the panel's port promises; every message names the host, none holds a credential."""

    def __init__(self, access: PanelAccess, tools: PanelTools, timeouts: Timeouts) -> None:
        self._base = base_of(access.url)
        self._http = tools.http
        self._tls = tls_of(access)
        self._timeouts = timeouts
        self._changes = asyncio.Semaphore(CHANGES_AT_ONCE)
        self.host = URL(self._base).host_port_subcomponent or ""
        self._secrets = [s.get_secret_value() for s in (access.token, access.password) if s is not None]
        self._credentials = self._credentials_of(access, tools)

    def _credentials_of(self, access: PanelAccess, tools: PanelTools) -> Credentials:
        if access.token is not None:
            return Bearer(access.token)
        if access.username and access.password is not None:
            return Login(Door(self.host, self._send_raw, self._envelope), access.username, access.password, tools.clock)
        raise Misconfigured(f"{self.host} has no credentials.", "Give an API token, or a user name and a password.")

    async def get(self, *path: str, query: Mapping[str, str] | None = None) -> Any:
        return (await self._call("GET", route(path), params=query)).obj

    async def ask(self, *path: str) -> Reply:
        """A read, with the answer's headers."""
        return await self._call("GET", route(path))

    async def change(self, *path: str, body: Any = None) -> Any:
        """A write. It is sent once, or again only when the panel's gate had turned the first away."""
        async with self._changes:
            return (await self._call("POST", route(path), json_body=body)).obj

    async def _call(self, method: str, path: str, **content: Any) -> Reply:
        ticket = await self._credentials.ticket()
        answer = await self._send(method, path, ticket.headers, **content)
        if looks_logged_out(answer, method):
            fresh = await self._credentials.renewed(ticket)
            if fresh is not None:
                answer = await self._send(method, path, fresh.headers, **content)
        envelope = await self._envelope(answer, path)
        if envelope.get("success") is not True:
            raise wording.failure(self.host, path, self._scrubbed(str(envelope.get("msg", ""))))
        return Reply(envelope.get("obj"), answer.headers)

    async def _send(self, method: str, path: str, headers: Mapping[str, str], **content: Any) -> Answer:
        timeout = self._timeouts.read if method == "GET" else self._timeouts.change
        return await self._request(method, path, headers={**HEADERS, **headers}, timeout=timeout, **content)

    async def _send_raw(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        return await self._request(method, path, headers={**HEADERS, **headers}, timeout=self._timeouts.read, form=form)

    async def _request(self, method: str, path: str, **how: Any) -> Answer:
        try:
            return await self._http.request(method, self._base + path, tls=self._tls, **how)
        except Unreachable as error:
            raise self._about_tls(error) from error

    def _about_tls(self, error: Unreachable) -> FerrymanError:
        """The same error, unless TLS is why: then a person is told what will help."""
        if isinstance(error.__cause__, aiohttp.ServerFingerprintMismatch):
            return AccessDenied(
                f"{self.host} shows another certificate than the pinned one: if it was renewed, store its new SHA-256."
            )
        if isinstance(error.__cause__, aiohttp.ClientConnectorCertificateError):
            return Refused(
                f"{self.host} shows a certificate that nobody vouches for: store its SHA-256 as the pin of this panel."
            )
        # A TLS panel answers plain HTTP with a redirect in "HTTP/0.0", which is no HTTP at all.
        if isinstance(error.__cause__, aiohttp.ClientResponseError) and self._base.startswith("http://"):
            return Unreachable(f"{self.host} does not speak plain HTTP: write https:// in this panel's address.")
        return error

    async def _envelope(self, answer: Answer, path: str) -> Mapping[str, Any]:
        """The answer's JSON object; raises the error that any other answer stands for."""
        if answer.status == 200:
            if answer.is_json_object:
                found: Mapping[str, Any] = answer.json()
                return found
            kind = "a page" if answer.body else "nothing"
            raise Unreachable(f"{self.host} answered {path} with {kind} instead of JSON: is a proxy answering for it?")
        if answer.status == 429 or answer.status >= 500:
            raise Busy(f"{self.host} answered {answer.status} to {path}.", after=retry_after(answer))
        raise await self._turned_away(answer, path)

    async def _turned_away(self, answer: Answer, path: str) -> FerrymanError:
        if 300 <= answer.status < 400 and answer.headers.get("Location", "").startswith("https://"):
            return Refused(f"{self.host} speaks TLS only: write https:// in this panel's address.")
        if answer.status == 403:
            return self._forbidden(answer, path)
        # 2.x answers 401 with a text, 3.x with an empty body; and all of them 404 where they have no such route.
        if answer.status == 401 and not answer.body:
            return AccessDenied(
                f"{self.host} refused our credentials: the API token is disabled, deleted or mistyped; create another "
                "in the panel's settings and store it for this node."
            )
        old = await self._version_in_login_page()
        if old:
            return Refused(version.too_old(self.host, old))
        if answer.status == 401:
            return AccessDenied(f"{self.host} refused our credentials; give the panel's API token.")
        if answer.status in (301, 302, 303, 307, 308, 404):
            return Refused(
                f"{self.host} has no {path} (HTTP {answer.status}): the web base path in this panel's address is wrong "
                "(panels make up a random one), or the panel is older than 3.1."
            )
        return Refused(f"{self.host} answered {answer.status} to {path}.")

    def _forbidden(self, answer: Answer, path: str) -> AccessDenied:
        if answer.is_json_object:
            return wording.scope_too_narrow(self.host, path)
        return AccessDenied(
            f"{self.host} answered 403 to {path}: when the panel's own setting for its domain is filled in, this "
            "panel's address must use that very name; otherwise a proxy or firewall in front of it keeps us out."
        )

    async def _version_in_login_page(self) -> str:
        headers = {"Accept": "text/html"}
        try:
            page = await self._request("GET", "", headers=headers, timeout=self._timeouts.read)
        except FerrymanError:
            return ""
        return version.in_login_page(page.body) if page.status == 200 else ""

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "•••") if secret else text
        return text


def looks_logged_out(answer: Answer, method: str) -> bool:
    """Worth one more try with a fresh session.

    The gate's own refusals took no effect, so even a write may be sent again; a page instead of JSON says nothing about
    its effect, so only a read may.
    """
    if answer.status in (307, 401, 404) or (answer.status == 403 and not answer.body):
        return True
    return method == "GET" and answer.status == 200 and not answer.is_json_object


def retry_after(answer: Answer) -> float | None:
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdigit() else None


def route(segments: tuple[str, ...]) -> str:
    """A path below the base; every segment is percent-encoded, for names may hold `#` or `?`."""
    return "/".join(quote(segment, safe="") for segment in ("panel", "api", *segments))


def base_of(url: str) -> str:
    """The panel's address with its web base path, ending in a slash."""
    given = URL(url)
    if given.scheme not in ("http", "https") or not given.host or given.user:
        raise Misconfigured(
            "A panel's address must look like https://host:port/base-path/.",
            "Write it as the browser shows it, without a name or password in it.",
        )
    return str(given.with_query(None).with_fragment(None)).rstrip("/") + "/"


def tls_of(access: PanelAccess) -> bool | aiohttp.Fingerprint:
    """How the certificate is judged: by its pin, not at all, or by the usual authorities."""
    if not access.pin:
        return not access.insecure
    try:
        return aiohttp.Fingerprint(bytes.fromhex(access.pin.replace(":", "")))
    except ValueError as error:
        raise Misconfigured(
            "The pin of a panel's certificate is not a SHA-256 in hex.",
            "Store the 64 hex digits that `openssl x509 -noout -fingerprint -sha256` prints.",
        ) from error
