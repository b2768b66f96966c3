"""The operator's ways to be paid: which providers there are, on or off, in which order and by which name."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import methods
from ferryman.billing.methods import ChosenWay, Method
from ferryman.billing.provider import InHouse, Told
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound, Refused

_log = log.get("ways")


@dataclass(frozen=True)
class Listed:
    """One provider: whether it has settings, is on, its place among the others, and its ways with theirs.

    `hook_url` is where its webhooks are to go, "" for one that sends none. `denied_at`: since when it does not accept
    the shop's credentials, and is offered to nobody.
    """

    name: str
    icon: str
    title: Mapping[str, str]
    configured: bool
    enabled: bool
    position: int
    ways: list[tuple[str, str, str, bool]]
    """Code, icon, title in English, on or off."""
    hook_url: str = ""
    denied_at: datetime | None = None


async def listed(tools: Tools) -> list[Listed]:
    """Every installed provider; those that are on first, in the operator's order."""
    async with tools.db.unit() as session:
        known = {one.name: one for one in await session.scalars(select(Method))}
        own = {(one.provider, one.code): one for one in await session.scalars(select(ChosenWay))}
    found = []
    for name, kind in tools.providers.items():
        method = known.get(name)
        ways = []
        for way in kind.ways:
            chosen = own.get((name, way.code))
            title = (chosen.title if chosen and chosen.title else None) or way.title or kind.title
            icon = (chosen.icon if chosen else None) or way.icon or kind.icon
            ways.append((way.code, icon, str(title["en"]), chosen is None or chosen.enabled))
        on = method is not None and method.enabled
        place, denied = (method.position, method.denied_at) if method is not None else (0, None)
        shown = Listed(name, kind.icon, kind.title, method is not None, on, place, ways, hook_url(tools, name), denied)
        found.append(shown)
    return sorted(found, key=lambda one: (not one.enabled, one.position, one.name))


def hook_url(tools: Tools, name: str) -> str:
    """Where the webhooks of an installed provider are to go, "" for one that sends none."""
    return "" if issubclass(tools.providers[name], (InHouse, Told)) else tools.hook_url(name)


@dataclass(frozen=True)
class Edit:
    """What is to change of a provider; None = as it is. `config` is laid over the settings that are stored."""

    config: Mapping[str, Any] | None = None
    enabled: bool | None = None
    position: int | None = None


async def edit(tools: Tools, name: str, change: Edit) -> str:
    """Change a provider, or set it up for the first time; its new settings are tried before they are kept.

    Raises NotFound for one that is not installed, Misconfigured for settings that cannot be, what `check` raises.
    """
    kind = tools.providers.get(name)
    if kind is None:
        raise NotFound(f"No provider {name!r} is installed; there are {', '.join(sorted(tools.providers))}.")
    async with tools.db.unit() as session:
        config = await _stored(tools, session, name)
    config = {**config, **(change.config or {})}
    checked = methods.checked_config(kind, config)
    turned_on = change.enabled is not False
    found = "switched off"
    if issubclass(kind, InHouse):
        found = "needs nobody to be asked"
    elif turned_on:
        found = await kind(checked, tools.provider_tools).check()
    async with tools.db.unit() as session:
        method = await session.get(Method, name)
        if method is None:
            method = Method(name=name, enabled=turned_on)
            session.add(method)
        method.sealed_config = tools.vault.seal(config)
        if turned_on:
            method.denied_at = None
        method.enabled = method.enabled if change.enabled is None else change.enabled
        method.position = method.position if change.position is None else change.position
    _log.warning("provider_edited", provider=name, enabled=change.enabled, settings=sorted(change.config or {}))
    return found


async def _stored(tools: Tools, session: AsyncSession, name: str) -> dict[str, Any]:
    method = await session.get(Method, name)
    if method is None:
        return {}
    try:
        return dict(tools.vault.open(method.sealed_config))
    except Misconfigured:
        _log.error("provider_settings_lost", provider=name)
        return {}


async def dress(
    tools: Tools,
    name: str,
    code: str,
    *,
    enabled: bool | None = None,
    position: int | None = None,
    icon: str | None = None,
    title: Mapping[str, str] | None = None,
) -> None:
    """Switch one way on or off, move it, or give it another icon or name.

    `position` is its place among all ways of all providers; 0 = beside its provider's others. Raises NotFound, and
    Refused when its provider is not set up.
    """
    kind = tools.providers.get(name)
    if kind is None or code not in [way.code for way in kind.ways]:
        raise NotFound(f"There is no way {code!r} of {name}.")
    async with tools.db.unit() as session:
        if await session.get(Method, name) is None:
            raise Refused(f"Set {name} up first: `ferryman provider edit {name} --on …`.")
        way = await session.get(ChosenWay, (name, code))
        if way is None:
            way = ChosenWay(provider=name, code=code, enabled=True, position=0)
            session.add(way)
        way.enabled = way.enabled if enabled is None else enabled
        way.position = way.position if position is None else position
        way.icon = way.icon if icon is None else icon or None
        way.title = way.title if title is None else dict(title) or None
    _log.warning("way_edited", provider=name, way=code, enabled=enabled)
