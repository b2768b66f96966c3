"""The panel's shapes of clients and inbounds, and what becomes of them; no panel needed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ferryman.fleet.panel import Access
from ferryman.fleet.panels.xui import version, wording
from ferryman.fleet.panels.xui.clients import Record
from ferryman.fleet.panels.xui.inbounds import read_inbound
from ferryman.fleet.panels.xui.record import (
    as_seen,
    as_write,
    differences,
    milliseconds,
    moment,
    owed,
    require_storable,
)
from ferryman.kit.errors import Refused

CANARY = "private-canary"


def access(**changes: Any) -> Access:
    given: dict[str, Any] = {
        "email": "a",
        "uuid": "u",
        "password": "p",
        "sub_id": "s",
        "enabled": True,
        "ends_at": None,
        "traffic_bytes": 0,
        "devices": 0,
        "inbounds": (1,),
    }
    return Access(**{**given, **changes})


def record(**fields: Any) -> Record:
    plain = {"id": 7, "email": "a", "uuid": "u", "password": "p", "subId": "s", "enable": True, "createdAt": 11}
    return Record({**plain, **fields}, (1,))


def ours(of: Access, flow: str = "", protocols: frozenset[str] = frozenset({"vless"})) -> dict[str, Any]:
    return owed(of, flow, protocols, record())


def test_a_record_is_written_back_with_everything_it_had() -> None:
    full = record(group="vip", adTag=None, reverse={"tag": "r"}, allowedIPs="10.0.0.2/32, 10.0.0.3/32", tgId=42, x=1)
    written = as_write(full, ours(access()))
    assert written["id"] == "u" and written["created_at"] == 11
    assert (written["group"], written["reverse"], written["tgId"], written["x"]) == ("vip", {"tag": "r"}, 42, 1)
    assert written["allowedIPs"] == ["10.0.0.2/32", "10.0.0.3/32"]
    assert not {"uuid", "createdAt", "updatedAt", "adTag"} & set(written)


@pytest.mark.parametrize("telegram", ["", "42", None])
def test_a_telegram_id_is_a_number_or_the_body_would_be_refused(telegram: str | None) -> None:
    assert as_write(record(tgId=telegram), ours(access()))["tgId"] == 0


@pytest.mark.parametrize(
    ("held", "wanted", "named"),
    [
        ({}, {}, []),
        ({"totalGB": None, "comment": None}, {}, []),
        ({"totalGB": 5}, {}, ["totalGB"]),
        ({"enable": False}, {}, ["enable"]),
        ({"uuid": "other"}, {}, ["id"]),
        ({"expiryTime": -86400000}, {}, ["expiryTime"]),
        ({"reset": 30}, {}, ["reset"]),
        ({"limitIp": 2}, {"devices": 3}, ["limitIp"]),
        ({"comment": "by hand"}, {}, []),
        ({"comment": "by hand"}, {"comment": "ours"}, ["comment"]),
    ],
)
def test_differences_are_named_and_nothing_else(held: dict[str, Any], wanted: dict[str, Any], named: list[str]) -> None:
    assert differences(record(**held), ours(access(**wanted))) == named


def test_a_calendar_renewal_is_switched_off_where_the_panel_knows_it() -> None:
    calendar = record(resetDay=5)
    assert differences(calendar, owed(access(), "", frozenset(), calendar)) == ["resetDay"]
    assert "resetDay" not in ours(access())


def test_hysteria_authenticates_by_the_clients_password() -> None:
    assert ours(access(), protocols=frozenset({"hysteria"}))["auth"] == "p"
    assert "auth" not in ours(access())


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_end_is_never_cut_short_and_never_off_by_a_millisecond(end: datetime) -> None:
    kept = moment(milliseconds(end))
    assert kept is not None and timedelta(0) <= kept - end < timedelta(milliseconds=1)


def test_never_ending_and_not_yet_started_have_no_end() -> None:
    assert milliseconds(None) == 0
    assert moment(0) is None and moment(-86400000) is None


def test_counters_may_be_missing() -> None:
    seen = as_seen(record(), {"up": None})
    assert (seen.up, seen.down) == (0, 0)


@pytest.mark.parametrize("email", ["", "a b", "a/b", "a\\b", "a>b", "a,b", "a\n", "a\x00"])
def test_a_name_that_would_not_be_kept_is_refused_before_any_call(email: str) -> None:
    with pytest.raises(Refused, match=r"panel\.example"):
        require_storable("panel.example", access(email=email))
    with pytest.raises(Refused):
        require_storable("panel.example", access(sub_id=email))


REALITY: dict[str, Any] = {
    "network": "tcp",
    "security": "reality",
    "tcpSettings": {"header": {"type": "none"}},
    "realitySettings": {
        "privateKey": CANARY,
        "mldsa65Seed": CANARY,
        "target": "www.example.org:443",
        "serverNames": ["www.example.org"],
        "shortIds": ["ab12"],
        "minClientVer": "",
        "settings": {"publicKey": "pub", "fingerprint": "chrome", "spiderX": "/", "mldsa65Verify": "v"},
    },
}
CERTIFICATES = [{"certificateFile": CANARY, "keyFile": CANARY, "key": [CANARY], "certificate": [CANARY]}]
TLS = {"serverName": "n.example", "alpn": ["h2"], "certificates": CERTIFICATES, "settings": {"fingerprint": "firefox"}}


def inbound(protocol: str, stream: Any, settings: Any = None, **more: Any) -> dict[str, Any]:
    held = {"clients": [{"id": CANARY}], "decryption": CANARY, "secretKey": CANARY, **(settings or {})}
    base = {"id": 4, "remark": "r", "enable": True, "port": 443, "protocol": protocol}
    return {**base, "settings": held, "streamSettings": stream, "clientStats": [{"email": CANARY}], **more}


@pytest.mark.parametrize("as_text", [False, True])
def test_a_reality_inbound_is_reduced_to_its_public_half(as_text: bool) -> None:
    raw = inbound("vless", REALITY, {"encryption": "none"})
    if as_text:
        raw = {**raw, "settings": json.dumps(raw["settings"]), "streamSettings": json.dumps(REALITY)}
    read = read_inbound(raw)
    assert (read.panel_id, read.protocol, read.transport, read.security) == (4, "vless", "tcp", "reality")
    assert read.link["flow"] == "xtls-rprx-vision"
    assert read.link["reality"] == {
        "serverNames": ["www.example.org"],
        "shortIds": ["ab12"],
        "minClientVer": "",
        "publicKey": "pub",
        "fingerprint": "chrome",
        "spiderX": "/",
        "mldsa65Verify": "v",
    }
    assert CANARY not in repr(read)


@pytest.mark.parametrize(
    ("network", "settings", "expected"),
    [
        ("ws", {"path": "/w", "host": "h"}, {"path": "/w", "host": "h"}),
        ("ws", {"path": "/w", "host": "", "headers": {"HOST": "by-header"}}, {"path": "/w", "host": "by-header"}),
        ("httpupgrade", {}, {"path": "", "host": ""}),
        ("grpc", {"serviceName": "s", "authority": "", "multiMode": True, "idle_timeout": 9}, None),
        ("xhttp", {"path": "/x", "mode": "auto", "scMaxBufferedPosts": 30, "noSSEHeader": True}, None),
        ("kcp", {"mtu": 1350, "tti": 20, "seed": "sd", "uplinkCapacity": 5}, None),
    ],
)
def test_a_transport_keeps_what_a_client_must_share(
    network: str, settings: dict[str, Any], expected: dict[str, Any] | None
) -> None:
    stream = {"network": network, "security": "tls", f"{network}Settings": settings, "tlsSettings": TLS}
    read = read_inbound(inbound("vless", stream))
    kept = {
        "grpc": {"serviceName": "s", "authority": "", "multiMode": True},
        "xhttp": {"path": "/x", "mode": "auto", "host": ""},
        "kcp": {"mtu": 1350, "tti": 20, "seed": "sd"},
    }
    assert read.link[network] == (expected or kept[network])
    assert read.link["flow"] == ""
    assert read.link["tls"] == {"serverName": "n.example", "alpn": ["h2"], "fingerprint": "firefox"}
    assert CANARY not in repr(read)


def test_an_external_proxy_is_copied_by_name() -> None:
    proxy = {"dest": "cdn.example", "port": 8443, "forceTls": "same", "remark": "", "note": CANARY}
    stream = {"network": "tcp", "security": "tls", "tlsSettings": TLS, "externalProxy": [proxy, None]}
    link = read_inbound(inbound("trojan", stream)).link
    assert link["externalProxy"] == [{"dest": "cdn.example", "port": 8443, "forceTls": "same", "remark": ""}]
    assert link["flow"] == ""


def test_shadowsocks_shares_its_server_key_only_where_links_carry_it() -> None:
    modern = inbound("shadowsocks", None, {"method": "2022-blake3-aes-256-gcm", "password": "shared"})
    classic = inbound("shadowsocks", None, {"method": "aes-256-gcm", "password": CANARY})
    assert read_inbound(modern).link["password"] == "shared"
    assert "password" not in read_inbound(classic).link


def test_an_inbound_that_forbids_flow_gets_none() -> None:
    assert read_inbound(inbound("vless", REALITY, disableFlow=True)).link["flow"] == ""


@pytest.mark.parametrize("nothing", [None, "", "not json", [], 0])
def test_an_inbound_without_settings_does_not_stop_the_list(nothing: Any) -> None:
    read = read_inbound({"id": 9, "protocol": "mixed", "port": 1080, "settings": nothing, "streamSettings": nothing})
    assert (read.protocol, read.transport, read.security, read.enabled) == ("mixed", "", "none", False)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("Something went wrong (Duplicate email: a\n)", "Duplicate email: a"),
        ("Ошибка (нет) (record not found)", "нет) (record not found"),
        ("Password is required", "Password is required"),
        ("", ""),
    ],
)
def test_the_english_part_of_a_message_is_what_stands_in_brackets(message: str, text: str) -> None:
    assert wording.bracket(message) == text


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("3.6.0", (3, 6, 0)),
        ("v3.2.5", (3, 2, 5)),
        ("3.7", (3, 7, 0)),
        ("dev+1a2b", version.NEWEST),
        ("", version.NEWEST),
    ],
)
def test_versions_are_read(text: str, parsed: version.Version) -> None:
    assert version.parse(text) == parsed
