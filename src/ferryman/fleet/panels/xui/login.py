"""How a panel is told who is calling: an API token, or a session cookie with its CSRF token."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookies import CookieError, Morsel, SimpleCookie
from typing import Protocol

from multidict import MultiMapping
from pydantic import SecretStr

from ferryman.kit.clock import Clock
from ferryman.kit.errors import AccessDenied, Unreachable
from ferryman.kit.http import Answer

# The panel takes its cookie for longer than it says; the last tenth is left alone so that no call meets the end.
USED_SHARE_OF_MAX_AGE = 0.9
MAX_AGE_WHEN_UNSAID = 3600
# The panel locks a user name out for 15 minutes after five failures within five, and says the same words for a wrong
# password and for a lock-out. Two tries leave room for the owner's own.
FAILURES_ALLOWED = 2
LOCK_OUT = timedelta(minutes=15)


@dataclass(frozen=True)
class Ticket:
    """The headers that let one call in; `until` None = for good."""

    headers: Mapping[str, str]
    until: datetime | None = None


class Credentials(Protocol):
    async def ticket(self) -> Ticket: ...

    async def renewed(self, stale: Ticket, /) -> Ticket | None:
        """Another ticket after `stale` was refused; None when there can be none."""
        ...


class Bearer:
    """An API token: no session, no CSRF."""

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

    def __init__(self, door: Door, username: str, password: SecretStr, clock: Clock) -> None:
        self._door = door
        self._username = username
        self._password = password
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: Ticket | None = None
        self._failures: list[datetime] = []

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
        """Raises AccessDenied without a call while two failures are younger than the lock-out."""
        started = self._clock.now()
        self._failures = [when for when in self._failures if started - when < LOCK_OUT]
        if len(self._failures) >= FAILURES_ALLOWED:
            raise self._denied()
        greeting = await self._door.send("GET", "csrf-token", {}, None)
        csrf = str((await self._door.read(greeting, "csrf-token")).get("obj") or "")
        jar = cookies(greeting.headers)
        form = {"username": self._username, "password": self._password.get_secret_value()}
        answer = await self._door.send("POST", "login", {"X-CSRF-Token": csrf, "Cookie": as_header(jar)}, form)
        if (await self._door.read(answer, "login")).get("success") is not True:
            self._failures.append(started)
            raise self._denied()
        self._failures.clear()
        given = cookies(answer.headers)
        if not given:
            raise Unreachable(f"{self._door.host} let us in but gave no session.")
        lifetime = min((max_age(morsel) for morsel in given.values()), default=MAX_AGE_WHEN_UNSAID)
        headers = {"X-CSRF-Token": csrf, "Cookie": as_header({**jar, **given})}
        return Ticket(headers, started + timedelta(seconds=lifetime * USED_SHARE_OF_MAX_AGE))

    def _denied(self) -> AccessDenied:
        return AccessDenied(
            f"{self._door.host} refused the login of {self._username!r}: correct the user name and password, or use an "
            "API token (needed when two-factor login is on). After five failures the panel locks the name for "
            "15 minutes, even for the right password."
        )


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


def as_header(jar: Mapping[str, Morsel[str]]) -> str:
    return "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.items())


def max_age(morsel: Morsel[str]) -> int:
    given = str(morsel["max-age"])
    return int(given) if given.isdigit() and int(given) > 0 else MAX_AGE_WHEN_UNSAID
