"""Who is calling: signed cookie sessions with CSRF tokens, Bearer tokens, and the limiter in front of the login.

What of this exists depends on the version's rules; the routes only ask `Gate`.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import string
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.routing import Call
from ferryman_sandbox.xui.state import Document

MAX_FAILURES = 5
FAILURE_WINDOW = 5 * 60
COOLDOWN = 15 * 60
TOKEN_LENGTH = 48
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ADMIN, MONITOR, NODE_SYNC = "admin", "monitor", "node-sync"


@dataclass
class Session:
    """What the cookie carries. The panel keeps nothing: whoever holds the signed blob holds the session."""

    csrf: str = ""
    user: str = ""
    epoch: int = 0
    expires: float = 0.0


@dataclass
class LoginLimiter:
    """Per address and lower-cased user: 5 failures in 5 minutes block for 15. In memory only, like the panel's."""

    failures: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    blocked_until: dict[tuple[str, str], float] = field(default_factory=dict)

    def is_blocked(self, remote: str, username: str, now: float) -> bool:
        return now < self.blocked_until.get(_key(remote, username), 0.0)

    def failed(self, remote: str, username: str, now: float) -> None:
        key = _key(remote, username)
        recent = [at for at in self.failures.get(key, ()) if at > now - FAILURE_WINDOW] + [now]
        if len(recent) >= MAX_FAILURES:
            self.blocked_until[key] = now + COOLDOWN
            recent = []
        self.failures[key] = recent

    def succeeded(self, remote: str, username: str) -> None:
        self.failures.pop(_key(remote, username), None)


def _key(remote: str, username: str) -> tuple[str, str]:
    return remote, username.strip().lower()


@dataclass
class Gate:
    """Decides about one panel's callers."""

    panel: Panel
    limiter: LoginLimiter = field(default_factory=LoginLimiter)

    def session(self, call: Call) -> Session:
        """The cookie's session; an empty one when there is no cookie or it is forged or over age."""
        blob, _, signature = call.cookies.get(self.panel.rules.cookie, "").rpartition(".")
        if not blob or not _same(self._sign(blob), signature):
            return Session()
        try:
            session = Session(**json.loads(base64.urlsafe_b64decode(blob)))
        except (binascii.Error, ValueError, TypeError):
            return Session()
        return session if session.expires > self.panel.now() else Session()

    def cookie(self, session: Session) -> SimpleCookie:
        """`Set-Cookie` for a session, good from now for as long as the version says."""
        seconds = self.panel.rules.session_seconds
        session.expires = self.panel.now() + seconds
        blob = base64.urlsafe_b64encode(json.dumps(vars(session)).encode()).decode()
        return self._jar(f"{blob}.{self._sign(blob)}", seconds)

    def forget(self) -> SimpleCookie:
        return self._jar("", 0)

    def _jar(self, value: str, max_age: int) -> SimpleCookie:
        jar, rules = SimpleCookie(), self.panel.rules
        jar[rules.cookie] = value
        path = self.panel.base_path if rules.scopes_cookie else "/"
        jar[rules.cookie].update({"path": path, "max-age": str(max_age)})
        jar[rules.cookie]["httponly"] = True
        if rules.marks_cookie_lax:
            jar[rules.cookie]["samesite"] = "Lax"
        return jar

    def _sign(self, blob: str) -> str:
        key = bytes.fromhex(self.panel.state.meta["secret"])
        return hmac.new(key, blob.encode(), hashlib.sha256).hexdigest()

    def is_logged_in(self, session: Session) -> bool:
        return bool(session.user) and session.epoch == self.panel.state.meta["epoch"]

    def token(self, call: Call) -> Document | None:
        """The Bearer token's document; None for one that is unknown, disabled or over age, and before 3.0.

        Every token is compared, in constant time.
        """
        scheme, _, given = call.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not given or not self.panel.rules.guards_logins:
            return None
        digest = token_digest(given)
        enabled = [token for token in self.panel.state.tokens.values() if token["enabled"]]
        found = [token for token in enabled if hmac.compare_digest(digest, token["digest"])]
        if not found or 0 < found[0].get("expires", 0) <= self.panel.now_ms:
            return None
        return found[0]

    def has_csrf(self, call: Call, session: Session) -> bool:
        if call.method in SAFE_METHODS or not self.panel.rules.guards_logins:
            return True
        given = call.headers.get("X-CSRF-Token", "") or (call.form().get("_csrf", "") if call.is_form else "")
        return bool(session.csrf) and _same(given, session.csrf)

    def check_login(self, form: Mapping[str, str], remote: str) -> bool:
        """Right user, password and code, and not locked out. Every failure looks the same to the caller."""
        now, username = self.panel.now(), form["username"]
        guards = self.panel.rules.guards_logins
        if guards and self.limiter.is_blocked(remote, username, now):
            return False
        right = _same(username, self.panel.username) & _same(form["password"], self.panel.password)
        right &= self._has_second_secret(form, now)
        if not guards:
            return right
        if right:
            self.limiter.succeeded(remote, username)
        else:
            self.limiter.failed(remote, username, now)
        return right

    def _has_second_secret(self, form: Mapping[str, str], now: float) -> bool:
        switches = self.panel.switches
        if self.panel.rules.asks_login_secret:
            return _same(form["loginSecret"], switches.login_secret)
        secret = switches.two_factor_secret
        return not secret or _same(form["twoFactorCode"], totp(secret, now))

    def expire_sessions(self) -> None:
        self.panel.state.meta["epoch"] += 1
        self.panel.state.save_meta()


def _same(one: str, other: str) -> bool:
    """In constant time, for any text."""
    return hmac.compare_digest(one.encode(), other.encode())


def totp(secret: str, now: float) -> str:
    """Six digits of the current 30-second step (RFC 6238, SHA-1)."""
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    digest = hmac.new(key, struct.pack(">Q", int(now // 30)), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF) % 1_000_000:06d}"


def token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def new_token_text() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(TOKEN_LENGTH))


def store_token(panel: Panel, name: str, text: str, *, scope: str = ADMIN, expires_ms: int = 0) -> Document:
    """The caller has checked the name. The plain text is kept only where the version still shows it."""
    token: dict[str, Any] = {
        "id": panel.state.next_id("xui.token"),
        "name": name,
        "digest": token_digest(text),
        "enabled": True,
        "created": panel.now(),
        "scope": scope,
        "expires": expires_ms,
    }
    if not panel.rules.hashes_tokens:
        token["token"] = text
    panel.state.save_token(token)
    return token
