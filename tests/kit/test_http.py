"""The HTTP client against servers that answer late, half, too much or not at all."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from ferryman.kit.errors import Busy, Misconfigured, Unreachable
from ferryman.kit.http import Answer, Http
from ferryman_sandbox.emulator import Server, serve

SECRET = "token-that-nobody-may-read"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http()
    yield http
    await http.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async def echo(request: web.Request) -> web.Response:
        body = {"cookies": dict(request.cookies), "query": dict(request.query), "text": await request.text()}
        response = web.json_response(body, headers={"X-Mixed-Case": "yes"})
        response.set_cookie("session", "abc")
        return response

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/echo")

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>502 Bad Gateway</html>", content_type="text/html", status=502)

    async def zipped(_: web.Request) -> web.Response:
        response = web.Response(body=b"0" * 5_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    for path, handler in (("/moved", moved), ("/page", page), ("/zipped", zipped)):
        app.router.add_get(path, handler)
    server = await serve(app)
    yield server
    await server.stop()


@pytest.fixture
async def raw() -> AsyncIterator[Callable[[bytes, bool], Awaitable[str]]]:
    """Makes a server that sends these bytes to every caller, then hangs up (with a reset, if so wished)."""
    servers: list[asyncio.Server] = []

    async def make(sends: bytes, reset: bool) -> str:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sends)
            if reset:
                await asyncio.sleep(0.02)
                writer.transport.abort()
            else:
                writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        servers.append(server)
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{SECRET}"

    yield make
    for server in servers:
        server.close()


async def test_what_is_sent_arrives_and_what_comes_back_is_read_whole(http: Http, server: Server) -> None:
    answer = await http.request("POST", f"{server.url}/echo", params={"a": "ä b"}, form={"name": "Паром"})
    assert answer.status == 200
    assert answer.json()["query"] == {"a": "ä b"}
    assert "name=" in answer.json()["text"]
    assert answer.headers["x-mixed-case"] == "yes"
    assert answer.is_json_object


async def test_an_address_is_sent_as_it_was_written(http: Http, server: Server) -> None:
    answer = await http.request("GET", f"{server.url}/echo?sign=a%2Bb%20c")
    assert answer.json()["query"] == {"sign": "a+b c"}


async def test_a_body_that_is_signed_goes_out_byte_for_byte(http: Http, server: Server) -> None:
    body = '{"a": "Паром","b":1.50}'
    answer = await http.request(
        "POST", f"{server.url}/echo", raw_body=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.json()["text"] == body


async def test_any_http_answer_is_an_answer(http: Http, server: Server) -> None:
    answer = await http.request("GET", f"{server.url}/page")
    assert (answer.status, answer.is_json_object) == (502, False)
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()
    assert (await http.request("GET", f"{server.url}/nowhere")).status == 404


@pytest.mark.parametrize(("body", "is_object"), [(b"", False), (b"[]", False), (b"\xff", False), (b"{}", True)])
def test_a_json_object_is_told_from_everything_else(body: bytes, is_object: bool) -> None:
    assert Answer(200, {}, body).is_json_object is is_object


async def test_a_redirect_is_not_followed(http: Http, server: Server) -> None:
    answer = await http.request("GET", f"{server.url}/moved")
    assert (answer.status, answer.headers["location"]) == (302, "/echo")


async def test_no_cookie_is_kept(http: Http, server: Server) -> None:
    for _ in range(2):
        answer = await http.request("GET", f"{server.url}/echo")
        assert answer.json()["cookies"] == {}
        assert "session=abc" in answer.headers["set-cookie"]


async def test_silence_ends_at_the_timeout_and_is_named(http: Http) -> None:
    hung_up = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        started = time.monotonic()
        with pytest.raises(Unreachable, match=r"^127\.0\.0\.1 did not answer within 0\.2 s\.$"):
            await http.request("GET", f"http://127.0.0.1:{port}/{SECRET}", timeout=0.2)
        assert time.monotonic() - started < 10
        await asyncio.wait_for(hung_up.wait(), 20)


async def test_a_body_that_trickles_ends_at_the_timeout_too(http: Http) -> None:
    hung_up = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.05)
        writer.close()
        hung_up.set()

    async with await asyncio.start_server(trickle, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="did not answer within"):
            await http.request("GET", f"http://127.0.0.1:{port}/", timeout=0.3)
        await asyncio.wait_for(hung_up.wait(), 20)


async def test_a_refused_connection_is_named(http: Http) -> None:
    with pytest.raises(Unreachable, match=r"^127\.0\.0\.1 gave no answer \(\w+\)\.$") as caught:
        await http.request("GET", f"http://127.0.0.1:9/{SECRET}")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("sends", "reset"),
    [
        (b"", False),
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Le", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
    ],
)
async def test_half_an_answer_is_none(
    http: Http, raw: Callable[[bytes, bool], Awaitable[str]], sends: bytes, reset: bool
) -> None:
    url = await raw(sends, reset)
    with pytest.raises(Unreachable) as caught:
        await http.request("POST", url, headers={"Authorization": f"Bearer {SECRET}"}, json_body={"key": SECRET})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [f"https://{SECRET}@/", SECRET, "http://[::1", "ftp://127.0.0.1/", "http://h:99999/", "http://h:0/", ""]
)
async def test_what_is_no_address_is_a_mistake_to_correct_and_not_repeated(http: Http, wrong: str) -> None:
    with pytest.raises(Misconfigured, match="whole http") as caught:
        await http.request("GET", wrong)
    assert SECRET not in str(caught.value)


async def test_an_answer_over_the_bound_is_cut_off(server: Server) -> None:
    http = Http(largest_answer=1_000_000)
    with pytest.raises(Busy, match="more than 1000000 bytes"):
        await http.request("GET", f"{server.url}/zipped")
    assert (await http.request("GET", f"{server.url}/echo")).status == 200
    await http.close()


async def test_an_answer_of_exactly_the_bound_is_read(server: Server) -> None:
    http = Http(largest_answer=5_000_000)
    assert len((await http.request("GET", f"{server.url}/zipped")).body) == 5_000_000
    await http.close()


async def test_after_closing_it_opens_again(http: Http, server: Server) -> None:
    await http.request("GET", f"{server.url}/echo")
    await http.close()
    assert (await http.request("GET", f"{server.url}/echo")).status == 200


async def test_nothing_of_a_call_is_logged(http: Http, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await http.request("GET", f"{server.url}/echo?{SECRET}", headers={"Authorization": SECRET})
    assert SECRET not in "".join(line for line in caplog.messages if "aiohttp.access" not in line)
