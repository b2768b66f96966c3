"""Notices reach their customer once, in order, through every kind of trouble."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ferryman.flows.announcing import announce
from ferryman.flows.shop import overview, staff, telling
from ferryman.flows.tools import Tools
from ferryman.kit.errors import AccessDenied, Busy, Refused, Unreachable
from ferryman.messaging import notice
from ferryman.messaging.keys import qr_png
from ferryman.messaging.notice import KeyReady, Notice, PaymentInReview, PaymentLink, TrafficUsedUp
from ferryman.messaging.sender import Blocked
from ferryman.messaging.telegram import connected
from ferryman.people.customer import Customer
from tests.conftest import MovableClock
from tests.support.chat import TOKEN, Messenger, messenger
from tests.support.messages import Outbox
from tests.support.shop import Town

# One that is about neither money nor a key.
LIGHT = TrafficUsedUp("abcdefghjk", "⛵", {"ru": "Стандарт", "en": "Standard"})


async def person(tools: Tools, telegram_id: int = 7, language: str = "ru") -> int:
    async with tools.db.unit() as session:
        customer = Customer(telegram_id=telegram_id, first_name="Anna", language=language)
        session.add(customer)
    return customer.id


async def say(tools: Tools, customer_id: int, *names: str, what: Notice | None = None) -> None:
    """One notice for each name, which shows up in its text."""
    async with tools.db.unit() as session:
        for name in names:
            await announce(tools, session, customer_id, what or PaymentInReview(name), name)


async def notices(tools: Tools, columns: str = "state") -> list[Any]:
    async with tools.db.unit() as session:
        rows = await session.execute(text(f"SELECT {columns} FROM notices ORDER BY id"))
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]


async def later(tools: Tools, clock: MovableClock, seconds: float) -> None:
    clock.advance(seconds=seconds)
    await telling.sweep(tools)
    await tools.jobs.drain()


async def test_a_notice_is_said_in_the_customers_language_and_kept(tools: Tools, outbox: Outbox) -> None:
    for telegram_id, language in ((7, "ru"), (8, "en")):
        await say(tools, await person(tools, telegram_id, language), f"FM-{language}")
    await tools.jobs.drain()
    said = {sent.chat_id: sent.text for sent in outbox.sent}
    assert "Проверяем вашу оплату" in said[7]
    assert "We are checking your payment" in said[8]
    assert await notices(tools, "state, message_id IS NOT NULL, sent_at IS NOT NULL, error") == [
        ("sent", True, True, None),
        ("sent", True, True, None),
    ]


async def test_said_once_however_often_it_is_asked_for(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    anna = await person(tools)
    await say(tools, anna, "one", "one")
    await say(tools, anna, "one")
    await tools.jobs.drain()
    await telling.deliver(tools, 1)
    await later(tools, clock, 3600)
    assert len(outbox.sent) == 1


async def test_many_workers_at_once_say_it_once(tools: Tools, outbox: Outbox) -> None:
    await say(tools, await person(tools), "one")
    await asyncio.gather(*(telling.deliver(tools, 1) for _ in range(8)))
    assert len(outbox.sent) == 1


async def test_a_notice_that_is_not_there_is_no_error(tools: Tools, outbox: Outbox) -> None:
    await telling.deliver(tools, 4711)
    assert outbox.sent == []


async def test_without_a_bot_everything_waits(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    tools.sender = None
    await say(tools, await person(tools), "one")
    await later(tools, clock, 60)
    assert await notices(tools) == ["queued"]
    tools.sender = outbox
    await later(tools, clock, 60)
    assert await notices(tools) == ["sent"]


async def test_a_key_comes_as_a_picture_with_its_link(shop: Town, tools: Tools, outbox: Outbox) -> None:
    anna = await shop.customer()
    await shop.webhook(shop.pay(await shop.order(anna)))
    await shop.work()
    token = await shop.value("SELECT token FROM subscriptions")
    link = f"http://127.0.0.1:8080/s/{token}"
    key = outbox.sent[-1]
    assert key.png == qr_png(link)
    assert f"<code>{link}</code>" in key.text
    assert key.keyboard is not None
    actions = [(button.copy, button.data) for row in key.keyboard.rows for button in row]
    assert actions == [(link, None), (None, "v1:help"), (None, "v1:subs")]


async def test_busy_is_certainly_not_sent_and_is_tried_until_it_is(
    tools: Tools, outbox: Outbox, clock: MovableClock
) -> None:
    outbox.trouble = [Busy("wait", 4.0) for _ in range(5)]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    assert await notices(tools, "state, unsure, error") == [("queued", 0, "wait")]
    await later(tools, clock, 3)
    assert len(outbox.trouble) == 4, "not before the time that Telegram named"
    for _ in range(5):
        await later(tools, clock, 5)
    assert await notices(tools, "state, attempts, unsure") == [("sent", 6, 1)]
    assert len(outbox.sent) == 1


async def test_a_successor_waits_for_its_time_in_the_queue(tools: Tools, outbox: Outbox) -> None:
    outbox.trouble = [Busy("wait", 40.0)]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    async with tools.db.unit() as session:
        query = "SELECT scheduled_at - now() FROM procrastinate_jobs WHERE task_name = :task AND status = 'todo'"
        wait = await session.scalar(text(query), {"task": "deliver_notice"})
    assert 30 < wait.total_seconds() <= 40


async def test_a_lost_answer_is_repeated_once_and_no_more(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    outbox.trouble = [Unreachable("no answer"), Unreachable("no answer")]
    await say(tools, await person(tools), "one", what=LIGHT)
    await tools.jobs.drain()
    for _ in range(4):
        await later(tools, clock, 600)
    assert await notices(tools, "state, attempts, error") == [("failed", 2, "perhaps sent 2 times, never confirmed")]
    assert outbox.sent == []


async def test_about_money_it_is_repeated_after_ever_longer_pauses_until_somebody_answers(
    tools: Tools, outbox: Outbox, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.trouble = [Unreachable("no answer") for _ in range(6)]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    with caplog.at_level(logging.WARNING):
        await later(tools, clock, 5)
        for made, pause in enumerate(telling.REPEATS[:5], 2):
            await later(tools, clock, pause.total_seconds() - 30)
            assert await notices(tools, "state, attempts, unsure") == [("queued", made, made)], "not before its time"
            await later(tools, clock, 31)
    assert await notices(tools, "state, attempts, unsure") == [("sent", 7, 7)]
    assert len(outbox.sent) == 1
    assert "notice_outcome_unknown" not in caplog.text
    repeated = [record for record in caplog.records if "'event': 'notice_repeated'" in record.getMessage()]
    assert len(repeated) == 5, "each duplicate that may have come about is counted"


async def test_after_a_day_without_an_answer_it_is_for_the_staff_to_tell(
    tools: Tools, outbox: Outbox, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    await staff.add(tools, 99, "Boss")
    boss = await person(tools, 99, "en")
    anna = await person(tools)
    outbox.trouble = [Unreachable("no answer") for _ in range(8)]
    await say(tools, anna, "one")
    await tools.jobs.drain()
    with caplog.at_level(logging.ERROR):
        for _ in range(32):
            assert await notices(tools, "state, customer_id") == [("queued", anna)]
            await later(tools, clock, 3600)
            if await notices(tools, "state") != ["queued"]:
                break
    assert await notices(tools, "state, customer_id, kind") == [
        ("failed", anna, "payment_in_review"),
        ("sent", boss, "customer_untold"),
    ]
    assert timedelta(hours=24) <= telling.ATTEMPT_DEAD_AFTER + sum(telling.REPEATS, timedelta()) < timedelta(hours=30)
    assert caplog.text.count("notice_outcome_unknown") == 1
    assert "perhaps never told" in outbox.sent[-1].text


async def test_what_waits_behind_one_that_has_perhaps_arrived_does_not_wait_with_it(
    tools: Tools, outbox: Outbox, clock: MovableClock
) -> None:
    outbox.trouble = [Unreachable("no answer"), Unreachable("no answer")]
    await say(tools, await person(tools), "one", "two")
    await tools.jobs.drain()
    await later(tools, clock, 60)
    await later(tools, clock, 1)
    assert await notices(tools) == ["queued", "sent"]
    assert (await overview.look(tools))["numbers"]["notices_in_doubt"] == 1
    await later(tools, clock, 600)
    assert await notices(tools) == ["sent", "sent"]
    assert (await overview.look(tools))["numbers"]["notices_in_doubt"] == 0
    assert "two" in outbox.sent[0].text
    assert "one" in outbox.sent[1].text


def test_what_is_about_money_or_a_key_is_weighty_and_what_only_staff_hear_is_not() -> None:
    weighty = set(notice.weighty())
    assert {"payment_succeeded", "key_ready", "money_back", "charged_back", "part_credited", "renewed"} <= weighty
    assert not weighty & {"node_down", "money_alarm", "traffic_low", "customer_untold", "payment_link"}


async def test_a_repeat_that_is_answered_is_sent(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    outbox.trouble = [Unreachable("no answer")]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    await later(tools, clock, 600)
    assert await notices(tools) == ["sent"]
    assert len(outbox.sent) == 1


@pytest.mark.parametrize("kills", [1, 2])
@pytest.mark.parametrize("what", [LIGHT, None])
async def test_a_kill_while_sending_counts_as_perhaps_sent(
    tools: Tools, outbox: Outbox, clock: MovableClock, kills: int, what: Notice | None
) -> None:
    """The process dies between the claim and the answer; the next one repeats once, and once more only what matters."""

    class Dying(Outbox):
        async def send_text(self, *_: Any, **__: Any) -> int:
            started.set()
            await asyncio.Event().wait()
            return 0

    await say(tools, await person(tools), "one", what=what)
    for _ in range(kills):
        started = asyncio.Event()
        tools.sender = Dying()
        dying = asyncio.create_task(telling.deliver(tools, 1))
        await asyncio.wait_for(started.wait(), 10)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
        tools.sender = outbox
        await telling.deliver(tools, 1)
        assert outbox.sent == [], "the dead attempt is still believed to run"
        clock.advance(seconds=telling.ATTEMPT_DEAD_AFTER.total_seconds() + 1)
    await telling.sweep(tools)
    await tools.jobs.drain()
    await telling.deliver(tools, 1)
    given_up = what is LIGHT and kills > 1
    if what is None and kills > 1:
        assert await notices(tools) == ["queued"], "about money it is repeated, a little later"
        await later(tools, clock, 300)
    assert len(outbox.sent) == (0 if given_up else 1)
    assert await notices(tools) == ["failed" if given_up else "sent"]


async def test_who_blocked_the_bot_is_left_in_peace(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    outbox.trouble = [Blocked("bot was blocked by the user")]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    await later(tools, clock, 3600)
    assert await notices(tools, "state, attempts") == [("blocked", 1)]
    async with tools.db.unit() as session:
        assert await session.scalar(text("SELECT reachable FROM customers")) is False


async def test_a_message_that_telegram_refuses_is_given_up_with_its_reason(tools: Tools, outbox: Outbox) -> None:
    outbox.trouble = [Refused("BUTTON_URL_INVALID")]
    await say(tools, await person(tools), "one", "two")
    await tools.jobs.drain()
    assert await notices(tools, "state, error") == [("failed", "BUTTON_URL_INVALID"), ("sent", None)]


async def test_a_refused_token_loses_nothing(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    outbox.trouble = [AccessDenied("Unauthorized") for _ in range(4)]
    await say(tools, await person(tools), "one")
    await tools.jobs.drain()
    for _ in range(5):
        await later(tools, clock, telling.TOKEN_REFUSED_PAUSE + 1)
    assert await notices(tools, "state, attempts") == [("sent", 5)]


async def test_notices_keep_their_order_for_each_customer(tools: Tools, outbox: Outbox, clock: MovableClock) -> None:
    anna, boris = await person(tools, 7), await person(tools, 8)
    outbox.trouble = [Busy("wait", 10.0)]
    await say(tools, anna, "A-1")
    await tools.jobs.drain(concurrency=1)
    await say(tools, anna, "A-2", "A-3")
    await say(tools, boris, "B-1")
    await tools.jobs.drain()
    assert ["B-1" in sent.text for sent in outbox.sent] == [True], "others do not wait"
    await later(tools, clock, 11)
    order = [sent.text.rpartition("<code>")[2][:3] for sent in outbox.sent]
    assert order == ["B-1", "A-1", "A-2", "A-3"]


async def test_one_who_is_given_up_calls_up_the_next(tools: Tools, outbox: Outbox) -> None:
    outbox.trouble = [Refused("odd")]
    await say(tools, await person(tools), "one", "two", "three")
    await tools.jobs.drain()
    assert await notices(tools) == ["failed", "sent", "sent"]


async def test_what_another_version_queued_fails_by_name(tools: Tools, outbox: Outbox) -> None:
    await say(tools, await person(tools), "one", "two", "three")
    async with tools.db.unit() as session:
        await session.execute(text("UPDATE notices SET kind = 'from_the_future' WHERE id = 1"))
        await session.execute(text("UPDATE notices SET payload = '{}' WHERE id = 2"))
    await tools.jobs.drain()
    assert await notices(tools) == ["failed", "failed", "sent"]
    assert "from_the_future" in (await notices(tools, "error"))[0]


async def test_a_key_of_a_subscription_that_is_not_there_fails(tools: Tools, outbox: Outbox) -> None:
    await say(tools, await person(tools), "one", what=KeyReady(4711, []))
    await tools.jobs.drain()
    assert await notices(tools, "state, error") == [("failed", "there is no subscription 4711")]


async def test_the_sweep_finds_what_lost_its_job(tools: Tools, outbox: Outbox) -> None:
    await say(tools, await person(tools), "one", "two")
    async with tools.db.unit() as session:
        await session.execute(text("DELETE FROM procrastinate_jobs"))
    await tools.jobs.drain()
    assert outbox.sent == []
    await telling.sweep(tools)
    await tools.jobs.drain()
    assert await notices(tools) == ["sent", "sent"]


@pytest.fixture
async def world() -> AsyncIterator[Messenger]:
    made = await messenger()
    yield made
    await made.server.stop()


async def test_through_the_real_sender_a_storm_duplicates_nothing(
    tools: Tools, world: Messenger, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTML pages, 429, dropped connections before the effect; and the messenger away for a while."""
    anna = world.person()
    anna.start()
    customer_id = await person(tools, anna.id)
    too_many = {"ok": False, "error_code": 429, "description": "x", "parameters": {"retry_after": 1}}
    async with connected(TOKEN, world.url) as telegram:
        monkeypatch.setattr(telegram._pace, "pause", lambda seconds: seconds)
        tools.sender = telegram
        world.fault(mode="status", status=429, body=too_many, route="sendMessage")
        world.fault(mode="html", route="sendMessage")
        world.fault(mode="drop_before", route="getMe", times=2)
        await say(tools, customer_id, "one", "two", what=PaymentLink("FM-1", "https://pay.example/1"))
        await tools.jobs.drain()
        for _ in range(6):
            await later(tools, clock, 120)
    assert await notices(tools) == ["sent", "sent"]
    assert len(anna.shown()) == 2


async def test_a_lost_answer_shows_twice_at_most(tools: Tools, world: Messenger, clock: MovableClock) -> None:
    anna = world.person()
    anna.start()
    async with connected(TOKEN, world.url) as telegram:
        tools.sender = telegram
        world.fault(mode="drop_after", route="sendMessage", times=-1)
        await say(tools, await person(tools, anna.id), "one", what=LIGHT)
        await tools.jobs.drain()
        for _ in range(5):
            await later(tools, clock, 600)
    assert await notices(tools) == ["failed"]
    assert len(anna.shown()) == 2


async def test_a_block_learnt_while_telling_reaches_the_customers_row(tools: Tools, world: Messenger) -> None:
    anna = world.person()
    anna.start()
    anna.block()
    async with connected(TOKEN, world.url) as telegram:
        tools.sender = telegram
        await say(tools, await person(tools, anna.id), "one")
        await tools.jobs.drain()
    assert await notices(tools) == ["blocked"]
