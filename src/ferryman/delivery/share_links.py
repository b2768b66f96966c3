"""Share links: one line of text per way in, as VPN apps import them (`vless://…`, `trojan://…`).

The dialect is 3X-UI's, which every app reads, with three deliberate differences: a space is `%20` (v2rayNG takes `+`
literally), REALITY's server name and short id are chosen by hash and not at random (so the same customer always gets
the same bytes), and Trojan never carries a flow (Xray removed it and refuses to start with one).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from ferryman.kit.errors import Refused

_TRANSPORTS = ("tcp", "ws", "grpc", "httpupgrade", "xhttp")
_SECURITIES = ("none", "tls", "reality")
# What the receiving side of XHTTP must know, beyond path, host and mode; the server's own limits stay at home.
_XHTTP_SHARED = (
    "mode",
    "xPaddingBytes",
    "uplinkHTTPMethod",
    "sessionIDPlacement",
    "sessionIDKey",
    "sessionIDTable",
    "sessionIDLength",
    "sessionPlacement",
    "sessionKey",
    "seqPlacement",
    "seqKey",
    "uplinkDataPlacement",
    "uplinkDataKey",
    "uplinkChunkSize",
    "scMaxEachPostBytes",
    "scMinPostsIntervalMs",
    "noGRPCHeader",
    "xmux",
    "downloadSettings",
)
_XHTTP_PADDING = ("xPaddingObfsMode", "xPaddingKey", "xPaddingHeader", "xPaddingPlacement", "xPaddingMethod")
_XHTTP_DEFAULTS = {"scMaxEachPostBytes": "1000000", "scMinPostsIntervalMs": "30", "uplinkChunkSize": "0"}
# Names of one session setting before and after Xray renamed it; apps know one or the other.
_XHTTP_ALIASES = (("sessionPlacement", "sessionIDPlacement"), ("sessionKey", "sessionIDKey"))
_HOST_FORBIDDEN = frozenset(" \t\r\n/?#@%\\")


class NoLink(Refused):
    """This way in cannot be written as a share link; the message says why. Leave it out, the others still work."""


@dataclass(frozen=True)
class LinkInbound:
    """One way into a node. `link` holds, by the core's own names and absent where they do not apply:

    `flow`, `encryption`; `tcp` {"header"}; `ws` and `httpupgrade` {"path", "host"}; `grpc` {"serviceName", "authority",
    "multiMode"}; `xhttp`; `tls` {"serverName", "alpn", "fingerprint", …}; `reality` {"publicKey", "serverNames",
    "shortIds", "fingerprint", "spiderX", …}; `externalProxy` [{"dest", "port", "forceTls", "remark", …}].
    """

    protocol: str
    transport: str
    security: str
    port: int
    link: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True)
class Identity:
    """Who the customer is to every node."""

    uuid: str = field(repr=False)
    password: str = field(repr=False)
    sub_id: str = field(repr=False)
    email: str


def share_link(inbound: LinkInbound, host: str, identity: Identity, remark: str) -> str:
    """The link straight to the node at `host` (a name, or an IP address with or without brackets). Raises NoLink."""
    _check(inbound)
    match inbound.protocol:
        case "vless":
            user = quote(identity.uuid, safe="")
            own = {"encryption": str(inbound.link.get("encryption") or "none")} | _flow(inbound)
        case "trojan":
            user, own = quote(identity.password, safe=""), {}
        case _:
            raise NoLink(f"There is no share link for the protocol {inbound.protocol!r} yet.")
    where = f"{_bracketed(host)}:{inbound.port}"
    params = own | {"type": inbound.transport} | _transport(inbound) | _security(inbound, where, identity)
    query = urlencode(sorted(params.items()), quote_via=quote, safe="")
    return f"{inbound.protocol}://{user}@{where}?{query}" + (f"#{quote(remark, safe='')}" if remark else "")


def share_links(inbound: LinkInbound, host: str, identity: Identity, remark: str) -> tuple[str, ...]:
    """The link to the node, or one for each front that stands before it (`externalProxy`). Raises NoLink."""
    fronts = [front for front in inbound.link.get("externalProxy") or () if isinstance(front, Mapping)]
    if not fronts:
        return (share_link(inbound, host, identity, remark),)
    links = []
    for front in fronts:
        name = "-".join(part for part in (remark, str(front.get("remark") or "")) if part)
        links.append(share_link(_behind(inbound, front), str(front.get("dest") or ""), identity, name))
    return tuple(links)


def placeholder(text: str) -> str:
    """An entry that leads nowhere and says `text` where an app shows the server's name."""
    nowhere = LinkInbound("vless", "tcp", "none", 1)
    return share_link(nowhere, "127.0.0.1", Identity("00000000-0000-4000-8000-000000000000", "", "", ""), text)


def _check(inbound: LinkInbound) -> None:
    if inbound.transport not in _TRANSPORTS:
        raise NoLink(f"There is no share link for the transport {inbound.transport!r} yet.")
    if inbound.security not in _SECURITIES:
        raise NoLink(f"There is no share link for the security {inbound.security!r}.")
    if not 1 <= inbound.port <= 65535:
        raise NoLink(f"The inbound has no port to connect to ({inbound.port}).")


def _bracketed(host: str) -> str:
    bare = host.strip().removeprefix("[").removesuffix("]")
    if not bare or not bare.isascii() or _HOST_FORBIDDEN.intersection(bare):
        raise NoLink("The node has no address that a link could carry.")
    return f"[{bare}]" if ":" in bare else bare


def _flow(inbound: LinkInbound) -> dict[str, str]:
    """Vision belongs to bare TCP under TLS, or to XHTTP under VLESS's own encryption; else it locks clients out."""
    flow = str(inbound.link.get("flow") or "")
    tunnelled = inbound.transport == "tcp" and inbound.security in ("tls", "reality")
    encrypted = inbound.transport == "xhttp" and inbound.link.get("encryption") not in (None, "", "none")
    return {"flow": flow} if flow and (tunnelled or encrypted) else {}


def _transport(inbound: LinkInbound) -> dict[str, str]:
    given = _mapping(inbound.link, inbound.transport)
    match inbound.transport:
        case "tcp":
            return _http_header(_mapping(given, "header"))
        case "ws" | "httpupgrade":
            return {"path": _text(given, "path"), "host": _text(given, "host")}
        case "grpc":
            return _grpc(given)
    return _xhttp(given)


def _http_header(header: Mapping[str, Any]) -> dict[str, str]:
    if header.get("type") != "http":
        return {}
    request, response = _mapping(header, "request"), _mapping(header, "response")
    host = _first(_mapping(response, "headers").get("Host")) or _first(_mapping(request, "headers").get("Host"))
    return {"headerType": "http", "path": _first(request.get("path")), "host": host}


def _grpc(given: Mapping[str, Any]) -> dict[str, str]:
    authority = _text(given, "authority")
    params = {"serviceName": _text(given, "serviceName"), "authority": authority}
    # v2rayNG reads the authority from `host`.
    return params | ({"host": authority} if authority else {}) | ({"mode": "multi"} if given.get("multiMode") else {})


def _xhttp(given: Mapping[str, Any]) -> dict[str, str]:
    params = {"path": _text(given, "path"), "host": _text(given, "host"), "mode": _text(given, "mode")}
    if _text(given, "xPaddingBytes"):
        params["x_padding_bytes"] = _text(given, "xPaddingBytes")
    names = _XHTTP_SHARED + (_XHTTP_PADDING if given.get("xPaddingObfsMode") else ())
    extra = {name: given[name] for name in names if given.get(name) and not _is_default(name, given[name])}
    for pair in _XHTTP_ALIASES:
        extra |= {name: extra[known] for known in pair if known in extra for name in pair}
    headers = {name: value for name, value in _mapping(given, "headers").items() if name.lower() != "host"}
    extra |= {"headers": headers} if headers else {}
    if extra:
        params["extra"] = json.dumps(extra, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return params


def _is_default(name: str, value: Any) -> bool:
    return name in _XHTTP_DEFAULTS and str(value) == _XHTTP_DEFAULTS[name]


def _security(inbound: LinkInbound, where: str, identity: Identity) -> dict[str, str]:
    given = _mapping(inbound.link, inbound.security)
    match inbound.security:
        case "tls":
            return {"security": "tls"} | _tls(given)
        case "reality":
            return {"security": "reality"} | _reality(given, where, identity)
    return {"security": "none"}


def _tls(given: Mapping[str, Any]) -> dict[str, str]:
    params = {key: _text(given, name) for key, name in (("sni", "serverName"), ("fp", "fingerprint")) if name in given}
    lists = {"alpn": "alpn", "ech": "echConfigList", "vcn": "verifyPeerCertByName", "pcs": "pinnedPeerCertSha256"}
    return params | {key: _joined(given[name]) for key, name in lists.items() if given.get(name)}


def _reality(given: Mapping[str, Any], where: str, identity: Identity) -> dict[str, str]:
    if not given.get("publicKey"):
        raise NoLink("The REALITY inbound shows no public key: generate its key pair again in the panel and save.")
    params = {"pbk": _text(given, "publicKey")}
    if "fingerprint" in given:
        params["fp"] = _text(given, "fingerprint")
    for key, name in (("sni", "serverNames"), ("sid", "shortIds")):
        if candidates := given.get(name):
            params[key] = _chosen(candidates, f"{identity.sub_id}|{where}|{key}")
    if given.get("mldsa65Verify"):
        params["pqv"] = _text(given, "mldsa65Verify")
    if "spiderX" in given:
        seed = f"{given['spiderX']}|{identity.sub_id or identity.email}"
        params["spx"] = "/" + hashlib.sha256(seed.encode()).hexdigest()[:15]
    return params


def _chosen(candidates: Sequence[Any], seed: str) -> str:
    """One of them, by rendezvous hashing: adding or removing another moves only the customers it concerns."""
    return max(map(str, candidates), key=lambda one: hashlib.sha256(f"{seed}|{one}".encode()).digest())


def _behind(inbound: LinkInbound, front: Mapping[str, Any]) -> LinkInbound:
    """The inbound as it looks through a front: its port, and TLS as the front does it."""
    wanted = front.get("forceTls")
    security = wanted if wanted in ("tls", "none") else inbound.security
    link = dict(inbound.link)
    if security == "tls":
        own = _mapping(link, "tls") if inbound.security == "tls" else {}
        renamed = {"serverName" if name == "sni" else name: value for name, value in front.items() if value}
        names = ("serverName", "fingerprint", "alpn", "pinnedPeerCertSha256", "verifyPeerCertByName", "echConfigList")
        link["tls"] = {**own, **{name: renamed[name] for name in names if name in renamed}}
    port = front.get("port")
    return replace(inbound, port=port if isinstance(port, int) else inbound.port, security=security, link=link)


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    return "" if value is None else str(value)


def _first(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return str(value[0]) if value else ""
    return str(value or "")


def _joined(value: Any) -> str:
    return value if isinstance(value, str) else ",".join(map(str, value))
