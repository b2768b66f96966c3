"""Set the shop up: nodes, plans and payment methods from one file, each checked before it is kept.

Applying the same file twice changes nothing. What the file does not name stays as it is.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ferryman.billing import methods
from ferryman.billing.methods import Method
from ferryman.catalog.plan import GIGABYTE, Plan, Price, Term
from ferryman.fleet.location import Location
from ferryman.flows.fleet import nodes
from ferryman.flows.shop.shopfile import read
from ferryman.flows.shop.shopspec import NodeSpec, PlanSpec, ProviderSpec, Shop
from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import FerrymanError, Misconfigured
from ferryman.kit.money import Money

__all__ = ["Done", "Shop", "apply", "read"]

_log = log.get("setup")


@dataclass(frozen=True)
class Done:
    """One line of the report: what was set, and what was found while checking it."""

    what: str
    found: str


async def apply(tools: Tools, shop: Shop) -> list[Done]:
    """Keep everything in the file, each part in a transaction of its own, so that one bad node does not stop the rest.

    Raises Misconfigured at the end when some part could not be kept; its text has a line for each.
    """
    done: list[Done] = []
    failed: list[str] = []
    places = {node.place for node in shop.nodes}
    parts: list[tuple[str, Callable[[], Awaitable[str]]]] = []
    for at, plan in enumerate(shop.plans):
        parts.append((f"plan {plan.code}", partial(_keep_plan, tools, plan, at, places)))
    for at, provider in enumerate(shop.providers):
        parts.append((f"provider {provider.name}", partial(_keep_provider, tools, provider, at)))
    for at, node in enumerate(shop.nodes):
        parts.append((f"node {node.name}", partial(_keep_node, tools, node, at)))
    for what, keep in parts:
        try:
            done.append(Done(what, await keep()))
            _log.info("applied", what=what)
        except (FerrymanError, ValueError) as error:
            failed.append(f"{what}: {str(error).removeprefix(f'{what}: ')}")
    if failed:
        kept = f" Kept: {', '.join(one.what for one in done)}." if done else ""
        raise Misconfigured("Not everything could be applied. " + " ".join(failed), f"Apply again when mended.{kept}")
    return done


async def _keep_node(tools: Tools, spec: NodeSpec, position: int) -> str:
    return str(await nodes.keep(tools, spec.wish(position)))


async def _keep_plan(tools: Tools, spec: PlanSpec, position: int, places: Collection[str]) -> str:
    prices = {term.days: term.money for term in spec.terms}
    async with tools.db.unit() as session:
        await _require_known(session, spec, places)
        plan = await session.scalar(select(Plan).where(Plan.code == spec.code))
        if plan is None:
            plan = Plan(code=spec.code, terms=[])
            session.add(plan)
        plan.icon, plan.title, plan.description = spec.icon, spec.title, spec.description
        plan.traffic_bytes, plan.devices, plan.places = spec.traffic_gb * GIGABYTE, spec.devices, spec.rule
        plan.position, plan.active = position, True
        known = {term.days: term for term in plan.terms}
        for days, money in prices.items():
            term = known.get(days) or Term(days=days, prices=[])
            term.active = True
            if days not in known:
                plan.terms.append(term)
            await session.flush()
            await _reprice(session, term, money)
        for days, term in known.items():
            term.active = days in prices
    return f"{len(prices)} terms"


async def _require_known(session: AsyncSession, spec: PlanSpec, in_this_file: Collection[str]) -> None:
    """Raises Misconfigured for locations that neither the shop nor this file has."""
    known = {*in_this_file, *await session.scalars(select(Location.code))}
    unknown = [code for code in spec.place_codes if code not in known]
    if unknown:
        raise Misconfigured(
            f"its places name {', '.join(unknown)}, and there is no such location.",
            f"There are: {', '.join(sorted(known)) or 'none yet'}; a node's `location` makes one.",
        )


async def _reprice(session: AsyncSession, term: Term, wanted: list[Money]) -> None:
    known = {price.currency: price for price in term.prices}
    for money in wanted:
        if money.currency in known:
            known[money.currency].minor = money.minor
        else:
            term.prices.append(Price(currency=money.currency, minor=money.minor))
    names = {money.currency for money in wanted}
    for currency, price in known.items():
        if currency not in names:
            term.prices.remove(price)
    await session.flush()


async def _keep_provider(tools: Tools, spec: ProviderSpec, position: int) -> str:
    kind = tools.providers.get(spec.name)
    if kind is None:
        raise Misconfigured(
            f"No provider {spec.name!r} is installed.", f"Installed: {', '.join(sorted(tools.providers))}."
        )
    provider = kind(methods.checked_config(kind, spec.config), tools.provider_tools)
    found = await provider.check() if spec.enabled else "switched off"
    async with tools.db.unit() as session:
        method = await session.get(Method, spec.name)
        if method is None:
            method = Method(name=spec.name)
            session.add(method)
        method.enabled, method.position = spec.enabled, position
        method.sealed_config = tools.vault.seal(spec.config)
        if spec.enabled:
            method.denied_at = None
    return f"{found}; its webhooks go to {tools.hook_url(spec.name)}"
