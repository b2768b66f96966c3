"""Share links and the subscription listener: what the panel's own subscription server hands to VPN clients.

Modelled: VLESS and Trojan over TCP and WebSocket with TLS or REALITY, base64 lists, usage headers. Not modelled: other
protocols and transports, JSON and Clash formats, the HTML page, remark templates, hosts and external proxies.
"""

import base64
import hashlib
import random
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

import ferryman_sandbox.xui.devices as devices
from ferryman_sandbox.xui.panel import Panel
from ferryman_sandbox.xui.shapes import ANY_ADDRESS

Document = dict[str, Any]


def links_of_client(panel: Panel, email: str, host: str) -> list[str]:
    """Raises Refusal (`record not found`)."""
    panel.record(email)
    return _links(panel, [email], host)


def links_of_sub(panel: Panel, sub_id: str, host: str) -> list[str]:
    return _links(panel, panel.emails_of_sub(sub_id), host)


def links_of_client_on(panel: Panel, inbound_id: int, email: str, host: str) -> list[str]:
    """Of one inbound only, as 3.0 asks. Raises Refusal (`record not found`)."""
    inbound = panel.inbound(inbound_id)
    return [share_link(inbound, client, host) for client in panel.state.entries[inbound_id].get(email, ())]


def _links(panel: Panel, emails: list[str], host: str) -> list[str]:
    """One link per client and enabled inbound; from 2.9.4 disabled clients are served too, the core refuses them."""
    return [
        share_link(inbound, client, host)
        for inbound_id, inbound in sorted(panel.state.inbounds.items())
        if inbound["enable"]
        for email in emails
        for client in panel.state.entries[inbound_id].get(email, ())
        if panel.rules.disables_entries or client.get("enable")
    ]


def share_link(inbound: Document, client: Document, host: str) -> str:
    """SNI and short id are picked at random on every call, as the panel does."""
    protocol, stream = inbound["protocol"], inbound["streamSettings"] or {}
    listen = inbound["listen"]
    address = host.rpartition(":")[0] or host if listen in (*ANY_ADDRESS, "127.0.0.1") else listen
    user = client.get("id", "") if protocol == "vless" else quote(client.get("password", ""), safe="")
    query = {"type": stream.get("network", "tcp"), "security": stream.get("security", "none")}
    query |= _transport(stream) | _security(stream, client)
    if protocol == "vless":
        query["encryption"] = (inbound["settings"] or {}).get("encryption", "none")
        if client.get("flow"):
            query["flow"] = client["flow"]
    remark = quote("-".join(part for part in (inbound["remark"], client["email"]) if part), safe="")
    return f"{protocol}://{user}@{address}:{inbound['port']}?{urlencode(sorted(query.items()))}#{remark}"


def _transport(stream: Document) -> dict[str, str]:
    if stream.get("network") != "ws":
        return {}
    settings = stream.get("wsSettings", {})
    return {"path": settings.get("path", "/"), "host": settings.get("host", "")}


def _security(stream: Document, client: Document) -> dict[str, str]:
    match stream.get("security"):
        case "tls":
            tls = stream.get("tlsSettings", {})
            query = {"sni": tls.get("serverName", ""), "fp": tls.get("settings", {}).get("fingerprint", "")}
            return query | ({"alpn": ",".join(tls["alpn"])} if tls.get("alpn") else {})
        case "reality":
            return _reality(stream.get("realitySettings", {}), client)
        case _:
            return {}


def _reality(reality: Document, client: Document) -> dict[str, str]:
    hints = reality.get("settings", {})
    path = hashlib.sha256(f"{hints.get('spiderX', '')}|{client.get('subId') or client['email']}".encode()).hexdigest()
    return {
        "pbk": hints.get("publicKey", ""),
        "fp": hints.get("fingerprint", ""),
        "sni": random.choice(reality.get("serverNames") or [""]),
        "sid": random.choice(reality.get("shortIds") or [""]),
        "spx": f"/{path[:15]}",
    }


def subscription_app(panel: Panel) -> web.Application:
    """The listener a real panel opens on port 2096: `GET /sub/{subId}`, without any login."""

    async def serve(request: web.Request) -> web.Response:
        sub_id = request.match_info["sub_id"]
        links = links_of_sub(panel, sub_id, request.host)
        if not links:
            return web.Response(status=400, text="Error!") if panel.rules.embeds_clients else web.Response(status=404)
        headers = {"Subscription-Userinfo": _userinfo(panel, sub_id), "Profile-Update-Interval": "12"}
        device = devices.admit(panel, sub_id, request.headers)
        headers |= device.headers
        if not device.allowed:
            return web.Response(status=404, headers=device.headers)
        headers["Profile-Web-Page-Url"] = str(request.url)
        body = base64.b64encode(("\n".join(links) + "\n").encode())
        return web.Response(body=body, headers=headers, content_type="text/plain", charset="utf-8")

    app = web.Application()
    app.router.add_get("/sub/{sub_id}", serve)
    return app


def _userinfo(panel: Panel, sub_id: str) -> str:
    """Sums over the subId's clients; no total when one is unlimited; seconds, from 3.0 a delayed start from now on."""
    rows = [panel.state.rows[email] for email in panel.emails_of_sub(sub_id) if email in panel.state.rows]
    total = sum(row["total"] for row in rows) if all(row["total"] for row in rows) else 0
    expiries = {row["expiryTime"] for row in rows}
    expiry = expiries.pop() if len(expiries) == 1 else 0
    starts_later = expiry < 0 and panel.rules.guards_logins
    expire = int((panel.now_ms - expiry if starts_later else expiry) / 1000)
    up, down = sum(row["up"] for row in rows), sum(row["down"] for row in rows)
    return f"upload={up}; download={down}; total={total}; expire={expire}"
