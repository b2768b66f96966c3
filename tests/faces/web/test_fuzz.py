"""Whatever a stranger sends: never a 5xx, never a grant."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from ferryman import wiring
from ferryman.kit.settings import Settings
from tests.faces.web.conftest import Reply, Site, served
from tests.support.messages import Outbox
from tests.support.shop import Town, town

words = st.sampled_from(["notification", "payment.succeeded", "refund.succeeded", "succeeded", "canceled", "pending"])
ids = st.sampled_from(["22e12f66-000f-5000-8000-18db351245c7", "MINE", "\0", "\ud800", "../payments", "' OR 1=1 --"])
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | words | ids
names = st.sampled_from(["type", "event", "object", "id", "status", "metadata", "payment_id", "amount"])
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12
)
metadata = trees | st.fixed_dictionaries({"payment_id": ids})
things = st.fixed_dictionaries({"id": ids, "status": words | trees, "metadata": metadata})
claims = st.fixed_dictionaries({"type": st.just("notification"), "event": words | trees, "object": things})
bodies = st.binary(max_size=300) | (claims | trees).map(lambda tree: json.dumps(tree).encode())
header_names = st.sampled_from(
    ["Content-Type", "Content-Encoding", "X-Forwarded-For", "Authorization", "Expect", "Accept", "X-Odd", "Cookie"]
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
headers = st.dictionaries(header_names, header_values, max_size=3)


class Fuzzed:
    """A shop that sells and a site that listens, in one loop, for many examples."""

    def __init__(self, runner: asyncio.Runner, site: Site, shop: Town) -> None:
        self.run = runner.run
        self.site = site
        self.shop = shop
        self.payment: dict[str, Any] = {}

    async def post(self, body: bytes, given: dict[str, str]) -> Reply:
        """As it was drawn, with our own unpaid payment's id put where the drawing says so."""
        return await self.site.post(self.site.hook, body.replace(b"MINE", self.payment["id"].encode()), headers=given)

    async def grants(self) -> int:
        await self.shop.work()
        return int(await self.shop.value("SELECT count(*) FROM grants"))


async def _opened(stack: AsyncExitStack, settings: Settings, database_url: str, runner: asyncio.Runner) -> Fuzzed:
    built = wiring.built(settings, database_url, sender=Outbox(), up_to_date=False)
    tools = await stack.enter_async_context(built)
    shop = town(tools)
    await shop.open(nodes=1)
    stack.push_async_callback(shop.close)
    fuzzed = Fuzzed(runner, await stack.enter_async_context(served(tools)), shop)
    fuzzed.payment = shop.payment_of(await shop.order(await shop.customer()))
    return fuzzed


def test_no_body_and_no_header_makes_the_web_fall_or_gives_anything_away(settings: Settings, database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        fuzzed = runner.run(_opened(stack, settings, database_url, runner))
        try:
            _throw(fuzzed)
            assert runner.run(fuzzed.grants()) == 0
        finally:
            runner.run(stack.aclose())


def _throw(fuzzed: Fuzzed) -> None:
    @effort(max_examples=200, deadline=None)
    @given(bodies, headers)
    @example(json.dumps({"type": "notification", "event": "payment.succeeded", "object": {"id": "MINE"}}).encode(), {})
    def at_the_hook(body: bytes, given_: dict[str, str]) -> None:
        assert fuzzed.run(fuzzed.post(body, given_)).status < 500

    @effort(max_examples=150, deadline=None)
    @given(st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]), st.binary(min_size=1, max_size=60), headers)
    def at_any_path(method: str, path: bytes, given_: dict[str, str]) -> None:
        quoted = "".join(f"%{byte:02X}" for byte in path)
        for where in (f"/{quoted}", f"/s/{quoted}", f"/hooks/{quoted}/{quoted}", f"/?{quoted}"):
            assert fuzzed.run(fuzzed.site.ask(method, where, headers=given_)).status < 500

    @effort(max_examples=150, deadline=None)
    @given(st.binary(max_size=200), st.booleans())
    def at_the_socket(raw: bytes, begun: bool) -> None:
        start = f"POST {fuzzed.site.hook} HTTP/1.1\r\nHost: x\r\n".encode() if begun else b""
        heard = fuzzed.run(_short(fuzzed.site, start + raw))
        assert not heard.startswith(b"HTTP/1.1 5")

    at_the_hook()
    at_any_path()
    at_the_socket()


async def _short(site: Site, raw: bytes) -> bytes:
    """What is answered at once to a client that sends this and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(raw)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()
