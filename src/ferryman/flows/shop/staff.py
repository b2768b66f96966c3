"""Who runs the shop: taking people on, letting them go, and who of them can be written to."""

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Misconfigured, NotFound
from ferryman.people.customer import Customer
from ferryman.people.staff import ROLES, Staff

_log = log.get("staff")
# As many signs as a Telegram name has at most.
LONGEST_NAME = 64


@dataclass(frozen=True)
class Member:
    """One of the staff. `started`: has pressed Start in the bot and not blocked it since, so that alerts arrive."""

    telegram_id: int
    name: str
    role: str
    alerts: bool
    started: bool


async def add(tools: Tools, telegram_id: int, name: str, role: str = "operator", *, alerts: bool = True) -> Member:
    """Take somebody on, or change what is known of them. Raises Misconfigured for what cannot be a person or a role."""
    if telegram_id <= 0:
        raise Misconfigured(
            f"{telegram_id} is not a person's Telegram id.", "It is a positive number, which @userinfobot tells."
        )
    if role not in ROLES:
        raise Misconfigured(f"There is no role {role!r}.", f"Choose one of: {', '.join(ROLES)}.")
    called = name.strip()[:LONGEST_NAME]
    if not called:
        raise Misconfigured("A member of the staff needs a name.", "Give the one that colleagues use.")
    known = {"name": called, "role": role, "alerts": alerts}
    row = insert(Staff).values(telegram_id=telegram_id, **known)
    async with tools.db.unit() as session:
        await session.execute(row.on_conflict_do_update(index_elements=["telegram_id"], set_=known))
    _log.info("staff_added", person=telegram_id, role=role, alerts=alerts)
    return next(member for member in await everyone(tools) if member.telegram_id == telegram_id)


async def remove(tools: Tools, telegram_id: int) -> None:
    """Let somebody go. Raises NotFound when they are not of the staff."""
    async with tools.db.unit() as session:
        gone = await session.scalar(delete(Staff).where(Staff.telegram_id == telegram_id).returning(Staff.telegram_id))
    if gone is None:
        raise NotFound(f"Nobody of the staff has the Telegram id {telegram_id}.")
    _log.info("staff_removed", person=telegram_id)


async def everyone(tools: Tools) -> list[Member]:
    """All of the staff, owners first, then by name."""
    started = select(Customer.id).where(Customer.telegram_id == Staff.telegram_id, Customer.reachable).exists()
    query = select(Staff, started).order_by(Staff.role.desc(), Staff.name, Staff.telegram_id)
    async with tools.db.unit() as session:
        return [
            Member(member.telegram_id, member.name, member.role, member.alerts, is_started)
            for member, is_started in await session.execute(query)
        ]
