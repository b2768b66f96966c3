"""Links compared byte for byte with what 3X-UI's subscription server writes, and our differences from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.delivery.share_links import Identity, LinkInbound, NoLink, placeholder, share_link, share_links
from ferryman.fleet.panels.xui.inbounds import read_inbound

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "fixtures/links.json").read_text("utf-8"))
UUID = "11111111-2222-4333-8444-555555555555"
ALICE = Identity(UUID, "s3cret/pass", "s1a2b3", "alice")
REALITY = {
    "publicKey": "jNXHt1yRo0vDuchQlIP6Z0ZvjT3KtzVI-T4E7RoLJS0",
    "serverNames": ["www.example.org", "www.example.net", "www.example.com"],
    "shortIds": ["6ba85179e30d4fc2", "0123", "", "a1"],
    "fingerprint": "chrome",
    "spiderX": "/",
}


def reality(link: Mapping[str, Any] | None = None) -> LinkInbound:
    return LinkInbound(
        "vless", "tcp", "reality", 443, {"flow": "xtls-rprx-vision", "reality": REALITY} | dict(link or {})
    )


def params(link: str) -> dict[str, str]:
    query = parse_qs(urlsplit(link).query, keep_blank_values=True, strict_parsing=True)
    return {name: values[0] for name, values in query.items()}


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_it_writes_what_the_panel_writes(case: dict[str, Any]) -> None:
    identity = Identity(UUID, case["password"], "s1a2b3", "alice")
    links = share_links(LinkInbound(**case["inbound"]), case["host"], identity, case["remark"])
    assert list(links) == case["links"]


@pytest.mark.parametrize(
    ("raw", "link"),
    [
        (
            {
                "protocol": "vless",
                "settings": {"encryption": "none", "clients": [{"id": "someone else"}]},
                "streamSettings": {
                    "network": "tcp",
                    "security": "reality",
                    "realitySettings": {
                        "privateKey": "never-in-a-link",
                        "serverNames": ["www.example.org"],
                        "shortIds": ["6ba85179e30d4fc2"],
                        "settings": {"publicKey": REALITY["publicKey"], "fingerprint": "chrome", "spiderX": "/"},
                    },
                },
            },
            f"vless://{UUID}@node.example:443?encryption=none&flow=xtls-rprx-vision&fp=chrome&pbk={REALITY['publicKey']}"
            "&security=reality&sid=6ba85179e30d4fc2&sni=www.example.org&spx=%2F16433c555672054&type=tcp#NL",
        ),
        (
            {
                "protocol": "vless",
                "settings": {"encryption": "none"},
                "streamSettings": {
                    "network": "ws",
                    "security": "tls",
                    "wsSettings": {"path": "/ws?ed=2560", "host": "", "headers": {"Host": "cdn.example.net"}},
                    "tlsSettings": {"serverName": "cdn.example.net", "alpn": ["h2", "http/1.1"]},
                },
            },
            f"vless://{UUID}@node.example:443?alpn=h2%2Chttp%2F1.1&encryption=none&host=cdn.example.net"
            "&path=%2Fws%3Fed%3D2560&security=tls&sni=cdn.example.net&type=ws#NL",
        ),
        (
            {
                "protocol": "trojan",
                "settings": {"clients": [{"password": "someone else's"}]},
                "streamSettings": {
                    "network": "tcp",
                    "security": "tls",
                    "tlsSettings": {"serverName": "node.example", "settings": {"fingerprint": "firefox"}},
                },
            },
            "trojan://s3cret%2Fpass@node.example:443?fp=firefox&security=tls&sni=node.example&type=tcp#NL",
        ),
    ],
    ids=["reality", "websocket", "trojan"],
)
def test_an_inbound_as_the_panel_lists_it_becomes_a_link(raw: dict[str, Any], link: str) -> None:
    seen = read_inbound({"id": 1, "port": 443, "remark": "x", "enable": True} | raw)
    inbound = LinkInbound(seen.protocol, seen.transport, seen.security, seen.port, seen.link)
    assert share_links(inbound, "node.example", ALICE, "NL") == (link,)


def test_the_same_customer_gets_the_same_bytes_and_another_may_not() -> None:
    assert len({share_link(reality(), "de1.example.net", ALICE, "DE") for _ in range(20)}) == 1
    customers = [Identity(UUID, "", f"sub{number}", "x") for number in range(60)]
    links = [params(share_link(reality(), "de1.example.net", customer, "DE")) for customer in customers]
    assert {link["sni"] for link in links} == set(REALITY["serverNames"])
    assert {link["sid"] for link in links} == set(REALITY["shortIds"])


def test_a_new_server_name_moves_only_those_who_get_it() -> None:
    grown = reality({"reality": REALITY | {"serverNames": [*REALITY["serverNames"], "www.example.edu"]}})
    for number in range(60):
        customer = Identity(UUID, "", f"sub{number}", "x")
        before = params(share_link(reality(), "h.example", customer, ""))["sni"]
        after = params(share_link(grown, "h.example", customer, ""))["sni"]
        assert after in (before, "www.example.edu")


@pytest.mark.parametrize("host", ["2001:db8::7", "[2001:db8::7]"])
def test_an_ipv6_address_stands_in_brackets_once(host: str) -> None:
    assert urlsplit(share_link(reality(), host, ALICE, "")).netloc == f"{UUID}@[2001:db8::7]:443"


def test_no_remark_means_no_fragment() -> None:
    assert "#" not in share_link(reality(), "h.example", ALICE, "")


@pytest.mark.parametrize(
    ("transport", "security", "encryption", "carries"),
    [
        ("tcp", "tls", "none", True),
        ("tcp", "none", "none", False),
        ("ws", "tls", "none", False),
        ("grpc", "tls", "none", False),
        ("xhttp", "tls", "none", False),
        ("xhttp", "tls", "mlkem768x25519plus.native.0rtt.key", True),
    ],
)
def test_vision_goes_only_where_it_works(transport: str, security: str, encryption: str, carries: bool) -> None:
    link = {"flow": "xtls-rprx-vision", "encryption": encryption}
    inbound = LinkInbound("vless", transport, security, 443, link)
    assert ("flow" in params(share_link(inbound, "h.example", ALICE, ""))) is carries


def test_a_grpc_authority_is_written_for_both_kinds_of_readers() -> None:
    inbound = LinkInbound("vless", "grpc", "none", 443, {"grpc": {"serviceName": "s", "authority": "a.example"}})
    found = params(share_link(inbound, "h.example", ALICE, ""))
    assert (found["authority"], found["host"]) == ("a.example", "a.example")


def test_a_front_may_bring_tls_to_a_plain_inbound_and_take_reality_off() -> None:
    front = {"dest": "cdn.example", "port": 8443, "forceTls": "tls", "sni": "cdn.example", "alpn": ["http/1.1"]}
    plain = LinkInbound("vless", "ws", "none", 80, {"ws": {"path": "/", "host": ""}, "externalProxy": [front]})
    found = params(share_links(plain, "ignored.example", ALICE, "DE")[0])
    assert (found["security"], found["sni"], found["alpn"]) == ("tls", "cdn.example", "http/1.1")
    stripped = share_links(reality({"externalProxy": [front | {"forceTls": "none"}]}), "h.example", ALICE, "DE")[0]
    assert not {"pbk", "sni", "sid", "flow", "alpn"} & set(params(stripped))


@pytest.mark.parametrize(
    ("inbound", "host", "says"),
    [
        (LinkInbound("wireguard", "tcp", "none", 443), "h.example", "wireguard"),
        (LinkInbound("vless", "kcp", "none", 443), "h.example", "kcp"),
        (LinkInbound("vless", "", "none", 443), "h.example", "transport"),
        (LinkInbound("vless", "tcp", "xtls", 443), "h.example", "xtls"),
        (LinkInbound("vless", "tcp", "none", 0), "h.example", "port"),
        (LinkInbound("vless", "tcp", "none", 70000), "h.example", "port"),
        (LinkInbound("vless", "tcp", "reality", 443, {"reality": {"serverNames": ["a"]}}), "h.example", "public key"),
        (LinkInbound("vless", "tcp", "reality", 443), "h.example", "public key"),
        (reality(), "", "address"),
        (reality(), "h.example/x", "address"),
        (reality(), "user@h.example", "address"),
        (reality(), "h.example\nh2.example", "address"),
    ],
)
def test_what_has_no_link_says_why(inbound: LinkInbound, host: str, says: str) -> None:
    with pytest.raises(NoLink, match=says):
        share_link(inbound, host, ALICE, "DE")


def test_secrets_of_an_identity_are_not_in_its_repr() -> None:
    assert not any(secret in repr(ALICE) for secret in (ALICE.uuid, ALICE.password, ALICE.sub_id))


def test_a_placeholder_leads_to_this_very_device_and_says_its_text() -> None:
    parts = urlsplit(placeholder("Срок вышел: 100%"))
    assert (parts.hostname, parts.port, unquote(parts.fragment)) == ("127.0.0.1", 1, "Срок вышел: 100%")


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(path=WORDS, host=WORDS, remark=WORDS, password=WORDS)
def test_whatever_is_put_in_comes_out_again(path: str, host: str, remark: str, password: str) -> None:
    inbound = LinkInbound("trojan", "ws", "none", 443, {"ws": {"path": path, "host": host}})
    link = share_link(inbound, "h.example", Identity(UUID, password, "s", "e"), remark)
    query, _, fragment = link.partition("?")[2].partition("#")
    pairs = [pair.split("=") for pair in query.split("&")]
    assert "+" not in link
    assert link.isascii()
    assert all(len(pair) == 2 for pair in pairs)
    assert [name for name, _ in pairs] == sorted(name for name, _ in pairs)
    found = {name: unquote(value) for name, value in pairs}
    assert (found["path"], found["host"], unquote(fragment)) == (path, host, remark)
    assert unquote(link.removeprefix("trojan://").partition("@")[0]) == password
