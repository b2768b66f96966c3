"""Meeting a customer: who they are on Telegram, which language they speak, and whether they can be written to."""

import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from ferryman.flows.tools import Tools
from ferryman.kit import log
from ferryman.kit.errors import Refused
from ferryman.messaging.notice import QueuedNotice
from ferryman.people.customer import LANGUAGES, Customer, language_of

_log = log.get("meeting")

# What was held back while a person had the bot blocked is said when they return, unless it is older than this.
STILL_NEWS = timedelta(days=7)
# Loose on purpose: only what certainly cannot be reached is refused. E.164 has 15 digits at most.
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_PHONE = re.compile(r"\+?[1-9][0-9]{9,14}")


@dataclass(frozen=True)
class TelegramPerson:
    """A person as an update shows them. `language_code` is that of their client."""

    id: int
    first_name: str
    username: str | None = None
    language_code: str | None = None


async def meet(tools: Tools, person: TelegramPerson) -> Customer:
    """The customer of this person, new or known; whoever writes to us can be written to.

    The language is taken from their client once, and theirs to choose after that.
    """
    seen = {"first_name": person.first_name, "username": person.username, "reachable": True}
    greeting = (
        insert(Customer)
        .values(telegram_id=person.id, language=language_of(person.language_code), **seen)
        .on_conflict_do_update(index_elements=["telegram_id"], set_=seen)
        .returning(Customer)
    )
    async with tools.db.unit() as session:
        return (await session.scalars(greeting, execution_options={"populate_existing": True})).one()


async def choose_language(tools: Tools, customer_id: int, language: str) -> None:
    """Raises ValueError for a language that we do not speak."""
    if language not in LANGUAGES:
        raise ValueError(f"no such language: {language[:10]!r}")
    async with tools.db.unit() as session:
        await session.execute(update(Customer).where(Customer.id == customer_id).values(language=language))


async def reachable_at(tools: Tools, customer_id: int, contact: str) -> None:
    """Remember where the customer's receipts go: an e-mail address, or a phone number with its country's code.

    Raises Refused for what is neither.
    """
    given = contact.strip()
    phone = re.sub(r"[\s()-]", "", given)
    if _PHONE.fullmatch(phone):
        given = "+" + phone.lstrip("+")
    elif not _EMAIL.fullmatch(given):
        raise Refused("That is neither an e-mail address nor a phone number.")
    async with tools.db.unit() as session:
        await session.execute(update(Customer).where(Customer.id == customer_id).values(contact=given))


async def went_away(tools: Tools, telegram_id: int) -> None:
    """They blocked the bot or deleted their account: nothing is sent any more, their access goes on."""
    await _set_reachable(tools, telegram_id, reachable=False)


async def came_back(tools: Tools, telegram_id: int) -> None:
    """The person can be written to again; what could not be said lately waits for the sweep once more."""
    await _set_reachable(tools, telegram_id, reachable=True)
    now = tools.clock.now()
    async with tools.db.unit() as session:
        mine = select(Customer.id).where(Customer.telegram_id == telegram_id).scalar_subquery()
        await session.execute(
            update(QueuedNotice)
            .where(
                QueuedNotice.customer_id == mine,
                QueuedNotice.state == "blocked",
                QueuedNotice.created_at > now - STILL_NEWS,
            )
            .values(state="queued", due_at=now, unsure=0)
        )


async def _set_reachable(tools: Tools, telegram_id: int, *, reachable: bool) -> None:
    changed = (
        update(Customer)
        .where(Customer.telegram_id == telegram_id, Customer.reachable.is_not(reachable))
        .values(reachable=reachable)
        .returning(Customer.id)
    )
    async with tools.db.unit() as session:
        customer_id = await session.scalar(changed)
    if customer_id is not None:
        _log.info("customer_reachable" if reachable else "customer_unreachable", customer=customer_id)
