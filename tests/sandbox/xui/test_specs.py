"""Seed inbounds are realistic and the same on every start."""

import base64

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ferryman_sandbox.xui import new_x25519_pair, seeded_x25519_pair, trojan_tls, vless_reality, vless_ws_tls


def test_a_reality_inbound_carries_a_key_pair_that_belongs_together() -> None:
    reality = vless_reality()["streamSettings"]["realitySettings"]
    private = X25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(reality["privateKey"] + "="))
    public = base64.urlsafe_b64decode(reality["settings"]["publicKey"] + "=")
    assert private.public_key().public_bytes_raw() == public
    assert len(bytes.fromhex(reality["shortIds"][0])) == 8


def test_the_same_seed_gives_the_same_keys_and_another_seed_others() -> None:
    assert vless_reality("a", 1) == vless_reality("a", 1)
    assert seeded_x25519_pair("a") != seeded_x25519_pair("b")
    assert new_x25519_pair() != new_x25519_pair()


def test_remarks_ports_and_names_are_the_callers() -> None:
    assert (vless_reality("r", 1)["remark"], vless_reality("r", 1)["port"]) == ("r", 1)
    websocket = vless_ws_tls("w", 2, domain="cdn.example.net", path="/chat")["streamSettings"]
    assert websocket["wsSettings"]["path"] == "/chat"
    assert websocket["tlsSettings"]["serverName"] == "cdn.example.net"
    assert trojan_tls(domain="t.example.net")["streamSettings"]["tlsSettings"]["serverName"] == "t.example.net"
    assert trojan_tls()["protocol"] == "trojan"
