"""Who a customer is: met once, renamed as they rename themselves, reachable or not, in the language they chose."""

import asyncio

import pytest
from sqlalchemy import text

from ferryman.flows.shop import meeting
from ferryman.flows.shop.meeting import TelegramPerson, meet
from ferryman.flows.tools import Tools
from ferryman.people.customer import Customer


async def row(tools: Tools) -> Customer:
    async with tools.db.unit() as session:
        return await session.get_one(Customer, 1)


async def test_a_stranger_becomes_a_customer(tools: Tools) -> None:
    anna = await meet(tools, TelegramPerson(2**52 - 1, "Anna", "anna", "ru-RU"))
    assert (anna.telegram_id, anna.first_name, anna.username) == (2**52 - 1, "Anna", "anna")
    assert (anna.language, anna.reachable, anna.banned) == ("ru", True, False)


async def test_a_customer_is_known_again_under_a_new_name(tools: Tools) -> None:
    first = await meet(tools, TelegramPerson(7, "Anna", "anna", "ru"))
    again = await meet(tools, TelegramPerson(7, '<b>&"🙂', None, "en"))
    assert again.id == first.id
    assert (again.first_name, again.username) == ('<b>&"🙂', None)
    assert again.language == "ru", "their choice, not their phone's"


async def test_meeting_somebody_many_times_at_once_makes_one_customer(tools: Tools) -> None:
    met = await asyncio.gather(*(meet(tools, TelegramPerson(7, f"Anna {number}")) for number in range(8)))
    assert len({customer.id for customer in met}) == 1


@pytest.mark.parametrize(
    ("code", "language"), [("ru", "ru"), ("uk", "ru"), ("be-BY", "ru"), ("en-GB", "en"), ("de", "en"), (None, "en")]
)
async def test_the_first_language_is_the_phones(tools: Tools, code: str | None, language: str) -> None:
    assert (await meet(tools, TelegramPerson(7, "Anna", None, code))).language == language


async def test_a_language_is_chosen_for_good(tools: Tools) -> None:
    anna = await meet(tools, TelegramPerson(7, "Anna", None, "ru"))
    await meeting.choose_language(tools, anna.id, "en")
    assert (await meet(tools, TelegramPerson(7, "Anna", None, "ru"))).language == "en"
    with pytest.raises(ValueError, match="xx"):
        await meeting.choose_language(tools, anna.id, "xx")


async def test_who_went_away_is_not_reachable_until_they_come_back(tools: Tools) -> None:
    await meet(tools, TelegramPerson(7, "Anna"))
    await meeting.went_away(tools, 7)
    await meeting.went_away(tools, 7)
    assert not (await row(tools)).reachable
    await meeting.came_back(tools, 7)
    assert (await row(tools)).reachable
    await meeting.went_away(tools, 7)
    assert (await meet(tools, TelegramPerson(7, "Anna"))).reachable, "whoever writes can be written to"


async def test_a_stranger_who_goes_away_leaves_no_trace(tools: Tools) -> None:
    await meeting.went_away(tools, 4711)
    async with tools.db.unit() as session:
        assert await session.scalar(text("SELECT count(*) FROM customers")) == 0


async def test_a_ban_outlives_a_meeting(tools: Tools) -> None:
    await meet(tools, TelegramPerson(7, "Anna"))
    async with tools.db.unit() as session:
        await session.execute(text("UPDATE customers SET banned = true"))
    assert (await meet(tools, TelegramPerson(7, "Anna"))).banned
