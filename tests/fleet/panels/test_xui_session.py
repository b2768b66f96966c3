"""What panels of other generations, proxies and certificates say, and the sentence each becomes."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from ferryman.fleet.panel import PanelAccess, PanelTools
from ferryman.fleet.panels.xui import Xui
from ferryman.kit.errors import AccessDenied, Busy, Misconfigured, NotFound, Refused, Unreachable
from tests.fleet.panels.stub import Said, ok, stubbed

STATUS = {"panelVersion": "3.6.0", "xray": {"state": "running"}}
LOGIN_PAGE_OF_2X = b'<html><script src="/assets/vue/vue.min.js?2.8.11"></script></html>'


def by_token(url: str, **more: object) -> PanelAccess:
    return PanelAccess(url, token=SecretStr("t0ken"), **more)  # type: ignore[arg-type]


def by_password(url: str) -> PanelAccess:
    return PanelAccess(url, username="keeper", password=SecretStr("s3same"))


@pytest.mark.parametrize("answer", [Said(status=404), Said({"success": False, "msg": "expired"}, status=401)])
async def test_a_token_is_of_no_use_on_2_x_which_is_said_with_its_version(tools: PanelTools, answer: Said) -> None:
    def script(request: web.Request) -> Said:
        return Said(LOGIN_PAGE_OF_2X) if request.path == "/" else answer

    async with stubbed(script) as stub:
        with pytest.raises(Refused, match=r"runs 3X-UI 2\.8\.11, which has no API tokens: give a user name"):
            await Xui(by_token(stub.url), tools).probe()


async def test_what_has_no_login_is_another_base_path_or_no_panel(tools: PanelTools) -> None:
    async with stubbed(lambda _: Said(status=404)) as stub:
        with pytest.raises(Refused, match="web base path"):
            await Xui(by_password(stub.url), tools).probe()


@pytest.mark.parametrize("version", ["3.1.0", "v3.7.1", "dev+abc123", "4.0.0-rc1"])
async def test_newer_and_development_versions_are_taken(tools: PanelTools, version: str) -> None:
    async with stubbed(lambda _: ok({**STATUS, "panelVersion": version})) as stub:
        assert (await Xui(by_token(stub.url), tools).probe()).version == version


async def test_a_panel_that_has_just_started_is_busy(tools: PanelTools) -> None:
    async with stubbed(lambda _: ok(None)) as stub:
        with pytest.raises(Busy, match="just started"):
            await Xui(by_token(stub.url), tools).probe()


@pytest.mark.parametrize("state", ["stop", "error", None])
async def test_a_dead_core_is_reported(tools: PanelTools, state: str | None) -> None:
    async with stubbed(lambda _: ok({**STATUS, "xray": {"state": state} if state else None})) as stub:
        assert not (await Xui(by_token(stub.url), tools).probe()).core_running


@pytest.mark.parametrize("minutes", [-10, 0, 10])
async def test_the_panels_clock_is_compared_with_ours(tools: PanelTools, minutes: int) -> None:
    def script(_: web.Request) -> Said:
        return ok(STATUS, Date=format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True))

    async with stubbed(script) as stub:
        skew = (await Xui(by_token(stub.url), tools).probe()).clock_skew
    assert skew is not None and abs(skew - minutes * 60) <= 1


async def test_a_tls_only_panel_asks_for_https(tools: PanelTools) -> None:
    async with stubbed(lambda _: Said(status=307, headers={"Location": "https://127.0.0.1/panel"})) as stub:
        with pytest.raises(Refused, match="https://"):
            await Xui(by_token(stub.url), tools).probe()


async def test_a_redirect_that_is_not_even_http_asks_for_https_too(tools: PanelTools) -> None:
    """What real TLS panels send to a plain request."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/0.0 307 Temporary Redirect\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match="https://"):
            await Xui(by_token(f"http://127.0.0.1:{port}/"), tools).probe()


async def test_a_bare_403_points_at_the_panels_domain(tools: PanelTools) -> None:
    async with stubbed(lambda _: Said(status=403)) as stub:
        for access in (by_token(stub.url), by_password(stub.url)):
            with pytest.raises(AccessDenied, match="setting for its domain"):
                await Xui(access, tools).probe()


async def test_a_token_of_too_narrow_a_scope_is_told_so(tools: PanelTools) -> None:
    async with stubbed(lambda _: Said({"success": False, "msg": "token scope: not permitted"}, status=403)) as stub:
        with pytest.raises(AccessDenied, match="scope `admin`"):
            await Xui(by_token(stub.url), tools).probe()


async def test_a_rejected_csrf_token_is_answered_by_a_new_session(tools: PanelTools) -> None:
    """As after a restart of the panel with another secret."""
    good = "c2"

    def script(request: web.Request) -> Said:
        if request.path == "/csrf-token":
            fresh = "c2" if any(r.path == "/login" for r in stub.asked) else "c1"
            return Said({"success": True, "obj": fresh}, headers={"Set-Cookie": f"3x-ui={fresh}; Path=/; HttpOnly"})
        if request.path == "/login":
            return Said({"success": True}, headers={"Set-Cookie": "3x-ui=in; Max-Age=21600"})
        return ok() if request.headers["X-CSRF-Token"] == good else Said(status=403)

    async with stubbed(script) as stub:
        panel = Xui(by_password(stub.url), tools)
        await panel._session.change("clients", "del", "a")
        assert stub.paths("POST") == ["/login", "/panel/api/clients/del/a", "/login", "/panel/api/clients/del/a"]


async def test_a_cookie_of_a_proxy_in_front_travels_along(tools: PanelTools) -> None:
    def script(request: web.Request) -> Said:
        if request.path == "/csrf-token":
            return Said({"success": True, "obj": "c"}, headers={"Set-Cookie": "route=a1; Path=/"})
        if request.path == "/login":
            return Said({"success": True}, headers={"Set-Cookie": "3x-ui=blob==; Max-Age=60; Secure; HttpOnly"})
        return ok(STATUS)

    async with stubbed(script) as stub:
        await Xui(by_password(stub.url), tools).probe()
        sent = stub.asked[-1]
    assert sent.cookies == {"route": "a1", "3x-ui": "blob=="}
    assert sent.headers["X-CSRF-Token"] == "c"


async def test_a_login_without_a_session_is_no_login(tools: PanelTools) -> None:
    async with stubbed(lambda _: ok("c")) as stub:
        with pytest.raises(Unreachable, match="gave no session"):
            await Xui(by_password(stub.url), tools).probe()


async def test_every_call_asks_for_json_as_a_script_would(tools: PanelTools) -> None:
    async with stubbed(lambda _: ok(STATUS)) as stub:
        await Xui(by_token(stub.url.rstrip("/")), tools).probe()
        headers = stub.asked[0].headers
    assert (headers["Accept"], headers["X-Requested-With"]) == ("application/json", "XMLHttpRequest")
    assert headers["Authorization"] == "Bearer t0ken"
    assert "Origin" not in headers and "Cookie" not in headers


@pytest.mark.parametrize("obj", [{"no": "client"}, [1], "text", None])
async def test_a_client_told_in_an_unknown_shape_is_not_taken_for_a_missing_one(tools: PanelTools, obj: object) -> None:
    async with stubbed(lambda request: ok(STATUS if request.path.endswith("status") else obj)) as stub:
        with pytest.raises(Unreachable, match="cannot read"):
            await Xui(by_token(stub.url), tools).see("alice")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Что-то пошло не так (record not found)", NotFound),
        (" (record not found)", NotFound),
        ('Error (client "a" not found in any inbound or client record\n)', NotFound),
        ("Error getting traffic. (Inbound Not Found For Email: a\n)", NotFound),
        ("Something went wrong (database is locked)", Busy),
        ("Something went wrong (traffic writer queue full)", Busy),
        ("Something went wrong (at least one inbound is required\n)", Refused),
        ("", Refused),
    ],
)
async def test_a_failure_means_what_its_brackets_say(tools: PanelTools, message: str, error: type[Exception]) -> None:
    async with stubbed(lambda _: Said({"success": False, "msg": message, "obj": None})) as stub:
        with pytest.raises(error) as caught:
            await Xui(by_token(stub.url), tools)._session.change("clients", "add", body={})
    assert type(caught.value) is error and "127.0.0.1" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "panel.example.org", "ftp://panel.example.org", "https://admin:pw@panel.example.org/"]
)
def test_an_address_that_cannot_be_a_panels_stops_at_once(tools: PanelTools, url: str) -> None:
    with pytest.raises(Misconfigured, match="https://host:port/base-path/"):
        Xui(by_token(url), tools)


def test_a_panel_without_credentials_stops_at_once(tools: PanelTools) -> None:
    with pytest.raises(Misconfigured, match="API token"):
        Xui(PanelAccess("https://panel.example.org"), tools)


def test_a_pin_that_is_none_stops_at_once(tools: PanelTools) -> None:
    with pytest.raises(Misconfigured, match="SHA-256"):
        Xui(by_token("https://panel.example.org", pin="12:34"), tools)


@dataclass
class SelfSigned:
    """A server's context with a certificate nobody else signed, its SHA-256 in hex, and itself."""

    context: ssl.SSLContext
    pin: str
    pem: str


@pytest.fixture
def self_signed(tmp_path: Path) -> SelfSigned:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return SelfSigned(context, certificate.fingerprint(hashes.SHA256()).hex(), public)


async def test_a_self_signed_panel_is_refused_pinned_or_trusted(tools: PanelTools, self_signed: SelfSigned) -> None:
    context, pin = self_signed.context, self_signed.pin
    colons = ":".join(pin[i : i + 2] for i in range(0, 64, 2)).upper()
    async with stubbed(lambda _: ok(STATUS), context) as stub:
        with pytest.raises(Refused, match="pin"):
            await Xui(by_token(stub.url), tools).probe()
        with pytest.raises(AccessDenied, match="another certificate"):
            await Xui(by_token(stub.url, pin="00" * 32), tools).probe()
        assert len(stub.asked) == 0
        for trusting in ({"pin": pin}, {"pin": colons}, {"insecure": True}, {"ca": self_signed.pem}):
            assert (await Xui(by_token(stub.url, **trusting), tools).probe()).core_running


async def test_an_authority_vouches_for_its_own_names_only(tools: PanelTools, self_signed: SelfSigned) -> None:
    async with stubbed(lambda _: ok(STATUS), self_signed.context) as stub:
        elsewhere = stub.url.replace("127.0.0.1", "localhost")
        with pytest.raises(Refused, match="nobody vouches for"):
            await Xui(by_token(elsewhere, ca=self_signed.pem), tools).probe()
        assert len(stub.asked) == 0


def test_an_authority_that_is_none_stops_at_once(tools: PanelTools) -> None:
    with pytest.raises(Misconfigured, match="PEM"):
        Xui(by_token("https://panel.example.org", ca="not a certificate"), tools)
