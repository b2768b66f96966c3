"""What a VPN app gets when it polls the subscription link: the ways in, and in headers what the customer has left."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from ferryman.delivery.share_links import Identity, LinkInbound, NoLink, placeholder, share_links

LONGEST_ANNOUNCEMENT = 200
# An app refuses to import an empty body, and the customer would learn nothing.
NO_WAY_IN = "Нет доступных серверов · No servers available"

_URL = re.compile(r"https?://[\x21-\x7e]{1,500}")
_UNSAFE_IN_FILENAME = re.compile(r'[^\x20-\x7e]|["\\/%;:*?<>|]')


@dataclass(frozen=True)
class Entry:
    """One way in as one customer sees it: `remark` is the name that the app shows."""

    inbound: LinkInbound
    host: str
    identity: Identity
    remark: str


@dataclass(frozen=True)
class Profile:
    """A subscription, ready to be written in any format.

    `upload`, `download` and `total` are bytes, total 0 = unlimited; `expires_at` None = never. `notices` are sentences
    for the customer ("your subscription has ended, renew it in the chat"): each becomes an entry that leads nowhere,
    before the real ones, because many apps show nothing but the list. Give no entries when the customer is owed none.
    """

    title: str
    entries: tuple[Entry, ...]
    upload: int
    download: int
    total: int
    expires_at: datetime | None
    update_hours: int
    notices: tuple[str, ...] = ()
    support_url: str = ""


@dataclass(frozen=True)
class Rendered:
    """`headers` have lower-case names and ASCII values. `left_out` says which entries had no link, and why."""

    body: bytes
    headers: dict[str, str]
    left_out: tuple[str, ...] = field(default=())


def render_base64(profile: Profile) -> Rendered:
    """Share links, one a line, in standard base64: what all apps but the Clash family and sing-box expect.

    Deterministic: the same profile gives the same bytes and the same ETag. The ETag follows everything but the traffic
    used, which changes all the time and travels in a header that a 304 carries too.
    """
    links: list[str] = [placeholder(text) for text in profile.notices]
    left_out: list[str] = []
    for entry in profile.entries:
        try:
            links += share_links(entry.inbound, entry.host, entry.identity, entry.remark)
        except NoLink as refusal:
            left_out.append(f"{entry.remark}: {refusal}")
    body = base64.b64encode(("\n".join(links or [placeholder(NO_WAY_IN)]) + "\n").encode())
    headers = _headers(profile)
    return Rendered(body, {**headers, "etag": _etag(body, profile, headers)}, tuple(left_out))


def _headers(profile: Profile) -> dict[str, str]:
    # Hiddify wants all four numbers, and an interval that is a whole number.
    expire = 0 if profile.expires_at is None else int(profile.expires_at.timestamp())
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "subscription-userinfo": (
            f"upload={profile.upload}; download={profile.download}; total={profile.total}; expire={expire}"
        ),
        "profile-title": _encoded(profile.title),
        "profile-update-interval": str(profile.update_hours),
        "content-disposition": _disposition(profile.title),
    }
    if profile.notices:
        headers["announce"] = _encoded("\n".join(profile.notices)[:LONGEST_ANNOUNCEMENT])
    if _URL.fullmatch(profile.support_url):
        headers["support-url"] = profile.support_url
    return headers


def _etag(body: bytes, profile: Profile, headers: dict[str, str]) -> str:
    digest = hashlib.blake2b(body, digest_size=16)
    lasting = {**headers, "subscription-userinfo": f"{profile.total} {profile.expires_at}"}
    for name in sorted(lasting):
        digest.update(f"\n{name}: {lasting[name]}".encode())
    return f'"{digest.hexdigest()}"'


def _encoded(text: str) -> str:
    """Header values are Latin-1 on the wire, and a title is in any language: apps read this form."""
    return "base64:" + base64.b64encode(text.encode()).decode()


def _disposition(title: str) -> str:
    """Clash-like apps take the profile's name from here; Hiddify reads the quoted form only, so it comes first."""
    plain = " ".join(_UNSAFE_IN_FILENAME.sub(" ", title).split()) or "subscription"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(title, safe='')}"
