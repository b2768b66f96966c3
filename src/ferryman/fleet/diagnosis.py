"""What is wrong with a node that was looked at, in one sentence that names it and the fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ferryman.fleet.health import Look, Sign, ailment_of, sign_of
from ferryman.fleet.node import Inbound
from ferryman.fleet.panel import PanelInbound, PanelReport
from ferryman.kit.errors import FerrymanError, Retry

# Milliseconds that one cheap call may take; changing a client takes several.
SLOW_MS = 5000
# The one ailment of a node that answers and yet serves nobody.
CORE = "core"
# Expiry is decided by the panel's clock; a minute off is a minute of paid time.
LARGEST_SKEW_SECONDS = 60.0
DATAGRAMS = ("kcp", "mkcp", "quic", "hysteria", "hysteria2", "wireguard", "tuic")
EVERY_ADDRESS = ("", "0.0.0.0", "::", "[::]")  # noqa: S104 - not bound here, only compared


@dataclass(frozen=True)
class Signs:
    """What a look at a node that answered has found; `gone` are inbounds that somebody deleted or switched off, and
    `refusals` the ports that accepted no connection, with why."""

    report: PanelReport
    latency_ms: int
    gone: Sequence[Inbound] = ()
    refusals: Mapping[int, str] = field(default_factory=dict)


def of_error(name: str, error: FerrymanError) -> Look:
    """A look that ended with this error."""
    sign = sign_of(error)
    silent = isinstance(error, Retry)
    fix = " Look whether the server and its panel run and can be reached from here." if silent else ""
    return Look(sign, ailment_of(sign), f"{name}: {error}{fix}")


def of_signs(name: str, signs: Signs) -> Look:
    """A look at a node whose panel has answered: the worst first, and one sentence for each."""
    found = [*_core(signs.report), *_gone(signs.gone), *_ports(signs.refusals), *_clock(signs.report)]
    found += _slow(signs.latency_ms)
    skew = signs.report.clock_skew
    return Look(
        Sign.AILING if found else Sign.WELL,
        found[0][0] if found else "",
        f"{name}: {' '.join(sentence for _, sentence in found)}" if found else "",
        signs.report.version,
        signs.latency_ms,
        None if skew is None else round(skew),
    )


def tcp_ports(inbounds: Sequence[Inbound]) -> list[int]:
    """Ports where a TCP connection from outside must be accepted: not those of datagrams, nor those that listen behind
    something else on the node or are reached by another address."""
    return sorted(
        {
            inbound.port
            for inbound in inbounds
            if inbound.enabled
            and inbound.port
            and not {inbound.transport, inbound.protocol} & set(DATAGRAMS)
            and inbound.link.get("listen", "") in EVERY_ADDRESS
            and not inbound.link.get("externalProxy")
        }
    )


def missing(known: Sequence[Inbound], seen: Sequence[PanelInbound]) -> list[Inbound]:
    """Inbounds that were chosen for keys and that the panel does not have, or has switched off."""
    there = {inbound.panel_id for inbound in seen if inbound.enabled}
    return [one for one in known if (one.enabled or one.missing_since) and one.panel_id not in there]


def _core(report: PanelReport) -> list[tuple[str, str]]:
    if report.core_running:
        return []
    return [(CORE, "the panel answers, its core (Xray) does not run: start it in the panel and read its log there.")]


def _gone(gone: Sequence[Inbound]) -> list[tuple[str, str]]:
    if not gone:
        return []
    named = ", ".join(f"{one.panel_id} ({one.remark or one.protocol}, port {one.port})" for one in gone)
    fix = "switch it on in the panel, or choose the node's inbounds anew."
    return [("inbounds", f"inbound {named} was deleted or switched off in the panel: {fix}")]


def _ports(refusals: Mapping[int, str]) -> list[tuple[str, str]]:
    if not refusals:
        return []
    named = ", ".join(f"{port} ({why})" for port, why in sorted(refusals.items()))
    return [("ports", f"no connection to port {named}: open it in the firewalls there, or look at Xray's log.")]


def _clock(report: PanelReport) -> list[tuple[str, str]]:
    if report.clock_skew is None or abs(report.clock_skew) <= LARGEST_SKEW_SECONDS:
        return []
    return [("clock", f"its clock is off by {report.clock_skew:+.0f} s: switch on time synchronisation (NTP) there.")]


def _slow(latency_ms: int) -> list[tuple[str, str]]:
    if latency_ms <= SLOW_MS:
        return []
    return [("slow", f"its panel takes {latency_ms / 1000:.1f} s for one answer: look at the server's load.")]
