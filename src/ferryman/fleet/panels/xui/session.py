"""One call to a panel: who is calling, how long it may take, and what its answer means.

The panel answers `{"success", "msg", "obj"}` with HTTP 200 even for failures; other statuses come from its gate, from
a panic (500, empty) or from a proxy in front of it.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from yarl import URL

import ferryman.fleet.panels.xui.version as version
import ferryman.fleet.panels.xui.wording as wording
from ferryman.fleet.panel import PanelAccess, PanelTools
from ferryman.fleet.panels.xui.login import Bearer, Credentials, Door, Login, Ticket
from ferryman.fleet.panels.xui.tls import base_of, explained, tls_of
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, Refused, Unreachable
from ferryman.kit.http import Answer

# `X-Requested-With` makes the panel say 401 for a dead session instead of a 404; `Accept` keeps it from answering an
# unknown page with its web app; the language is that of texts in our logs.
HEADERS = {"Accept": "application/json", "X-Requested-With": "XMLHttpRequest", "Accept-Language": "en-US"}
# Writes of one panel go through one serial writer (3.4); more at a time only fill its queue.
CHANGES_AT_ONCE = 2
API = ("panel", "api")


class RouteMissing(Refused):
    """No such route, although we are logged in: another base path, or a panel of another generation."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds. The panel itself cuts an answer off at 30, so a change or a long list is given a little more."""

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
        self._at_once = 1
        self._changes = asyncio.Semaphore(self._at_once)
        self.host = URL(self._base).host_port_subcomponent or ""
        self._secrets = [s.get_secret_value() for s in (access.token, access.password, access.totp) if s is not None]
        self._credentials = self._credentials_of(access, tools)
        self._by_token = access.token is not None
        self._used: Ticket | None = None

    def _credentials_of(self, access: PanelAccess, tools: PanelTools) -> Credentials:
        if access.token is not None:
            return Bearer(access.token)
        if access.username and access.password is not None:
            return Login(Door(self.host, self._send_raw, self._read), access, access.password, tools.clock)
        raise Misconfigured(f"{self.host} has no credentials.", "Give an API token, or a user name and a password.")

    def allow_changes(self, at_once: int) -> None:
        """How many writes may be under way; one until told otherwise."""
        if at_once != self._at_once:
            self._at_once, self._changes = at_once, asyncio.Semaphore(at_once)

    @property
    def csrf(self) -> bool:
        """Whether the panel is 3.0 or newer by its way of letting us in; only known after a first call."""
        return self._credentials.csrf

    async def get(self, *path: str, query: Mapping[str, str] | None = None, long: bool = False) -> Any:
        """`long` for what may be megabytes."""
        timeout = self._timeouts.change if long else self._timeouts.read
        return (await self._call("GET", route(API + path), timeout, is_read=True, params=query)).obj

    async def ask(self, *path: str) -> Reply:
        """A read, with the answer's headers."""
        return await self._call("GET", route(API + path), self._timeouts.read, is_read=True)

    async def poll(self, *path: str, root: tuple[str, ...] = API) -> Reply:
        """A read that the panel wants as a POST; `root` () for the routes that 2.6 and older keep outside its API."""
        return await self._call("POST", route(root + path), self._timeouts.read, is_read=True)

    async def change(self, *path: str, body: Any = None) -> Any:
        """A write. It is sent once, or again only when the panel's gate had turned the first away."""
        async with self._changes:
            return (await self._call("POST", route(API + path), self._timeouts.change, json_body=body)).obj

    async def login_page(self) -> bytes:
        """What a stranger sees, b"" when there is nothing to be had."""
        headers = {"Accept": "text/html"}
        try:
            page = await self._request("GET", "", headers=headers, timeout=self._timeouts.read)
        except FerrymanError:
            return b""
        return page.body if page.status == 200 else b""

    async def _call(self, method: str, path: str, timeout: float, *, is_read: bool = False, **content: Any) -> Reply:
        ticket = await self._credentials.ticket()
        is_new, self._used = ticket is not self._used, ticket
        answer = await self._send(method, path, timeout, ticket.headers, **content)
        found = json_object(answer)
        # Releases before 3.0.2 answer a dead session with 404 too, but none dies before it was used.
        if looks_logged_out(answer, found is not None, is_read) and not (is_new and answer.status == 404):
            fresh = await self._credentials.renewed(ticket)
            if fresh is not None:
                answer = await self._send(method, path, timeout, fresh.headers, **content)
                found = json_object(answer)
        envelope = await self._envelope(answer, found, path)
        if envelope.get("success") is not True:
            raise wording.failure(self.host, path, self._scrubbed(str(envelope.get("msg", ""))))
        return Reply(envelope.get("obj"), answer.headers)

    async def _send(self, method: str, path: str, timeout: float, headers: Mapping[str, str], **content: Any) -> Answer:
        return await self._request(method, path, headers={**HEADERS, **headers}, timeout=timeout, **content)

    async def _send_raw(
        self, method: str, path: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Answer:
        return await self._request(method, path, headers={**HEADERS, **headers}, timeout=self._timeouts.read, form=form)

    async def _request(self, method: str, path: str, **how: Any) -> Answer:
        try:
            return await self._http.request(method, self._base + path, tls=self._tls, **how)
        except Unreachable as error:
            raise explained(self.host, self._base, error) from error

    async def _read(self, answer: Answer, path: str) -> Mapping[str, Any]:
        return await self._envelope(answer, json_object(answer), path)

    async def _envelope(self, answer: Answer, found: Mapping[str, Any] | None, path: str) -> Mapping[str, Any]:
        """The answer's JSON object; raises the error that any other answer stands for."""
        if answer.status == 200:
            if found is not None:
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
            return AccessDenied(f"{self.host} refused our credentials: {self._remedy()}")
        if self._by_token and (old := version.in_login_page(await self.login_page())):
            return Refused(
                f"{self.host} runs 3X-UI {old}, which has no API tokens: give a user name and a password, or update it."
            )
        if answer.status == 401:
            return AccessDenied(f"{self.host} refused our credentials: {self._remedy()}")
        if answer.status in (301, 302, 303, 307, 308, 404):
            return RouteMissing(
                f"{self.host} has no {path} (HTTP {answer.status}): the web base path in this panel's address is wrong "
                "(panels make up a random one), or this is not 3X-UI 2.3 or newer."
            )
        return Refused(f"{self.host} answered {answer.status} to {path}.")

    def _remedy(self) -> str:
        if self._by_token:
            return (
                "the API token is disabled, deleted or mistyped; create another in the panel's settings and store it "
                "for this node."
            )
        return "it does not keep the session it gave us; is a proxy in front of it dropping cookies?"

    def _forbidden(self, answer: Answer, path: str) -> AccessDenied:
        if json_object(answer) is not None:
            return wording.scope_too_narrow(self.host, path)
        return AccessDenied(
            f"{self.host} answered 403 to {path}: when the panel's own setting for its domain is filled in, this "
            "panel's address must use that very name; otherwise a proxy or firewall in front of it keeps us out."
        )

    def _scrubbed(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "•••") if secret else text
        return text


def looks_logged_out(answer: Answer, is_json: bool, is_read: bool) -> bool:
    """Worth one more try with a fresh session.

    The gate's own refusals took no effect, so even a write may be sent again; a page instead of JSON says nothing about
    its effect, so only a read may.
    """
    if answer.status in (307, 401, 404) or (answer.status == 403 and not answer.body):
        return True
    return is_read and answer.status == 200 and not is_json


def json_object(answer: Answer) -> Mapping[str, Any] | None:
    """The answer's JSON object, None when it is anything else. A list of clients is megabytes: it is parsed once."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def retry_after(answer: Answer) -> float | None:
    given = answer.headers.get("Retry-After", "")
    return float(given) if given.isdigit() else None


def route(segments: tuple[str, ...]) -> str:
    """A path below the base; every segment is percent-encoded, for names may hold `#` or `?`."""
    return "/".join(quote(segment, safe="") for segment in segments)
