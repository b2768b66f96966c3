"""A 3X-UI panel, 3.1.0 … 3.6.x, as a seller of VPN access meets it: login, tokens, inbounds, clients, traffic.

Modelled: both ways to authenticate, the envelope and its error texts, the client routes with every rule that changed
between the releases (`versions.py`), the traffic job, and the set of users loaded in the core. Compared with running
panels of 3.1.0, 3.3.1, 3.4.2 and 3.6.0; the releases between follow their published behaviour only.

Not modelled: real tunnels (so no connection outlives its client, as on 3.6.0), TLS on the panel's own port, the web
interface, nodes beyond "its node is offline", hosts, groups, HWID, WebSocket, the contents of a Telegram backup, and
protocols other than VLESS, VMess, Trojan, Shadowsocks and Hysteria.
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
