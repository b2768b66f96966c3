"""A 3X-UI panel, 2.3.0 … 3.7.x, as a seller of VPN access meets it: login, tokens, inbounds, clients, traffic.

Modelled: every way to authenticate, the envelope and its error texts, clients inside inbounds (before 3.1) and clients
of their own (from 3.1) with every rule that changed between the releases (`versions.py`), the traffic job, the set of
users loaded in the core, upgrades in place, and backups put back. Compared with running panels of 2.8.11, 3.0.2, 3.1.0,
3.3.1, 3.4.2 and 3.6.0; the other releases, 3.7.0 among them, follow their published behaviour only.

Not modelled: real tunnels (so no connection outlives its client, as on 3.6.0), TLS on the panel's own port, the web
interface, the redirects from the oldest paths, nodes beyond "its node is offline", hosts, groups, WebSocket, renewal by
day of the month, traffic reset cycles of 3.7, the contents of a Telegram backup, and protocols other than VLESS, VMess,
Trojan, Shadowsocks and Hysteria.
"""

from ferryman_sandbox.xui.emulator import XuiEmulator
from ferryman_sandbox.xui.specs import (
    InboundSpec,
    new_x25519_pair,
    seeded_x25519_pair,
    trojan_tls,
    vless_reality,
    vless_ws_tls,
)

__all__ = [
    "InboundSpec",
    "XuiEmulator",
    "new_x25519_pair",
    "seeded_x25519_pair",
    "trojan_tls",
    "vless_reality",
    "vless_ws_tls",
]
