"""A panel's certificate as we see it: its fingerprint, until when, and why it is not trusted."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ferryman.fleet import certificate
from ferryman.kit.errors import Misconfigured, Unreachable
from ferryman_sandbox.emulator import serve
from tests.support.certificates import MadeUp, made_up, serve_tls

Shown = Callable[[MadeUp], Awaitable[str]]


@pytest.fixture
async def shown() -> AsyncIterator[Shown]:
    """Serve something with a certificate; answers the address."""
    async with AsyncExitStack() as stack:

        async def start(certificate: MadeUp) -> str:
            server = await serve_tls(web.Application(), certificate)
            stack.push_async_callback(server.stop)
            return server.url

        yield start


async def test_a_self_signed_certificate_is_told_with_the_fingerprint_to_pin(tmp_path: Path, shown: Shown) -> None:
    made = made_up(tmp_path)
    found = await certificate.shown_by(await shown(made))
    assert (found.flaw, found.sha256, found.host) == ("is self-signed", made.sha256, "127.0.0.1")
    assert abs(found.expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
    colons = ":".join(made.sha256[at : at + 2] for at in range(0, 64, 2)).upper()
    assert found.pinned_by(colons) and found.pinned_by(made.sha256)
    assert not found.pinned_by("0" * 64)


async def test_one_whose_authority_is_given_has_no_flaw(tmp_path: Path, shown: Shown) -> None:
    made = made_up(tmp_path)
    assert (await certificate.shown_by(await shown(made), made.pem)).flaw == ""


@pytest.mark.parametrize(
    ("wrong", "flaw"),
    [({"days": -3}, "has expired"), ({"address": "127.0.0.9"}, "belongs to another address")],
)
async def test_what_is_wrong_with_one_is_said(tmp_path: Path, shown: Shown, wrong: dict[str, int], flaw: str) -> None:
    made = made_up(tmp_path, **wrong)  # type: ignore[arg-type]
    assert (await certificate.shown_by(await shown(made), made.pem)).flaw == flaw


async def test_one_of_another_authority_is_not_trusted(tmp_path: Path, shown: Shown) -> None:
    other = made_up(tmp_path, name="other")
    assert (await certificate.shown_by(await shown(made_up(tmp_path)), other.pem)).flaw == "is self-signed"


async def test_where_nobody_speaks_tls_there_is_none() -> None:
    server = await serve(web.Application())
    try:
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1 did not complete a TLS handshake"):
            await certificate.shown_by(server.url.replace("http://", "https://"))
    finally:
        await server.stop()
    with pytest.raises(Unreachable):
        await certificate.shown_by("https://127.0.0.1:9")


@pytest.mark.parametrize(("url", "authority"), [("http://127.0.0.1/", ""), ("https:///", ""), ("ftp://a/", "")])
async def test_an_address_that_shows_none_is_named(url: str, authority: str) -> None:
    with pytest.raises(Misconfigured, match="https://"):
        await certificate.shown_by(url, authority)


async def test_an_authority_that_is_none_is_named(tmp_path: Path, shown: Shown) -> None:
    with pytest.raises(Misconfigured, match="BEGIN CERTIFICATE"):
        await certificate.shown_by(await shown(made_up(tmp_path)), "not a certificate")
