"""`ferryman doctor`: look at everything the shop stands on, and name the fix for what is wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import select, text

from ferryman.billing import methods
from ferryman.billing.methods import Method
from ferryman.catalog import shelf
from ferryman.catalog.plan import Plan
from ferryman.fleet.node import IN_USE, Node, NodeMode
from ferryman.flows.fleet import examining
from ferryman.flows.fleet.examining import Finding
from ferryman.flows.shop import staff
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Retry

__all__ = ["Finding", "examine", "of_node"]

# Nodes looked at side by side, so that a few that do not answer are not waited for one after the other.
AT_ONCE = 8


async def examine(tools: Tools) -> AsyncIterator[Finding]:
    """Look at one thing after the other; a bad one does not stop the rest."""
    yield await _database(tools)
    yield await _telegram(tools)
    yield await _alerts(tools)
    async for finding in _shop(tools):
        yield finding
    async with tools.db.unit() as session:
        names = list(await session.scalars(select(Method.name).order_by(Method.position)))
        nodes = list(await session.scalars(select(Node).order_by(Node.position, Node.id)))
        plans = list(await session.scalars(select(Plan).where(Plan.active).order_by(Plan.position, Plan.id)))
    for finding in _places(nodes, plans):
        yield finding
    for name in names:
        yield await _provider(tools, name)
    async for finding in _nodes(tools, [node for node in nodes if node.mode != NodeMode.RETIRED]):
        yield finding


def of_node(tools: Tools, node: Node) -> AsyncIterator[Finding]:
    """One node alone."""
    return examining.node(tools, node)


async def _nodes(tools: Tools, nodes: Sequence[Node]) -> AsyncIterator[Finding]:
    slots = asyncio.Semaphore(AT_ONCE)

    async def look(node: Node) -> list[Finding]:
        async with slots:
            return [finding async for finding in examining.node(tools, node)]

    looks = [asyncio.create_task(look(node)) for node in nodes]
    try:
        for one in looks:
            for finding in await one:
                yield finding
    finally:
        for one in looks:
            one.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


async def _database(tools: Tools) -> Finding:
    async with tools.db.unit() as session:
        version = await session.scalar(text("SHOW server_version"))
    return Finding("database", True, f"PostgreSQL {version}")


async def _telegram(tools: Tools) -> Finding:
    if tools.settings.telegram_token is None or tools.sender is None:
        return Finding(
            "telegram", False, "no bot token is set", "Set FERRYMAN_TELEGRAM_TOKEN to the token from @BotFather."
        )
    try:
        name = await tools.sender.whoami()
    except AccessDenied as error:
        return Finding(
            "telegram", False, str(error), "Copy the token from @BotFather again into FERRYMAN_TELEGRAM_TOKEN."
        )
    except FerrymanError as error:
        return Finding(
            "telegram", False, str(error), f"Check that {tools.settings.telegram_api_base} can be reached from here."
        )
    return Finding("telegram", True, f"the bot is @{name}")


async def _alerts(tools: Tools) -> Finding:
    members = [member for member in await staff.everyone(tools) if member.alerts]
    listening = [member.name for member in members if member.started]
    if listening:
        return Finding("alerts", True, f"{', '.join(listening)} will hear of trouble")
    if members:
        names = ", ".join(member.name for member in members)
        return Finding("alerts", True, f"nobody hears of trouble yet, {names} neither", "Press Start in the bot.")
    return Finding("alerts", True, "nobody hears of trouble", "`ferryman staff add TELEGRAM_ID NAME`.")


async def _shop(tools: Tools) -> AsyncIterator[Finding]:
    """Whether there is something to sell, a way to pay, and a place to put keys."""
    how = "Put it into the shop file and run `ferryman apply`."
    async with tools.db.unit() as session:
        plans = await shelf.on_sale(session)
        ways = await methods.enabled(session)
        nodes = len(list(await session.scalars(select(Node.id).where(IN_USE))))
    yield Finding("plans", bool(plans), f"{len(plans)} on sale", "" if plans else f"Nothing is on sale. {how}")
    yield Finding("payments", bool(ways), f"{len(ways)} switched on", "" if ways else f"Nobody can pay. {how}")
    yield Finding("nodes", nodes > 0, f"{nodes} in use", "" if nodes else f"There is no node for keys. {how}")


def _places(nodes: Sequence[Node], plans: Sequence[Plan]) -> list[Finding]:
    """Locations where nobody is served, and plans that promise one. Without any node in use, that says it all."""
    serving = {node.location.code for node in nodes if node.in_use and node.quarantined_at is None}
    if not any(node.in_use for node in nodes):
        return []
    known = {node.location.code for node in nodes if node.mode != NodeMode.RETIRED}
    found = [
        Finding(f"location {code}", True, "no node serves there", "Bring one back: `ferryman node list` shows them.")
        for code in sorted(known - serving)
    ]
    for plan in plans:
        lost = [code for code in _codes(plan) if code not in serving]
        # A choice among several is still one when some of them are gone.
        if lost and (plan.places.get("rule") == "these" or len(lost) == len(_codes(plan))):
            fix = "Bring a node back there, or name other `places` in the shop file and run `ferryman apply`."
            found.append(Finding(f"plan {plan.code}", False, f"no node serves in {', '.join(lost)}", fix))
    return found


def _codes(plan: Plan) -> list[Any]:
    return list(plan.places.get("codes", ()))


async def _provider(tools: Tools, name: str) -> Finding:
    what = f"provider {name}"
    try:
        async with tools.db.unit() as session:
            provider = await methods.connect(session, name, tools.providers, tools.vault, tools.provider_tools)
        return Finding(what, True, await provider.check())
    except FerrymanError as error:
        return Finding(what, False, _why(error), _fix(error, "its account's keys"))


def _why(error: FerrymanError) -> str:
    return error.why if isinstance(error, Misconfigured) else str(error)


def _fix(error: FerrymanError, what: str) -> str:
    if isinstance(error, Misconfigured):
        return error.fix
    if isinstance(error, Retry):
        return "Look whether it runs and can be reached from here, then ask again."
    return f"Correct {what} in the shop file and run `ferryman apply`."
