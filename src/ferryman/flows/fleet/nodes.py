"""Nodes as data: added, edited, switched on and off, their inbounds chosen; each panel is looked at before it is kept.

The shop file, the command line and the admin pages all come through here. Nothing about a node lives anywhere but in
the database, its credentials sealed.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.fleet import census, health
from ferryman.fleet.node import Node, NodeMode
from ferryman.fleet.panel import NewInbound, PanelInbound
from ferryman.fleet.wish import Place, Wanted, Wish
from ferryman.flows.fleet import inspecting, registering
from ferryman.flows.fleet.inspecting import Look, UntrustedCertificate
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Refused

_log = log.get("nodes")

# Changes of these are not believed until the panel has been asked.
_ASKS_THE_PANEL = {"panel", "access", "address", "inbounds", "new_inbound"}


@dataclass(frozen=True)
class Kept:
    """What was kept, and what was found while looking; `look` is None when the panel was not asked."""

    node: Node
    look: Look | None = None
    picked: Sequence[PanelInbound] = ()

    def __str__(self) -> str:
        if self.look is None:
            return "kept" if self.node.in_use else "switched off"
        numbers = [one.panel_id for one in self.picked]
        said = f"panel {self.look.report.version}, inbounds {', '.join(map(str, numbers))}"
        if self.look.report.core_running:
            said = said.replace(",", ", core runs,", 1)
        left = [str(one) for one in self.look.offers if one.no_link and one.inbound.panel_id not in numbers]
        said += f"; left out, for no link leads there: {', '.join(left)}" if left else ""
        return said + "".join(f"; ⚠️ {trouble}" for trouble in self.look.troubles)


async def require_new(tools: Tools, name: str) -> None:
    """Raises Misconfigured when there is a node of that name."""
    async with tools.db.unit() as session:
        if await _found(session, name) is not None:
            raise Misconfigured(f"There is a node {name} already.", f"Change it with `ferryman node edit {name}`.")


async def preview(tools: Tools, wish: Wish) -> Look:
    """What the panel of a node that is about to be added offers. Raises Misconfigured, UntrustedCertificate."""
    with _naming(wish.name):
        return await inspecting.look(tools, wish.panel, wish.access, wish.address)


async def add(tools: Tools, wish: Wish) -> Kept:
    """A node that is not there yet. Raises Misconfigured, with the fix, for whatever is off; then nothing is kept."""
    await require_new(tools, wish.name)
    return await keep(tools, wish)


async def keep(tools: Tools, wish: Wish) -> Kept:
    """Make the node what is wished for, new or not. Looks at the panel first, unless it is only to be switched off.

    A panel that answers and does not serve (core down, clock off) is refused for a new node or new credentials, and
    only mentioned for one that is kept already. Raises Misconfigured, or Refused for a retired node.
    """
    async with tools.db.unit() as session:
        before = await _found(session, wish.name)
    as_before = before is not None and before.address == wish.address
    if before is not None:
        registering.require_not_retired(before)
        as_before = as_before and registering.is_reached_alike(tools, before, wish)
    if as_before and wish.enabled is False and wish.new_inbound is None:
        return Kept(await registering.write(tools, wish, None, None))
    with _naming(wish.name):
        seen = await inspecting.look(tools, wish.panel, wish.access, wish.address)
        if seen.troubles and not as_before:
            raise Misconfigured(seen.troubles[0].why, seen.troubles[0].fix)
        picked = await _picked(tools, wish, seen, registering.chosen_ids(before) if before is not None else [])
    return Kept(await registering.write(tools, wish, seen, picked), seen, picked)


async def edit(tools: Tools, name: str, **changes: Any) -> Kept:
    """Change some of a node's `Wish`, by its field names; unless they concern its panel, that is not asked.

    Raises NotFound, Refused for a retired node, Misconfigured when something is not as described: then all stays.
    """
    async with tools.db.unit() as session:
        node = await named(session, name)
    registering.require_not_retired(node)
    wish = replace(wish_of(tools, node), **changes)
    if _ASKS_THE_PANEL & changes.keys():
        return await keep(tools, wish)
    with _naming(name):
        return Kept(await registering.write(tools, wish, None, None))


async def set_inbounds(
    tools: Tools, name: str, wanted: Wanted | None, tags: Mapping[int, Sequence[str]] | None = None
) -> Kept:
    """Put keys on these inbounds, and on no others; None: on those chosen before, which must all be there."""
    return await edit(tools, name, inbounds=wanted, tags=tags or {})


async def refresh(tools: Tools, name: str) -> Kept:
    """Take in afresh what the panel shows of the inbounds chosen; those that are gone or off there get no keys.

    Raises Misconfigured when none would be left, as `offers` does otherwise.
    """
    node, seen = await offers(tools, name)
    present = [one.inbound.panel_id for one in seen.offers if one.usable]
    with _naming(name):
        picked = inspecting.chosen(seen.offers, [one for one in registering.chosen_ids(node) if one in present])
    return Kept(await registering.write(tools, wish_of(tools, node), seen, picked), seen, picked)


async def open_inbound(tools: Tools, name: str, wanted: NewInbound) -> Kept:
    """Have the panel make a VLESS inbound with REALITY and fresh keys, and put keys on it, beside the others."""
    return await edit(tools, name, new_inbound=wanted)


async def offers(tools: Tools, name: str) -> tuple[Node, Look]:
    """A node, and what its panel offers now. Raises NotFound, Refused for a retired node, Misconfigured."""
    async with tools.db.unit() as session:
        node = await named(session, name)
    registering.require_not_retired(node)
    with _naming(name):
        return node, await inspecting.look(tools, node.panel, node.access(tools.vault), node.address)


async def disable(tools: Tools, name: str) -> None:
    """Take a node out of use at once. Its panel is not asked, and its clients there stay until it comes back."""
    async with tools.db.unit() as session:
        node = await health.held(session, (await named(session, name)).id)
        registering.require_not_retired(node)
        if node.mode != NodeMode.OFF:
            node.mode = NodeMode.OFF
            await census.changed(session)
            _log.info("node_disabled", node=name)


async def enable(tools: Tools, name: str) -> Kept:
    """Bring a node back into use, once its panel has been looked at. Raises Misconfigured when something is off."""
    async with tools.db.unit() as session:
        node = await named(session, name)
    if node.mode == NodeMode.DRAINING:
        raise Refused(f"Node {name} is being drained: `ferryman node undrain {name}` lets it take customers again.")
    return await edit(tools, name, enabled=True, inbounds=None)


async def named(session: AsyncSession, name: str) -> Node:
    """The node of that name. Raises NotFound that lists those there are."""
    node = await _found(session, name)
    if node is None:
        names = list(await session.scalars(select(Node.name).order_by(Node.position, Node.id)))
        raise NotFound(f"There is no node {name!r}; there are: {', '.join(names) or 'none, add one first'}.")
    return node


def wish_of(tools: Tools, node: Node) -> Wish:
    """The wish that leaves a node as it is. Raises Misconfigured when its credentials cannot be opened."""
    return Wish(node.name, node.panel, node.access(tools.vault), node.address, Place(node.location.code))


async def _found(session: AsyncSession, name: str) -> Node | None:
    return await session.scalar(select(Node).where(Node.name == name))


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Whatever is wrong with a panel names the node that it is wrong with."""
    try:
        yield
    except UntrustedCertificate as error:
        raise UntrustedCertificate(error.shown, f"node {name}: {error.why}", error.fix) from error
    except Misconfigured as error:
        raise Misconfigured(f"node {name}: {error.why}", error.fix) from error


async def _picked(tools: Tools, wish: Wish, seen: Look, present: Sequence[int]) -> list[PanelInbound]:
    """What is asked for, or was chosen before, or all; and the one that is made now, which alone may be enough."""
    wanted: Wanted = wish.inbounds or present or "all"
    if wish.new_inbound is None:
        return inspecting.chosen(seen.offers, wanted)
    nothing_else = wish.inbounds is None and not any(offer.usable for offer in seen.offers)
    others = [] if nothing_else else inspecting.chosen(seen.offers, wanted)
    made = await inspecting.opened(tools, wish)
    _log.info("inbound_opened", node=wish.name, inbound=made.panel_id, port=made.port)
    return [*(other for other in others if other.panel_id != made.panel_id), made]
