"""The web face as a stranger, a bank and a load balancer see it."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import aiohttp
import psycopg
import pytest

from ferryman import __version__
from ferryman.faces.web import app, server
from ferryman.faces.web.hooks import LARGEST_BODY
from ferryman.flows.payments import ways
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured
from tests.faces.web.conftest import SILENCE_SECONDS, Reply, Site, served
from tests.support.chat import until
from tests.support.outage import database_away
from tests.support.shop import Town, notification

TEN_MEGABYTES = 10 * 1024 * 1024


async def bought(shop: Town, site: Site) -> str:
    """Somebody pays at the bank, the bank's own notification comes in, and the key is made; the link's path."""
    shop.bank.pusher.point_at(f"http://127.0.0.1:{site.port}{site.hook}")
    shop.pay(await shop.order(await shop.customer()))
    await until(lambda: _kept(shop), "the bank's notification")
    await shop.work()
    return f"/s/{await shop.value('SELECT token FROM subscriptions')}"


async def _kept(shop: Town) -> bool:
    return bool(await shop.value("SELECT count(*) FROM webhook_events"))


async def test_the_banks_own_notification_leads_to_a_key_and_a_link_that_works(shop: Town, site: Site) -> None:
    path = await bought(shop, site)
    (told,) = await shop.rows("SELECT verdict, remote_ip FROM webhook_events")
    assert tuple(told) == ("paid", "127.0.0.1")
    got = await site.get(path, user_agent="Happ/3.0")
    assert got.status == 200
    headed = await site.ask("HEAD", path)
    assert (headed.status, headed.body) == (200, b"")
    assert headed.headers["content-length"] == got.headers["content-length"]
    again = await site.get(path, if_none_match=got.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert (await site.get(path[:-1] + ("A" if path[-1] != "A" else "B"))).status == 404


async def test_12_who_sends_is_what_our_own_proxy_wrote_and_not_what_the_sender_did(shop: Town, tools: Tools) -> None:
    """10 and 11 as well: with networks named, one of the bank's is heard, and nobody from elsewhere."""
    tools.settings = tools.settings.model_copy(update={"proxy_hops": 1})
    await ways.edit(tools, "yookassa", ways.Edit({"senders": ["185.71.76.0/27"]}))
    checkout = await shop.order(await shop.customer())
    claim = notification(shop.payment_of(checkout) | {"status": "succeeded", "paid": True})
    async with served(tools) as site:
        for written in ("185.71.76.5, 203.0.113.9", "203.0.113.9", "185.71.76.5,", ""):
            assert (await site.post(site.hook, claim, headers={"X-Forwarded-For": written})).status == 400, written
        assert (await site.post(site.hook, claim)).status == 400, "straight to us, past the proxy"
        assert await shop.value("SELECT count(*) FROM webhook_events") == 0
        paid = notification(shop.pay(checkout))
        heard = await site.post(site.hook, paid, headers={"X-Forwarded-For": "203.0.113.9, 185.71.76.5"})
    assert heard.status == 200
    await shop.work()
    assert await shop.rows("SELECT remote_ip, verdict FROM webhook_events") == [("185.71.76.5", "paid")]
    assert await shop.value("SELECT count(*) FROM grants") == 1


async def test_the_bank_hears_what_it_wants_to_hear(shop: Town, site: Site) -> None:
    payment = shop.payment_of(await shop.order(await shop.customer()))
    for _ in range(2):
        answer = await site.post(site.hook, notification(payment))
        assert answer.status == 200
    assert await shop.rows("SELECT repeats FROM webhook_events") == [(1,)]


async def test_a_wrong_secret_an_unknown_provider_and_one_not_set_up_look_alike(shop: Town, site: Site) -> None:
    await shop.rows("DELETE FROM payment_methods RETURNING name")
    body = notification({"id": "x"})
    answers = [
        await site.post(path, body)
        for path in (
            site.hook[:-1],
            site.hook + "x",
            "/hooks/yookassa/%D0%BA%D0%BB%D1%8E%D1%87",
            "/hooks/yookassa/%FF%00",
            site.hook_of("nobody"),
            site.hook_of("\0").replace("\0", "%00"),
            site.hook,
            f"/hooks/yookassa/{site.tools.hook_secret}",
        )
    ]
    assert {answer.status for answer in answers} == {404}
    assert [answer.shape for answer in answers] == [answers[0].shape] * len(answers)


@pytest.mark.parametrize(
    "path", ["/hooks/yookassa", "/hooks/yookassa/a/b", "/hooks", "/admin", "/docs", "/openapi.json"]
)
async def test_what_is_not_there_is_not_there(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_webhooks_are_posted_or_fetched_and_nothing_else(site: Site, method: str) -> None:
    answer = await site.ask(method, site.hook)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_one_that_posts_its_webhooks_is_not_heard_otherwise(shop: Town, site: Site, method: str) -> None:
    assert (await site.ask(method, site.hook)).status == 400
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", b"\xff\xfe", b"<html>", b'{"type":', b"[" * 200_000, notification({"id": "\0" * 36})],
    ids=["empty", "null", "list", "object", "not text", "html", "cut", "deep", "nul bytes"],
)
async def test_garbage_is_refused_and_leaves_no_trace(shop: Town, site: Site, body: bytes) -> None:
    answer = await site.post(site.hook, body)
    assert (answer.status, answer.body) == (400, b"")
    assert await shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_a_body_of_exactly_the_bound_is_read_and_one_byte_more_is_not(shop: Town, site: Site) -> None:
    assert (await site.post(site.hook, b" " * LARGEST_BODY)).status == 400
    assert (await site.post(site.hook, b" " * (LARGEST_BODY + 1))).status == 413


async def test_ten_megabytes_are_refused_by_their_announcement(site: Site) -> None:
    head = f"POST {site.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: {TEN_MEGABYTES}\r\n\r\n".encode()
    started = time.monotonic()
    heard = await site.said_to(head)
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in heard.lower()
    assert time.monotonic() - started < SILENCE_SECONDS


async def test_ten_megabytes_without_an_announcement_are_cut_off(site: Site) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 400 * LARGEST_BODY:
            sent += 65536
            yield b" " * 65536

    # The answer may be lost when the server hangs up on somebody who is still talking.
    with contextlib.suppress(aiohttp.ClientError):
        answer = await asyncio.wait_for(site.post(site.hook, endless()), 10)
        assert answer.status == 413
    assert sent < 200 * LARGEST_BODY


async def test_a_wrong_secret_is_answered_before_the_body_is_read(site: Site) -> None:
    head = f"POST {site.hook}x HTTP/1.1\r\nHost: x\r\nContent-Length: {TEN_MEGABYTES}\r\n\r\n".encode()
    assert (await site.said_to(head)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "0x10", "+5", "1_000", "5, 5", "²", ""])
async def test_a_length_that_is_none_is_a_bad_request(site: Site, length: str) -> None:
    head = f"POST {site.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\nhello".encode("latin-1")
    assert (await site.said_to(head)).startswith(b"HTTP/1.1 400 ")


async def test_a_length_beyond_every_number_is_too_large_or_none(site: Site) -> None:
    head = f"POST {site.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * 40}\r\n\r\n".encode()
    assert (await site.said_to(head))[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")


async def test_two_lengths_that_differ_are_not_guessed_about(site: Site) -> None:
    head = f"POST {site.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert (await site.said_to(head.encode())).startswith(b"HTTP/1.1 400 ")


async def test_a_length_larger_than_the_body_waits_for_nobody_who_has_left(shop: Town, site: Site) -> None:
    payment = shop.payment_of(await shop.order(await shop.customer()))
    body = notification(payment)
    head = f"POST {site.hook} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) + 9}\r\n\r\n".encode()
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head + body)
    await writer.drain()
    writer.close()
    assert (await site.get("/healthz")).status == 200
    assert not await _kept(shop)


async def test_while_the_database_is_away_the_bank_is_asked_to_come_back_and_then_all_is_well(
    shop: Town, site: Site, postgres_url: str, database_url: str
) -> None:
    payment = shop.payment_of(await shop.order(await shop.customer()))
    assert (await site.get("/readyz")).body == b'{"ready":true}'
    with database_away(postgres_url, database_url):
        hooked = await site.post(site.hook, notification(payment))
        ready = await site.get("/readyz")
        link = await site.get(f"/s/{'a' * 24}")
        seen = await site.get("/api/overview", authorization="Bearer operator-token-of-the-tests")
        assert (await site.get("/healthz")).status == 200
        assert (await site.post(f"{site.hook}x", b"")).status == 404
    assert (hooked.status, hooked.headers["retry-after"], hooked.body) == (503, "5", b"")
    assert (ready.status, ready.body) == (503, b'{"ready":false,"why":"The database does not answer."}')
    assert (link.status, link.headers["retry-after"]) == (503, "30")
    assert (seen.status, seen.headers["retry-after"]) == (503, "5")
    await until(lambda: _is_ready(site), "the database")
    assert (await site.post(site.hook, notification(payment))).status == 200


async def _is_ready(site: Site) -> bool:
    return (await site.get("/readyz")).status == 200


async def test_alive_says_the_version_and_the_front_door_proves_nothing(site: Site) -> None:
    alive, front = await site.get("/healthz"), await site.get("/?orderId=1&paid=true")
    assert (alive.status, alive.body) == (200, f'{{"alive":true,"version":"{__version__}"}}'.encode())
    assert front.status == 200
    assert "вернитесь" in front.body.decode()


async def test_no_answer_names_the_server_or_how_it_is_built(shop: Town, site: Site) -> None:
    answers: list[Reply] = [
        await site.get("/healthz"),
        await site.get("/nowhere"),
        await site.get("/api/overview"),
        await site.get(f"/s/{'a' * 24}"),
        await site.post(site.hook, b"garbage"),
        await site.ask("DELETE", "/healthz"),
    ]
    for answer in answers:
        assert not {"server", "x-powered-by", "x-process-time"} & set(answer.headers)
        for word in (b"Traceback", b"uvicorn", b"starlette", b"fastapi", b"/src/", b'File "'):
            assert word not in answer.body


async def test_what_nobody_foresaw_is_a_bare_500_and_the_server_lives_on(
    shop: Town, site: Site, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The books themselves are broken here: a table is gone."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as operator:
        await operator.execute("ALTER TABLE webhook_events RENAME TO elsewhere")
    payment = shop.payment_of(await shop.order(await shop.customer()))
    with caplog.at_level(logging.ERROR):
        answer = await site.post(site.hook, notification(payment))
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert "webhook_events" in caplog.text
    for secret in (site.tools.hook_secret, site.tools.hook_key("yookassa")):
        assert secret not in caplog.text
    assert (await site.get("/healthz")).status == 200


async def test_an_address_that_came_from_a_stranger_is_not_believed(shop: Town, site: Site) -> None:
    payment = shop.payment_of(await shop.order(await shop.customer()))
    await site.post(
        site.hook, notification(payment), headers={"X-Forwarded-For": "185.71.76.1", "X-Real-IP": "1.2.3.4"}
    )
    assert await shop.rows("SELECT remote_ip FROM webhook_events") == [("127.0.0.1",)]


async def test_a_port_that_is_taken_names_the_setting(site: Site, tools: Tools) -> None:
    built = app.build(tools)
    with pytest.raises(Misconfigured, match=f"Port {site.port} on 127.0.0.1 .* Set FERRYMAN_PORT to a free one"):
        await server.run(built, "127.0.0.1", site.port, asyncio.Event())
    assert (await site.get("/healthz")).status == 200


async def test_being_told_to_stop_before_it_has_begun_is_no_failure(tools: Tools, port: int) -> None:
    stopping = asyncio.Event()
    stopping.set()
    await asyncio.wait_for(server.run(app.build(tools), "127.0.0.1", port, stopping), 20)


async def test_stopping_finishes_the_answer_that_is_being_given(shop: Town, tools: Tools, port: int) -> None:
    stopping = asyncio.Event()
    payment = shop.payment_of(await shop.order(await shop.customer()))
    serving = asyncio.create_task(server.run(app.build(tools), "127.0.0.1", port, stopping))
    body = notification(payment)
    reader, writer = await _connected(port)
    where = f"/hooks/yookassa/{tools.hook_key('yookassa')}"
    head = f"POST {where} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    writer.write(head + body[:10])
    await writer.drain()
    await asyncio.sleep(0.05)
    stopping.set()
    writer.write(body[10:])
    assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 200 ")
    writer.close()
    await asyncio.wait_for(serving, 20)


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    deadline = time.monotonic() + 20
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
