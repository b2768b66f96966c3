"""A look at a panel before anything about it is kept: who answers, what it offers, and what is off, with the fix."""

import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import SecretStr
from yarl import URL

from ferryman.delivery.share_links import Identity, LinkInbound, NoLink, share_links
from ferryman.fleet import certificate, reach
from ferryman.fleet.certificate import Certificate
from ferryman.fleet.diagnosis import LARGEST_SKEW_SECONDS
from ferryman.fleet.node import Node
from ferryman.fleet.panel import PanelAccess, PanelInbound, PanelReport, VpnPanel
from ferryman.fleet.wish import Wanted, Wish
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Misconfigured, Unreachable
from ferryman.kit.settings import LOOPBACK

SOMEBODY = Identity("00000000-0000-4000-8000-000000000000", "password", "sub", "somebody")


class UntrustedCertificate(Misconfigured):
    """Nobody vouches for the panel's certificate, or it is not the pinned one; a person may pin what is shown."""

    def __init__(self, shown: Certificate, why: str, fix: str) -> None:
        super().__init__(why, fix)
        self.shown = shown


@dataclass(frozen=True)
class Trouble:
    """Something that is off on a node which answers: it may pass by itself, or a person mends it there."""

    why: str
    fix: str

    def __str__(self) -> str:
        return f"{self.why} {self.fix}"


@dataclass(frozen=True)
class Offer:
    """One inbound of the panel; `no_link` says why customers could not use it, "" when they can."""

    inbound: PanelInbound
    no_link: str

    @property
    def usable(self) -> bool:
        return self.inbound.enabled and not self.no_link

    def __str__(self) -> str:
        one = self.inbound
        shape = "/".join(part for part in (one.protocol, one.transport, one.security) if part not in ("", "none"))
        return f"{one.panel_id} ({one.remark or shape}, port {one.port})"


@dataclass(frozen=True)
class Look:
    """What one look found. `latency_ms` is that of one cheap call on a warm connection."""

    report: PanelReport
    latency_ms: int
    offers: Sequence[Offer]
    troubles: Sequence[Trouble]


def document_of(access: PanelAccess) -> dict[str, Any]:
    """How a panel is reached, as it is sealed into the database."""
    plain = asdict(access)
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in plain.items()}


def panel_of(tools: Tools, kind: str, access: PanelAccess) -> VpnPanel:
    """A connection of its own for a look. From here on the logs know what to hide."""
    secrets = (access.token, access.password, access.totp)
    log.redactor.also_hide(secret.get_secret_value() for secret in secrets if secret is not None)
    return tools.connections.trial(kind, Node(panel=kind, sealed_access=tools.vault.seal(document_of(access))))


async def look(tools: Tools, kind: str, access: PanelAccess, address: str) -> Look:
    """Log in, read the version, list the inbounds, compare the clocks.

    Raises Misconfigured, with the fix, for whatever keeps us out or would keep customers out;
    UntrustedCertificate when that is why.
    """
    require_safe_way(tools, access)
    await require_public(tools, address)
    panel = panel_of(tools, kind, access)
    try:
        report = await panel.probe()
        offers = [offered(inbound, address) for inbound in await panel.inbounds()]
        latency = await _latency(panel)
    except Misconfigured:
        raise
    except FerrymanError as error:
        await blame_certificate(access)
        raise Misconfigured(str(error), _advice(error)) from error
    return Look(report, latency, offers, troubles_of(report))


async def _latency(panel: VpnPanel) -> int:
    started = time.perf_counter()
    await panel.probe()
    return round((time.perf_counter() - started) * 1000)


def _advice(error: FerrymanError) -> str:
    if isinstance(error, Unreachable):
        return "Check the address and that the panel runs; a firewall there must let this machine in."
    return "Correct it and try again."


def troubles_of(report: PanelReport) -> list[Trouble]:
    found = []
    if not report.core_running:
        found.append(
            Trouble("The panel answers, its core does not run.", "Start Xray in the panel; its log is there, too.")
        )
    if report.clock_skew is not None and abs(report.clock_skew) > LARGEST_SKEW_SECONDS:
        found.append(
            Trouble(
                f"Its clock is off by {report.clock_skew:+.0f} s, and that clock decides when keys end.",
                "Switch on time synchronisation (NTP) there.",
            )
        )
    return found


async def blame_certificate(access: PanelAccess) -> None:
    """When TLS may be what keeps us out, say which certificate is shown. Raises UntrustedCertificate."""
    if access.insecure or URL(access.url).scheme != "https":
        return
    try:
        shown = await certificate.shown_by(access.url, access.ca)
    except FerrymanError:
        return
    if access.pin and not shown.pinned_by(access.pin):
        raise UntrustedCertificate(
            shown,
            f"{shown.host} shows another certificate than the pinned one; its SHA-256 is {shown.sha256}.",
            "If you renewed it, give that as the new pin; if not, somebody stands between you and the panel.",
        )
    if not access.pin and shown.flaw:
        raise UntrustedCertificate(
            shown,
            f"{shown.host} shows a certificate that {shown.flaw}; its SHA-256 is {shown.sha256}.",
            "Compare that with `openssl x509 -noout -fingerprint -sha256` on the panel's machine and give it as the "
            "pin, give the authority's certificate, or give the panel one that is signed by a known authority.",
        )


def require_safe_way(tools: Tools, access: PanelAccess) -> None:
    """Raises Misconfigured where credentials would travel in the clear."""
    where = URL(access.url)
    in_the_clear = where.scheme == "http" and where.host not in LOOPBACK
    if in_the_clear and tools.settings.env == "production" and not access.insecure:
        raise Misconfigured(
            f"{where.host} is to be called over plain http, and everybody on the way could read its password.",
            "Give the panel a certificate and write https://, or say `insecure` if the way there is private.",
        )


async def require_public(tools: Tools, address: str) -> None:
    """Raises Misconfigured for an address that customers cannot connect to. In the sandbox they sit on this machine."""
    trouble = "" if tools.settings.env == "sandbox" else await reach.useless_to_customers(address)
    if trouble:
        raise Misconfigured(trouble, "Give the name or public address of the server itself as the node's address.")


def offered(inbound: PanelInbound, address: str) -> Offer:
    """Whether a share link to this inbound can be made is found by making one."""
    link = LinkInbound(
        inbound.protocol, inbound.transport, inbound.security, inbound.port, inbound.link, inbound.remark
    )
    try:
        share_links(link, address, SOMEBODY, "")
    except NoLink as error:
        return Offer(inbound, str(error))
    return Offer(inbound, "")


def chosen(offers: Sequence[Offer], wanted: Wanted) -> list[PanelInbound]:
    """The inbounds to put keys on: those asked for, or all that customers can use.

    Raises Misconfigured for one that is not there, is switched off or has no link, and when none is left.
    """
    picked = [offer for offer in offers if offer.usable] if wanted == "all" else _asked_for(offers, wanted)
    if not picked:
        raise Misconfigured(
            f"the panel has no inbound that customers could use; it has: {_described(offers)}.",
            "Make one in the panel, or have one made: VLESS with REALITY (`--open PORT --target HOST`).",
        )
    return [offer.inbound for offer in picked]


def _asked_for(offers: Sequence[Offer], wanted: Collection[int]) -> list[Offer]:
    by_id = {offer.inbound.panel_id: offer for offer in offers}
    missing = [str(number) for number in wanted if number not in by_id]
    if missing:
        raise Misconfigured(
            f"the panel has no inbound {', '.join(missing)}.",
            f"It has: {', '.join(map(str, offers)) or 'none'}.",
        )
    picked = [by_id[number] for number in sorted(set(wanted))]
    for offer in picked:
        if offer.no_link:
            raise Misconfigured(f"inbound {offer} is of no use to customers: {offer.no_link}", "Choose another one.")
        if not offer.inbound.enabled:
            raise Misconfigured(f"inbound {offer} is switched off.", "Switch it on in the panel, or choose another.")
    return picked


def _described(offers: Sequence[Offer]) -> str:
    parts = [f"{offer}: {offer.no_link or 'switched off'}" for offer in offers if not offer.usable]
    return "; ".join(part.rstrip(".") for part in parts) or "none"


async def opened(tools: Tools, wish: Wish) -> PanelInbound:
    """The inbound that a wish wants made; one that is there already just so is taken for it.

    Raises Misconfigured when its port is taken, or no link leads there.
    """
    assert wish.new_inbound is not None
    try:
        panel = panel_of(tools, wish.panel, wish.access)
        made = offered(await panel.open_inbound(wish.new_inbound), wish.address)
    except FerrymanError as error:
        raise Misconfigured(str(error), _advice(error)) from error
    if made.no_link:
        raise Misconfigured(f"the inbound that was made is of no use: {made.no_link}", "Delete it in the panel.")
    return made.inbound
