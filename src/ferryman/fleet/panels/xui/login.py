"""How a panel is told who is calling: an API token, or a session cookie, with a CSRF token since 3.0."""

import asyncio
import binascii
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Protocol

import pyotp
from multidict import MultiMapping
from pydantic import SecretStr

from ferryman.fleet.panel import PanelAccess
from ferryman.kit.clock import Clock
from ferryman.kit.errors import AccessDenied, Misconfigured, Unreachable
from ferryman.kit.http import Answer

# The panel takes its cookie for longer than it says; the last tenth is left alone so that no call meets the end.
USED_SHARE_OF_MAX_AGE = 0.9
MAX_AGE_WHEN_UNSAID = 3600
# Since 3.0 five failures within five minutes lock a user name out for 15, and the panel says the same words for a wrong
# password and for a lock-out. So the same credentials are not shown again for a while after they were refused once;
# a code of the second factor is another one every half minute, and gets one more chance.
QUIET_AFTER_REFUSAL = timedelta(minutes=10)
CODES_TRIED = 2


@dataclass(frozen=True)
class Ticket:
    """The headers that let one call in; `until` None = for good."""

    headers: Mapping[str, str]
    until: datetime | None = None


class Credentials(Protocol):
    @property
    def csrf(self) -> bool:
        """Whether the panel is known to ask for CSRF tokens or to take API tokens, which is the same: 3.0 or newer."""
        ...

    async def ticket(self) -> Ticket: ...

    async def renewed(self, stale: Ticket, /) -> Ticket | None:
        """Another ticket after `stale` was refused; None when there can be none."""
        ...


class Bearer:
    """An API token, 3.0 and newer: no session, no CSRF."""

    csrf = True

    def __init__(self, token: SecretStr) -> None:
        self._ticket = Ticket({"Authorization": f"Bearer {token.get_secret_value()}"})

    async def ticket(self) -> Ticket:
        return self._ticket

    async def renewed(self, _stale: Ticket, /) -> Ticket | None:
        return None


@dataclass(frozen=True)
class Door:
    """What a login needs of its session: raw calls, and the errors for answers that are none.

    `send(method, path, headers, form)`; `read(answer, path)` raises for whatever is not a JSON object.
    """

    host: str
    send: Callable[[str, str, Mapping[str, str], Mapping[str, str] | None], Awaitable[Answer]]
    read: Callable[[Answer, str], Awaitable[Mapping[str, object]]]


class Login:
    """A session by user name and password. However many calls need one, one login is under way at a time."""

    def __init__(self, door: Door, access: PanelAccess, password: SecretStr, clock: Clock) -> None:
        self.csrf = False
        self._door = door
        self._username = access.username
        self._password = password
        self._factor = second_factor(access)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: Ticket | None = None
        self._refused: list[tuple[datetime, str]] = []

    async def ticket(self) -> Ticket:
        async with self._lock:
            held = self._held
            if held is None or (held.until is not None and held.until <= self._clock.now()):
                held = self._held = await self._log_in()
            return held

    async def renewed(self, stale: Ticket, /) -> Ticket | None:
        async with self._lock:
            if self._held is None or self._held is stale:
                self._held = None
                self._held = await self._log_in()
            return self._held

    async def _log_in(self) -> Ticket:
        """Raises AccessDenied without a call while these credentials were refused a short time ago."""
        started = self._clock.now()
        self._refused = [(when, code) for when, code in self._refused if started - when < QUIET_AFTER_REFUSAL]
        if len(self._refused) >= (1 if self._factor is None else CODES_TRIED):
            raise self._denied()
        greeting = await self._door.send("GET", "csrf-token", {}, None)
        csrf = await self._csrf_in(greeting)
        code = self._code_at(greeting, started)
        jar, headers = cookies(greeting.headers), {"X-CSRF-Token": csrf} if csrf else {}
        form = {"username": self._username, "password": self._password.get_secret_value(), **code}
        answer = await self._door.send("POST", "login", with_cookies(headers, jar), form)
        if (await self._door.read(answer, "login")).get("success") is not True:
            self._refused.append((started, code.get("twoFactorCode", "")))
            raise self._denied()
        self._refused.clear()
        given = cookies(answer.headers)
        if not given:
            raise Unreachable(f"{self._door.host} let us in but gave no session.")
        lifetime = min((max_age(morsel) for morsel in given.values()), default=MAX_AGE_WHEN_UNSAID)
        self.csrf = bool(csrf)
        return Ticket(
            with_cookies(headers, {**jar, **given}), started + timedelta(seconds=lifetime * USED_SHARE_OF_MAX_AGE)
        )

    async def _csrf_in(self, greeting: Answer) -> str:
        """The token, "" on 2.x, which has no such route."""
        if greeting.status == 404:
            return ""
        return str((await self._door.read(greeting, "csrf-token")).get("obj") or "")

    def _code_at(self, greeting: Answer, now: datetime) -> dict[str, str]:
        """The code of this half minute on the panel's own clock, which takes no other; never one it has refused."""
        if self._factor is None:
            return {}
        code = self._factor.at(said_at(greeting.headers) or now)
        if any(code == refused for _, refused in self._refused):
            raise self._denied()
        return {"twoFactorCode": code}

    def _denied(self) -> AccessDenied:
        factor = "" if self._factor else ", or give the secret of the second factor if that is on"
        return AccessDenied(
            f"{self._door.host} refused the login of {self._username!r}: correct the user name and password{factor}, "
            "or use an API token (3.0 and newer). We try again in 10 minutes, for after five failures the panel locks "
            "the name for 15 minutes, even for the right password."
        )


def second_factor(access: PanelAccess) -> pyotp.TOTP | None:
    """Raises Misconfigured for a secret that is none."""
    if access.totp is None or not access.totp.get_secret_value():
        return None
    try:
        factor = pyotp.TOTP(access.totp.get_secret_value().replace(" ", "").upper())
        factor.byte_secret()
    except (binascii.Error, ValueError):
        raise Misconfigured(
            "The secret of a panel's second factor is not base32.",
            "Store the letters and digits the panel shows beside the QR code when two-factor login is switched on.",
        ) from None
    return factor


def said_at(headers: Mapping[str, str]) -> datetime | None:
    """The sender's clock, cut to whole seconds; None when it did not say."""
    try:
        return parsedate_to_datetime(headers["Date"])
    except (KeyError, ValueError):
        return None


def cookies(headers: Mapping[str, str]) -> dict[str, Morsel[str]]:
    """Every cookie that is set, by name; a proxy in front may add its own."""
    lines = headers.getall("Set-Cookie", []) if isinstance(headers, MultiMapping) else [headers.get("Set-Cookie", "")]
    found: dict[str, Morsel[str]] = {}
    for line in lines:
        try:
            found.update(SimpleCookie(line))
        except CookieError:
            continue
    return found


def with_cookies(headers: Mapping[str, str], jar: Mapping[str, Morsel[str]]) -> dict[str, str]:
    said = "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.items())
    return {**headers, "Cookie": said} if said else dict(headers)


def max_age(morsel: Morsel[str]) -> int:
    given = str(morsel["max-age"])
    return int(given) if given.isdigit() and int(given) > 0 else MAX_AGE_WHEN_UNSAID
