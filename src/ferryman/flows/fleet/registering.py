"""A node written down: its row, the location it stands in, its inbounds, and word to those who must follow."""

from collections.abc import Sequence

from babel import Locale
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, health, keyring
from ferryman.fleet.location import Location
from ferryman.fleet.node import Inbound, Node, NodeMode, NodeState
from ferryman.fleet.panel import PanelInbound
from ferryman.fleet.wish import Place, Wish
from ferryman.flows.fleet import inspecting
from ferryman.flows.fleet.inspecting import Look
from ferryman.flows.tools import Tools
from ferryman.flows.waking import wake
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, Refused
from ferryman.people.customer import LANGUAGES

_log = log.get("nodes")


async def write(tools: Tools, wish: Wish, seen: Look | None, picked: Sequence[PanelInbound] | None) -> Node:
    """One transaction: the node as wished for. `picked` None leaves its inbounds alone, `seen` None its health.

    Whoever chooses nodes comes round when something changed that they choose by; keys are put into doubt when what was
    seen of them proves nothing any more.
    """
    async with tools.db.unit() as session:
        before = await _found(session, wish.name)
        stale = before is not None and _is_stale(tools, before, wish, picked)
        # Keys are locked before their node, here as everywhere.
        if before is not None and stale:
            await keyring.doubt(session, before.id, tools.clock.now())
        node = await health.held(session, before.id) if before is not None else await _begun(session, wish)
        require_not_retired(node)
        facts = _chosen_by(node)
        await _take_wish(tools, session, node, wish)
        if seen is not None:
            _take_look(tools, node, seen, afresh=before is None or stale)
        session.add(node)
        await session.flush()
        if picked is not None:
            _keep_inbounds(session, node, picked, wish)
            await session.flush()
        if before is None or stale or facts != _chosen_by(node):
            await census.changed(session)
    # Apart from what holds the node's row, which runs of the node take after they have waked it.
    async with tools.db.unit() as session:
        await wake(tools, session, node.id)
    _log.info("node_kept", node=node.name, mode=node.mode, new=before is None)
    return node


def require_not_retired(node: Node) -> None:
    """Raises Refused. Asked again under the lock: a look at a panel takes long enough for somebody to retire it."""
    if node.mode == NodeMode.RETIRED:
        raise Refused(f"Node {node.name} is retired, which is for good: add it again under another name.")


def is_reached_alike(tools: Tools, node: Node, wish: Wish) -> bool:
    """Whether the wish names the panel, and the way in, that are kept."""
    wanted = inspecting.document_of(wish.access)
    known = inspecting.document_of(node.access(tools.vault))
    return node.panel == wish.panel and known == wanted


def chosen_ids(node: Node) -> list[int]:
    """The panel's ids of the inbounds that keys are, or should be, on: also of those that went missing there."""
    return [one.panel_id for one in node.inbounds if one.enabled or one.missing_since is not None]


def country_names(country: str) -> dict[str, str]:
    """A country's name in every language of ours. Raises Misconfigured for a code that is none (ISO 3166-1 alpha-2)."""
    names = {language: Locale(language).territories.get(country) for language in LANGUAGES}
    if country == "ZZ" or not all(names.values()):
        raise Misconfigured(f"{country!r} is no country.", "Give its ISO code in capitals: NL, DE, FI.")
    return {language: str(name) for language, name in names.items()}


async def _found(session: AsyncSession, name: str) -> Node | None:
    return await session.scalar(select(Node).where(Node.name == name))


async def _begun(session: AsyncSession, wish: Wish) -> Node:
    last = await session.scalar(select(func.max(Node.position)))
    mode = NodeMode.OFF if wish.enabled is False else NodeMode.ACTIVE
    return Node(name=wish.name, mode=mode, position=0 if last is None else last + 1, inbounds=[], sealed_access=b"")


def _is_stale(tools: Tools, node: Node, wish: Wish, picked: Sequence[PanelInbound] | None) -> bool:
    """Whether keys were seen on another panel or other inbounds, or while nobody looked after them."""
    now_on = {one.panel_id for one in node.inbounds if one.enabled}
    other_inbounds = picked is not None and now_on != {one.panel_id for one in picked if one.enabled}
    comes_back = wish.enabled is True and not node.in_use
    return other_inbounds or comes_back or not is_reached_alike(tools, node, wish)


def _chosen_by(node: Node) -> tuple[object, ...]:
    return (node.mode, node.location_id, node.priority, node.capacity_clients, node.capacity_bytes)


async def _take_wish(tools: Tools, session: AsyncSession, node: Node, wish: Wish) -> None:
    position = node.position if wish.position is None else wish.position
    node.location = await _location(session, wish.place, position)
    if not node.sealed_access or not is_reached_alike(tools, node, wish):
        node.sealed_access = tools.vault.seal(inspecting.document_of(wish.access))
    node.panel, node.address, node.position = wish.panel, wish.address, position
    for name in ("priority", "capacity_clients", "capacity_bytes"):
        wanted = getattr(wish, name)
        if wanted is not None:
            setattr(node, name, wanted)
    if wish.enabled is False:
        node.mode = NodeMode.OFF
    elif wish.enabled is True and node.mode == NodeMode.OFF:
        node.mode = NodeMode.ACTIVE


def _take_look(tools: Tools, node: Node, seen: Look, *, afresh: bool) -> None:
    now = tools.clock.now()
    node.panel_version, node.latency_ms, node.checked_at = seen.report.version, seen.latency_ms, now
    node.clock_skew = None if seen.report.clock_skew is None else round(seen.report.clock_skew)
    health.forgive(node)
    if afresh:
        node.state, node.state_since, node.quarantined_at, node.successes = NodeState.HEALTHY, now, None, 0


async def _location(session: AsyncSession, place: Place, position: int) -> Location:
    location = await session.scalar(select(Location).where(Location.code == place.code))
    if location is None:
        if not place.country:
            raise Misconfigured(f"There is no location {place.code!r} yet.", "Name its country, and it is made.")
        location = Location(code=place.code, position=position, title={}, city={})
        session.add(location)
    location.country = place.country or location.country
    named = {language: text for language, text in place.title.items() if text}
    location.title = {**(location.title or country_names(location.country)), **named}
    location.city = {**location.city, **{language: text for language, text in place.city.items() if text}}
    await session.flush()
    return location


def _keep_inbounds(session: AsyncSession, node: Node, picked: Sequence[PanelInbound], wish: Wish) -> None:
    """Make the node's rows the chosen inbounds. Those no longer chosen stay, switched off, and can come back."""
    known = {inbound.panel_id: inbound for inbound in node.inbounds}
    for seen in picked:
        inbound = known.get(seen.panel_id)
        if inbound is None:
            inbound = Inbound(node_id=node.id, panel_id=seen.panel_id, tags=[])
            session.add(inbound)
        inbound.take(seen)
        own = wish.tags.get(seen.panel_id)
        if own is not None or wish.common_tags is not None:
            inbound.tags = list(dict.fromkeys([*(wish.common_tags or ()), *(own or ())]))
    wanted = {seen.panel_id for seen in picked}
    for panel_id, inbound in known.items():
        if panel_id not in wanted:
            inbound.enabled, inbound.missing_since = False, None
        if panel_id not in wanted:
            inbound.missing_since = None
