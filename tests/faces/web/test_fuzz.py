"""Whatever a stranger sends: never a 5xx, never a grant."""

import asyncio
import random
from contextlib import AsyncExitStack

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from ferryman import wiring
from ferryman.kit.settings import Settings
from ferryman_sandbox.world import tills
from tests.faces.web.conftest import Site, served
from tests.fuzz.bodies import Mutator, Sent
from tests.fuzz.gate import opened
from tests.support.messages import Outbox

header_names = st.sampled_from(
    ["Content-Type", "Content-Encoding", "X-Forwarded-For", "Authorization", "Expect", "Accept", "X-Odd", "Cookie"]
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
headers = st.dictionaries(header_names, header_values, max_size=3)


BODIES, SAMPLE, SEED = 1500, 150, 7


async def test_no_webhook_makes_the_web_fall_or_gives_anything_away(settings: Settings, database_url: str) -> None:
    """A short run of `make fuzz`: every provider, real webhooks with something wrong with them."""
    async with opened(settings, database_url) as gate:
        assert set(gate.real) == {"yookassa", *(till.name for till in tills.offered())}
        assert all(gate.real.values())
        for provider in gate.providers:
            read = await gate.read(provider, gate.mutator(provider, SEED), BODIES)
            await gate.through(provider, gate.mutator(provider, SEED + 1), SAMPLE)
            # Both doors of the provider are tried: what looks right, and what is turned away.
            assert min(read["refused"], read["believed to be one"]) > BODIES / 20
        await gate.unmoved()


async def test_a_webhook_as_it_came_is_answered_and_changes_nothing_twice(
    settings: Settings, database_url: str
) -> None:
    async with opened(settings, database_url) as gate:
        for provider in gate.providers:
            for sent in gate.real[provider] * 2:
                assert await gate.ask(provider, sent) in (200, 204)
        await gate.unmoved()


def test_the_same_seed_makes_the_same_bodies() -> None:
    real = [Sent(b'{"id": "x", "status": "paid"}', {"x-sign": b"abc"})]
    drawn = [[Mutator(random.Random(seed), real, ["x"]).draw() for _ in range(50)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


class Fuzzed:
    """A site that listens, in one loop, for many examples."""

    def __init__(self, runner: asyncio.Runner, site: Site) -> None:
        self.run = runner.run
        self.site = site


def test_no_path_and_no_bytes_make_the_web_fall(settings: Settings, database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        fuzzed = Fuzzed(runner, runner.run(_opened(stack, settings, database_url)))
        try:
            _throw(fuzzed)
        finally:
            runner.run(stack.aclose())


async def _opened(stack: AsyncExitStack, settings: Settings, database_url: str) -> Site:
    built = wiring.built(settings, database_url, sender=Outbox(), up_to_date=False)
    return await stack.enter_async_context(served(await stack.enter_async_context(built)))


def _throw(fuzzed: Fuzzed) -> None:
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

    at_any_path()
    at_the_socket()


async def _short(site: Site, raw: bytes) -> bytes:
    """What is answered at once to a client that sends this and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(raw)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()
