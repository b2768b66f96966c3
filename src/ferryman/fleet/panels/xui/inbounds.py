"""An inbound as the panel lists it, reduced to what a share link needs.

`PanelInbound.link` of this panel type, keys absent where they do not apply:

    network, security      as the panel names them ("tcp", "ws", "grpc", "httpupgrade", "xhttp", "kcp"; "none", "tls",
                           "reality")
    listen                 the address it is bound to, "" = every one
    flow                   "xtls-rprx-vision" where our clients use it, else ""
    encryption             VLESS only, usually "none"
    method, password       Shadowsocks only; `password` is the shared server key that links of 2022 methods must carry
    tcp                    {"header": …} when it imitates HTTP
    ws, httpupgrade        {"path", "host"}
    grpc                   {"serviceName", "authority", "multiMode"}
    xhttp                  {"path", "host", "mode", and the settings a client must share}
    kcp                    {"mtu", "tti", "seed", "header"}
    tls                    {"serverName", "alpn", "fingerprint", "echConfigList", "verifyPeerCertByName",
                            "pinnedPeerCertSha256"}
    reality                {"publicKey", "serverNames", "shortIds", "fingerprint", "spiderX", "serverName",
                            "minClientVer", "mldsa65Verify"}
    externalProxy          [{"dest", "port", "forceTls", "remark", …}]
    shareAddrStrategy, shareAddr

Everything is copied by name from a list of allowed names: private keys, certificates and clients never get in.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ferryman.fleet.panel import PanelInbound

VISION = "xtls-rprx-vision"

_TLS = ("fingerprint", "echConfigList", "verifyPeerCertByName", "pinnedPeerCertSha256")
_REALITY = ("publicKey", "fingerprint", "spiderX", "serverName", "mldsa65Verify")
_XHTTP = (
    "path",
    "mode",
    "xPaddingBytes",
    "xPaddingObfsMode",
    "xPaddingKey",
    "xPaddingHeader",
    "xPaddingPlacement",
    "xPaddingMethod",
    "uplinkHTTPMethod",
    "sessionPlacement",
    "sessionKey",
    "seqPlacement",
    "seqKey",
    "uplinkDataPlacement",
    "uplinkDataKey",
    "scMaxEachPostBytes",
    "scMinPostsIntervalMs",
    "uplinkChunkSize",
    "noGRPCHeader",
    "xmux",
)
_PROXY = (
    "dest",
    "port",
    "forceTls",
    "remark",
    "sni",
    "fingerprint",
    "alpn",
    "pinnedPeerCertSha256",
    "verifyPeerCertByName",
    "echConfigList",
)


def read_inbound(raw: Mapping[str, Any]) -> PanelInbound:
    """`settings` and `streamSettings` may be an object, JSON in a string, or null (http, mixed, tunnel)."""
    settings, stream = as_object(raw.get("settings")), as_object(raw.get("streamSettings"))
    return PanelInbound(
        panel_id=int(raw["id"]),
        protocol=str(raw.get("protocol") or ""),
        transport=str(stream.get("network") or ""),
        security=str(stream.get("security") or "none"),
        port=int(raw.get("port") or 0),
        remark=str(raw.get("remark") or ""),
        enabled=bool(raw.get("enable")),
        link=_link(raw, settings, stream),
    )


def carries_vision(inbound: PanelInbound) -> bool:
    return bool(inbound.link.get("flow") == VISION)


def as_object(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _link(raw: Mapping[str, Any], settings: Mapping[str, Any], stream: Mapping[str, Any]) -> dict[str, Any]:
    network, security = str(stream.get("network") or ""), str(stream.get("security") or "none")
    # Vision works on VLESS over bare TCP under TLS or REALITY, and locks the client out anywhere else.
    fits = raw.get("protocol") == "vless" and network == "tcp" and security in ("tls", "reality")
    link: dict[str, Any] = {
        "network": network,
        "security": security,
        "listen": str(raw.get("listen") or ""),
        "flow": VISION if fits and not raw.get("disableFlow") else "",
        **_credentials(str(raw.get("protocol") or ""), settings),
        **_transport(network, stream),
        **_picked(raw, ("shareAddrStrategy", "shareAddr")),
    }
    if security == "tls":
        link["tls"] = _tls(as_object(stream.get("tlsSettings")))
    if security == "reality":
        link["reality"] = _reality(as_object(stream.get("realitySettings")))
    proxies = [_picked(proxy, _PROXY) for proxy in stream.get("externalProxy") or () if isinstance(proxy, dict)]
    return {**link, "externalProxy": proxies} if proxies else link


def _credentials(protocol: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    if protocol == "vless":
        return {"encryption": settings.get("encryption") or "none"}
    if protocol == "shadowsocks":
        method = str(settings.get("method") or "")
        shared = {"password": settings.get("password") or ""} if method.startswith("2022-") else {}
        return {"method": method, **shared}
    return {}


def _transport(network: str, stream: Mapping[str, Any]) -> dict[str, Any]:
    given = as_object(stream.get(f"{network}Settings"))
    match network:
        case "ws" | "httpupgrade":
            return {network: {"path": given.get("path") or "", "host": _host(given)}}
        case "grpc":
            return {network: _picked(given, ("serviceName", "authority", "multiMode"))}
        case "xhttp":
            return {network: {**_picked(given, _XHTTP), "host": _host(given)}}
        case "kcp":
            return {network: _picked(given, ("mtu", "tti", "seed", "header"))}
        case "tcp" if as_object(given.get("header")).get("type") == "http":
            return {network: _picked(given, ("header",))}
    return {}


def _host(settings: Mapping[str, Any]) -> str:
    """The host a link names: the setting, else the `Host` header."""
    headers = as_object(settings.get("headers"))
    named = next((value for name, value in headers.items() if name.lower() == "host"), "")
    return str(settings.get("host") or named or "")


def _tls(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "serverName": given.get("serverName") or "",
        "alpn": list(given.get("alpn") or ()),
        **_picked(as_object(given.get("settings")), _TLS),
    }


def _reality(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "serverNames": list(given.get("serverNames") or ()),
        "shortIds": list(given.get("shortIds") or ()),
        **_picked(given, ("minClientVer",)),
        **_picked(as_object(given.get("settings")), _REALITY),
    }


def _picked(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}
