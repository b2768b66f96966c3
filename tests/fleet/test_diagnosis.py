"""What is wrong with a node is said in one sentence that names the node and the fix."""

import pytest

from ferryman.fleet import diagnosis
from ferryman.fleet.diagnosis import Signs
from ferryman.fleet.health import Sign
from ferryman.fleet.node import Inbound
from ferryman.fleet.panel import PanelInbound, PanelReport
from ferryman.kit.errors import AccessDenied, Busy, FerrymanError, Misconfigured, Refused, Unreachable

WELL = PanelReport("3.6.0", core_running=True, clock_skew=0.4)


def inbound(panel_id: int = 1, port: int = 443, **known: object) -> Inbound:
    fields = {"protocol": "vless", "transport": "tcp", "remark": "main", "enabled": True, "link": {}}
    return Inbound(panel_id=panel_id, port=port, **{**fields, **known})


def shown(panel_id: int, *, enabled: bool = True) -> PanelInbound:
    return PanelInbound(panel_id, "vless", "tcp", "reality", 443, "main", enabled)


def test_a_node_with_nothing_wrong_is_well_and_says_what_was_measured() -> None:
    look = diagnosis.of_signs("de-1", Signs(WELL, latency_ms=42))
    assert (look.sign, look.ailment, look.trouble) == (Sign.WELL, "", "")
    assert (look.version, look.latency_ms, look.clock_skew) == ("3.6.0", 42, 0)


@pytest.mark.parametrize(
    ("signs", "ailment", "words"),
    [
        (Signs(PanelReport("3.6.0", core_running=False), 42), "core", "start it in the panel"),
        (Signs(WELL, 42, gone=[inbound(7)]), "inbounds", "inbound 7 (main, port 443) was deleted or switched off"),
        (Signs(WELL, 42, refusals={443: "connection refused"}), "ports", "port 443 (connection refused)"),
        (Signs(PanelReport("3.6.0", core_running=True, clock_skew=-3600.2), 42), "clock", "off by -3600 s"),
        (Signs(WELL, latency_ms=7300), "slow", "7.3 s for one answer"),
    ],
)
def test_each_ailment_has_a_word_and_a_sentence_with_the_fix(signs: Signs, ailment: str, words: str) -> None:
    look = diagnosis.of_signs("de-1", signs)
    assert (look.sign, look.ailment) == (Sign.AILING, ailment)
    assert look.trouble.startswith("de-1: ")
    assert words in look.trouble
    assert look.trouble.endswith(".")


def test_of_several_ailments_the_worst_gives_the_word_and_all_are_said() -> None:
    report = PanelReport("3.6.0", core_running=False, clock_skew=600.0)
    look = diagnosis.of_signs("de-1", Signs(report, 9000, [inbound()], {8443: "no answer within 4 s"}))
    assert look.ailment == "core"
    for words in ("core", "inbound 1", "8443", "+600 s", "9.0 s"):
        assert words in look.trouble


@pytest.mark.parametrize("skew", [None, 0.0, 60.0, -60.0])
def test_a_clock_that_is_about_right_is_right(skew: float | None) -> None:
    assert diagnosis.of_signs("de-1", Signs(PanelReport("3.6.0", True, skew), 42)).sign is Sign.WELL


@pytest.mark.parametrize(
    ("error", "sign", "ailment", "fix"),
    [
        (Unreachable("x gave no answer."), Sign.SILENT, "silent", "can be reached from here"),
        (Busy("x answered 500."), Sign.SILENT, "silent", "can be reached from here"),
        (AccessDenied("x refused our credentials."), Sign.DENIED, "refused", "credentials"),
        (Refused("x has no such path."), Sign.DENIED, "refused", "path"),
        (
            Misconfigured("No key opens it.", "Set FERRYMAN_SECRET_KEYS."),
            Sign.DENIED,
            "refused",
            "FERRYMAN_SECRET_KEYS",
        ),
    ],
)
def test_a_look_that_failed_says_why_and_what_to_do(error: FerrymanError, sign: Sign, ailment: str, fix: str) -> None:
    look = diagnosis.of_error("de-1", error)
    assert (look.sign, look.ailment) == (sign, ailment)
    assert look.trouble.startswith("de-1: ") and fix in look.trouble


def test_only_ports_that_take_tcp_from_outside_are_tried() -> None:
    listed = [
        inbound(1, 443),
        inbound(2, 444, transport="ws", link={"listen": "0.0.0.0"}),
        inbound(3, 445, transport="kcp"),
        inbound(4, 446, protocol="hysteria2", transport=""),
        inbound(5, 447, link={"listen": "127.0.0.1"}),
        inbound(6, 448, link={"externalProxy": [{"dest": "cdn.example.net", "port": 443}]}),
        inbound(7, 449, enabled=False),
        inbound(8, 0),
        inbound(9, 443, transport="grpc"),
        inbound(10, 450, link={"listen": "/dev/shm/x.sock"}),
    ]
    assert diagnosis.tcp_ports(listed) == [443, 444]


def test_an_inbound_is_missed_when_it_is_gone_or_switched_off_and_was_chosen() -> None:
    known = [inbound(1), inbound(2), inbound(3), inbound(4, enabled=False)]
    seen = [shown(1), shown(2, enabled=False), shown(9)]
    assert [one.panel_id for one in diagnosis.missing(known, seen)] == [2, 3]
