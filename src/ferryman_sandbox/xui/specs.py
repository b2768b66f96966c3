"""Inbounds as an administrator would have made them, ready to seed a panel or to be posted to `inbounds/add`.

Keys are deterministic: the same `seed` gives the same REALITY key pair and short id, so that a demo's links stay the
same from one start to the next. They are worth nothing outside the sandbox.
"""

import base64
import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

InboundSpec = dict[str, Any]

SNIFFING = {"enabled": True, "destOverride": ["http", "tls", "quic"], "metadataOnly": False, "routeOnly": False}


def x25519_pair(private: X25519PrivateKey) -> tuple[str, str]:
    """Private and public key as the panel writes them: unpadded URL-safe base64 of 32 bytes."""
    secret = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _base64url(secret), _base64url(public)


def seeded_x25519_pair(seed: str) -> tuple[str, str]:
    secret = hashlib.sha256(f"sandbox x25519 {seed}".encode()).digest()
    return x25519_pair(X25519PrivateKey.from_private_bytes(secret))


def new_x25519_pair() -> tuple[str, str]:
    return x25519_pair(X25519PrivateKey.generate())


def vless_reality(
    remark: str = "VLESS REALITY", port: int = 443, *, sni: str = "www.example.org", seed: str = ""
) -> InboundSpec:
    """VLESS over TCP with REALITY, meant for the Vision flow. `seed` defaults to remark and port."""
    seed = seed or f"{remark}:{port}"
    private, public = seeded_x25519_pair(seed)
    reality = {
        "show": False,
        "xver": 0,
        "target": f"{sni}:443",
        "serverNames": [sni],
        "privateKey": private,
        "minClientVer": "",
        "maxClientVer": "",
        "maxTimediff": 0,
        "shortIds": [hashlib.sha256(f"short id {seed}".encode()).hexdigest()[:16]],
        "settings": {"publicKey": public, "fingerprint": "chrome", "serverName": "", "spiderX": "/"},
    }
    stream = {
        "network": "tcp",
        "security": "reality",
        "externalProxy": [],
        "realitySettings": reality,
        "tcpSettings": {"acceptProxyProtocol": False, "header": {"type": "none"}},
    }
    return _inbound(remark, port, "vless", _vless_settings(), stream)


def vless_ws_tls(
    remark: str = "VLESS WS", port: int = 8443, *, domain: str = "node.example.net", path: str = "/ws"
) -> InboundSpec:
    """VLESS over WebSocket with TLS."""
    stream = {
        "network": "ws",
        "security": "tls",
        "externalProxy": [],
        "tlsSettings": _tls(domain, ["http/1.1"]),
        "wsSettings": {"acceptProxyProtocol": False, "path": path, "host": domain, "headers": {}, "heartbeatPeriod": 0},
    }
    return _inbound(remark, port, "vless", _vless_settings(), stream)


def trojan_tls(remark: str = "Trojan", port: int = 9443, *, domain: str = "node.example.net") -> InboundSpec:
    """Trojan over TCP with TLS."""
    stream = {
        "network": "tcp",
        "security": "tls",
        "externalProxy": [],
        "tlsSettings": _tls(domain, ["h2", "http/1.1"]),
        "tcpSettings": {"acceptProxyProtocol": False, "header": {"type": "none"}},
    }
    return _inbound(remark, port, "trojan", {"clients": [], "fallbacks": []}, stream)


def _inbound(remark: str, port: int, protocol: str, settings: Any, stream: Any) -> InboundSpec:
    return {
        "enable": True,
        "remark": remark,
        "listen": "",
        "port": port,
        "protocol": protocol,
        "expiryTime": 0,
        "total": 0,
        "settings": settings,
        "streamSettings": stream,
        "sniffing": SNIFFING,
    }


def _vless_settings() -> dict[str, Any]:
    return {"clients": [], "decryption": "none", "encryption": "none", "fallbacks": []}


def _tls(domain: str, alpn: list[str]) -> dict[str, Any]:
    folder = f"/root/cert/{domain}"
    certificate = {
        "certificateFile": f"{folder}/fullchain.pem",
        "keyFile": f"{folder}/privkey.pem",
        "oneTimeLoading": False,
        "usage": "encipherment",
        "buildChain": False,
    }
    return {
        "serverName": domain,
        "minVersion": "1.2",
        "maxVersion": "1.3",
        "cipherSuites": "",
        "rejectUnknownSni": False,
        "certificates": [certificate],
        "alpn": alpn,
        "settings": {"fingerprint": "chrome", "echConfigList": ""},
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
