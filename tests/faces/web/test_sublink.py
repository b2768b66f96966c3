"""The subscription route on a real server, asked by a real client."""

import asyncio
import base64
import io
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from yarl import URL

from ferryman.delivery.profile import Entry, Profile
from ferryman.delivery.share_links import Identity, LinkInbound
from ferryman.faces.web.sublink import subscription_endpoint
from ferryman.kit import log
from ferryman.kit.errors import Unreachable
from ferryman.kit.secrets import new_token

PLAIN = LinkInbound("vless", "tcp", "none", 443, {})
ALICE = Identity("11111111-2222-4333-8444-555555555555", "pw", "s1a2b3", "alice")


@dataclass
class Shelf:
    """Profiles by token, and the tokens that were looked up."""

    profiles: dict[str, Profile] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False

    async def load(self, token: str) -> Profile | None:
        self.asked.append(token)
        if self.down:
            raise Unreachable("The database is away.")
        return self.profiles.get(token)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def shape(self) -> tuple[int, dict[str, str], bytes]:
        return self.status, {name: value for name, value in self.headers.items() if name != "date"}, self.body


@dataclass
class Site:
    url: str
    shelf: Shelf
    session: aiohttp.ClientSession
    token: str

    async def ask(self, path: str = "", method: str = "GET", **headers: str) -> Reply:
        where = URL(f"{self.url}/s/{path or self.token}", encoded=True)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, where, headers=sent) as response:
            low = {name.lower(): value for name, value in response.headers.items()}
            return Reply(response.status, low, await response.read())


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    token = new_token()
    profile = Profile(
        title="Паром",
        entries=(Entry(PLAIN, "de1.example.net", ALICE, "🇩🇪 Германия"),),
        upload=1,
        download=2,
        total=0,
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        update_hours=12,
    )
    shelf = Shelf({token: profile})
    app = Starlette(routes=[Route("/s/{token}", subscription_endpoint(shelf.load), methods=["GET", "HEAD"])])
    config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None)
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    async with aiohttp.ClientSession() as session:
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", shelf, session, token)
    server.should_exit = True
    await serving


async def test_an_app_gets_its_links_and_what_is_left(site: Site) -> None:
    reply = await site.ask()
    assert reply.status == 200
    assert base64.b64decode(reply.body).decode().startswith(f"vless://{ALICE.uuid}@de1.example.net:443?")
    assert reply.headers["subscription-userinfo"] == "upload=1; download=2; total=0; expire=1893456000"
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["cache-control"] == "private, no-cache"
    assert reply.headers["referrer-policy"] == "no-referrer"


async def test_head_is_get_without_the_body(site: Site) -> None:
    got, headed = await site.ask(), await site.ask(method="HEAD")
    assert headed.body == b""
    assert headed.shape[:2] == got.shape[:2]


async def test_what_an_app_has_already_is_not_sent_again_but_the_traffic_is(site: Site) -> None:
    first = await site.ask()
    site.shelf.profiles[site.token] = replace(site.shelf.profiles[site.token], download=5000)
    for condition in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await site.ask(if_none_match=condition)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["subscription-userinfo"].startswith("upload=1; download=5000;")


async def test_a_changed_profile_is_sent_whole(site: Site) -> None:
    first = await site.ask()
    site.shelf.profiles[site.token] = replace(site.shelf.profiles[site.token], entries=(), notices=("Срок вышел",))
    second = await site.ask(if_none_match=first.headers["etag"])
    assert second.status == 200
    assert second.headers["etag"] != first.headers["etag"]


async def test_an_unknown_and_a_malformed_token_get_the_same_nothing(site: Site) -> None:
    unknown = await site.ask(new_token())
    assert (unknown.status, unknown.body) == (404, b"")
    for malformed in ("x", "a" * 200, "%00" * 20, "%D0%BA" * 20, f"{site.token}%0A", f"{site.token}%20", "..%5c" * 8):
        assert (await site.ask(malformed)).shape == unknown.shape
    assert (await site.ask(new_token(), method="HEAD")).status == 404


async def test_a_malformed_token_is_not_looked_up(site: Site) -> None:
    await site.ask("' OR 1=1 --".replace(" ", "%20"))
    assert site.shelf.asked == []


async def test_while_nobody_can_be_asked_apps_are_told_to_come_back(site: Site) -> None:
    site.shelf.down = True
    known, unknown = await site.ask(), await site.ask(new_token())
    assert (known.status, known.headers["retry-after"], known.body) == (503, "30", b"")
    assert known.shape == unknown.shape


async def test_other_verbs_are_not_allowed(site: Site) -> None:
    assert (await site.ask(method="POST")).status == 405
    assert site.shelf.asked == []


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """The product's own log at its most talkative, the server's access log included."""
    root, access = logging.getLogger(), logging.getLogger("uvicorn.access")
    before = (list(root.handlers), root.level, access.level, access.propagate)
    lines = io.StringIO()
    log.configure("json", "debug", lines)
    access.setLevel(logging.DEBUG)
    access.propagate = True
    yield lines
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    access.setLevel(before[2])
    access.propagate = before[3]


async def test_no_token_is_written_down_even_by_the_access_log(site: Site, log_lines: io.StringIO) -> None:
    stranger = new_token()
    await site.ask()
    await site.ask(stranger)
    site.shelf.down = True
    await site.ask()
    written = log_lines.getvalue()
    assert "GET /s/" in written
    assert site.token not in written
    assert stranger not in written
