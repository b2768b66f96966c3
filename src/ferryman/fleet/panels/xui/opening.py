"""A VLESS inbound over TCP with REALITY, its keys made by the panel's own core, ready for Vision."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from ferryman.fleet.panel import NewInbound, PanelInbound
from ferryman.fleet.panels.xui.dialect import Dialect
from ferryman.fleet.panels.xui.session import Session
from ferryman.kit.errors import Busy, Refused, Retry, Unreachable

# Bytes of each short id; clients are given any one of them.
SHORT_IDS = (8, 6, 4, 2)
FINGERPRINT = "chrome"


async def opened(session: Session, generation: int, dialect: Dialect, wanted: NewInbound) -> PanelInbound:
    """One that is there already just as wanted is taken for ours: the answer to an earlier call was lost.

    Raises Refused when the port is taken by another.
    """
    there = await _found(session, dialect, wanted)
    if there is not None:
        return there
    body = inbound_body(generation, wanted, await _new_keys(session, generation))
    trouble: Retry | None = None
    try:
        await session.change("inbounds", "add", body=body)
    except Retry as error:
        trouble = error
    made = await _found(session, dialect, wanted)
    if made is None:
        raise trouble or Busy(f"{session.host} took the inbound on port {wanted.port} and does not have it.")
    return made


async def _found(session: Session, dialect: Dialect, wanted: NewInbound) -> PanelInbound | None:
    for inbound in await dialect.inbounds():
        if inbound.port != wanted.port:
            continue
        if is_as_wanted(inbound, wanted):
            return inbound
        raise Refused(
            f"{session.host} has the inbound {inbound.remark or inbound.panel_id!r} on port {wanted.port}: choose "
            "another port."
        )
    return None


def is_as_wanted(inbound: PanelInbound, wanted: NewInbound) -> bool:
    names = inbound.link.get("reality", {}).get("serverNames", ())
    shape = (inbound.protocol, inbound.transport, inbound.security, inbound.remark)
    return shape == ("vless", "tcp", "reality", wanted.remark) and wanted.server_name in names


async def _new_keys(session: Session, generation: int) -> Mapping[str, str]:
    if generation == 1:
        found = (await session.poll("server", "getNewX25519Cert", root=())).obj
    else:
        found = await session.get("server", "getNewX25519Cert")
    if not isinstance(found, dict) or not found.get("privateKey") or not found.get("publicKey"):
        raise Unreachable(f"{session.host} made no keys for the new inbound: is its core installed?")
    return found


def inbound_body(generation: int, wanted: NewInbound, keys: Mapping[str, str]) -> dict[str, Any]:
    """The three settings are JSON in strings, which every generation takes."""
    reality = {
        "show": False,
        "xver": 0,
        # 2.6 and older call it so; the core takes either.
        "dest" if generation == 1 else "target": wanted.target,
        "serverNames": [wanted.server_name],
        "privateKey": keys["privateKey"],
        "minClientVer": "",
        "maxClientVer": "",
        "maxTimediff": 0,
        "shortIds": [secrets.token_hex(size) for size in SHORT_IDS],
        # What share links need; the core never sees it.
        "settings": {"publicKey": keys["publicKey"], "fingerprint": FINGERPRINT, "serverName": "", "spiderX": "/"},
    }
    stream = {
        "network": "tcp",
        "security": "reality",
        "externalProxy": [],
        "realitySettings": reality,
        "tcpSettings": {"acceptProxyProtocol": False, "header": {"type": "none"}},
    }
    return {
        "enable": True,
        "remark": wanted.remark,
        "listen": "",
        "port": wanted.port,
        "protocol": "vless",
        "expiryTime": 0,
        "total": 0,
        "settings": json.dumps({"clients": [], "decryption": "none", "fallbacks": []}),
        "streamSettings": json.dumps(stream),
        "sniffing": json.dumps({"enabled": True, "destOverride": ["http", "tls", "quic"]}),
    }
