"""`ferryman doctor`: look at everything the shop stands on, and name the fix for what is wrong."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import select, text

from ferryman.billing import methods
from ferryman.billing.methods import Method
from ferryman.catalog import shelf
from ferryman.fleet.node import IN_USE, Node
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, FerrymanError, Misconfigured, Retry

# Expiry is decided by the panel's clock; a minute off is a minute of paid time.
LARGEST_SKEW_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `fix` is empty when it is well."""

    what: str
    well: bool
    found: str
    fix: str = ""


async def examine(tools: Tools) -> AsyncIterator[Finding]:
    """Look at one thing after the other; a bad one does not stop the rest."""
    yield await _database(tools)
    yield await _telegram(tools)
    async for finding in _shop(tools):
        yield finding
    async with tools.db.unit() as session:
        names = list(await session.scalars(select(Method.name).order_by(Method.position)))
        nodes = list(await session.scalars(select(Node).order_by(Node.position, Node.id)))
    for name in names:
        yield await _provider(tools, name)
    for node in nodes:
        yield await _node(tools, node)


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


async def _provider(tools: Tools, name: str) -> Finding:
    what = f"provider {name}"
    try:
        async with tools.db.unit() as session:
            provider = await methods.connect(session, name, tools.providers, tools.vault, tools.provider_tools)
        return Finding(what, True, await provider.check())
    except FerrymanError as error:
        return Finding(what, False, _why(error), _fix(error, "its account's keys"))


async def _node(tools: Tools, node: Node) -> Finding:
    what = f"node {node.name}"
    if not node.in_use:
        return Finding(what, True, "switched off")
    try:
        panel = tools.connections.to(node)
        report = await panel.probe()
        there = {inbound.panel_id for inbound in await panel.inbounds() if inbound.enabled}
    except FerrymanError as error:
        return Finding(what, False, _why(error), _fix(error, "its address and credentials"))
    gone = sorted(inbound.panel_id for inbound in node.inbounds if inbound.enabled and inbound.panel_id not in there)
    if gone:
        numbers = ", ".join(map(str, gone))
        return Finding(
            what,
            False,
            f"inbound {numbers} is gone or disabled",
            "Enable it in the panel, or apply the shop file again.",
        )
    if not report.core_running:
        return Finding(
            what, False, "the panel answers, its core does not run", "Start Xray in the panel; see its log there."
        )
    if report.clock_skew is not None and abs(report.clock_skew) > LARGEST_SKEW_SECONDS:
        return Finding(
            what,
            False,
            f"its clock is off by {report.clock_skew:+.0f} s",
            "Switch on time synchronisation (NTP) there.",
        )
    return Finding(what, True, f"panel {report.version}, {len(there)} inbounds")


def _why(error: FerrymanError) -> str:
    return error.why if isinstance(error, Misconfigured) else str(error)


def _fix(error: FerrymanError, what: str) -> str:
    if isinstance(error, Misconfigured):
        return error.fix
    if isinstance(error, Retry):
        return "Look whether it runs and can be reached from here, then ask again."
    return f"Correct {what} in the shop file and run `ferryman apply`."
