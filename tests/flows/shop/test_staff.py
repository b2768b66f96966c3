"""Who runs the shop: taken on, changed, let go; and who of them hears of trouble."""

import pytest

from ferryman.flows.shop import meeting, staff
from ferryman.flows.shop.meeting import TelegramPerson
from ferryman.flows.shop.staff import Member
from ferryman.flows.tools import Tools
from ferryman.kit.errors import Misconfigured, NotFound
from ferryman.people.staff import listening


async def test_somebody_taken_on_is_listed_and_told_to_press_start(tools: Tools) -> None:
    added = await staff.add(tools, 900, "  Olga  ", "owner")
    assert added == Member(900, "Olga", "owner", alerts=True, started=False)
    assert await staff.everyone(tools) == [added]
    await meeting.meet(tools, TelegramPerson(900, "Olga"))
    assert [one.started for one in await staff.everyone(tools)] == [True]


async def test_adding_again_changes_what_is_known(tools: Tools) -> None:
    await staff.add(tools, 900, "Olga")
    changed = await staff.add(tools, 900, "Olga P.", "owner", alerts=False)
    assert await staff.everyone(tools) == [changed]
    assert (changed.name, changed.role, changed.alerts) == ("Olga P.", "owner", False)


async def test_owners_come_first_then_names(tools: Tools) -> None:
    for number, (name, role) in enumerate([("Yuri", "operator"), ("Anna", "operator"), ("Zoe", "owner")], start=1):
        await staff.add(tools, number, name, role)
    assert [one.name for one in await staff.everyone(tools)] == ["Zoe", "Anna", "Yuri"]


async def test_somebody_let_go_is_gone_and_twice_is_an_error(tools: Tools) -> None:
    await staff.add(tools, 900, "Olga")
    await staff.remove(tools, 900)
    assert await staff.everyone(tools) == []
    with pytest.raises(NotFound, match="900"):
        await staff.remove(tools, 900)


@pytest.mark.parametrize(
    ("telegram_id", "name", "role", "words"),
    [
        (-100123, "Group", "operator", "positive number"),
        (0, "Nobody", "operator", "positive number"),
        (900, "Olga", "admin", "owner, operator"),
        (900, "   ", "operator", "needs a name"),
    ],
)
async def test_what_cannot_be_a_member_is_refused_with_the_fix(
    tools: Tools, telegram_id: int, name: str, role: str, words: str
) -> None:
    with pytest.raises(Misconfigured, match=words):
        await staff.add(tools, telegram_id, name, role)
    assert await staff.everyone(tools) == []


async def test_who_blocked_the_bot_or_wants_no_alerts_is_not_written_to(tools: Tools) -> None:
    for number, alerts in ((1, True), (2, True), (3, False), (4, True)):
        await staff.add(tools, number, f"Nr. {number}", alerts=alerts)
    people = [await meeting.meet(tools, TelegramPerson(number, "x")) for number in (1, 2, 3)]
    await meeting.went_away(tools, 2)
    async with tools.db.unit() as session:
        assert await listening(session) == [people[0].id]
