"""The webhook inbox: kept once, counted when repeated, found by our own ref before theirs."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy.exc import NoResultFound

from ferryman.billing import inbox
from ferryman.billing.order import WebhookEvent
from ferryman.billing.provider import Claim, RawWebhook
from tests.billing.books import NOW, Books

RAW = RawWebhook(b'{"event": "payment.succeeded"}', {}, "127.0.0.1")
CLAIM = Claim("payment.succeeded", "payment.succeeded:ext-1", external_id="ext-1", ref="our-ref")


async def keep(books: Books, claim: Claim = CLAIM, provider: str = "bank") -> int:
    async with books.database.unit() as session:
        return await inbox.keep(session, provider, claim, RAW, NOW)


async def test_an_event_is_kept_as_it_came(books: Books) -> None:
    event_id = await keep(books)
    async with books.database.unit() as session:
        event = await session.get_one(WebhookEvent, event_id)
    assert (event.body, event.remote_ip, event.event, event.external_id, event.payment_ref) == (
        RAW.body,
        "127.0.0.1",
        "payment.succeeded",
        "ext-1",
        "our-ref",
    )
    assert (event.repeats, event.verdict, event.received_at) == (0, None, NOW)


async def test_repeats_at_the_same_moment_are_one_event(books: Books) -> None:
    ids = await asyncio.gather(*(keep(books) for _ in range(10)))
    assert len(set(ids)) == 1
    assert await books.rows("SELECT repeats FROM webhook_events") == [(9,)]


async def test_the_same_words_of_two_providers_are_two_events(books: Books) -> None:
    assert await keep(books) != await keep(books, provider="other")


async def test_our_ref_is_believed_before_their_id_and_only_from_the_same_provider(books: Books) -> None:
    order = await books.order()
    mine, theirs = await books.payment(order, "ext-1"), await books.payment(order, "ext-2")
    async with books.database.unit() as session:
        assert await inbox.payment_meant(session, "bank", mine.ref, "ext-2") == mine.id
        assert await inbox.payment_meant(session, "bank", None, "ext-2") == theirs.id
        assert await inbox.payment_meant(session, "bank", "unheard-of", "ext-2") == theirs.id
        assert await inbox.payment_meant(session, "bank", "unheard-of", "unheard-of") is None
        assert await inbox.payment_meant(session, "bank", None, None) is None
        assert await inbox.payment_meant(session, "other", mine.ref, "ext-1") is None


async def test_an_attempt_without_an_id_is_not_found_by_one_that_is_missing(books: Books) -> None:
    await books.payment(await books.order())
    async with books.database.unit() as session:
        assert await inbox.payment_meant(session, "bank", None, None) is None
        assert await inbox.payment_meant(session, "bank", "", "") is None


async def waiting(books: Books, seconds: float, limit: int = 500) -> list[int]:
    """What the sweep finds that many seconds after the events came in."""
    async with books.database.unit() as session:
        return await inbox.waiting(session, NOW + timedelta(seconds=seconds), limit)


async def test_what_nobody_has_judged_is_found_after_a_while_and_not_again_afterwards(books: Books) -> None:
    first, second = await keep(books), await keep(books, Claim("x", "x", "ext-9"))
    assert await waiting(books, 29) == []
    assert sorted(await waiting(books, 30)) == [first, second]
    assert len(await waiting(books, 30, limit=1)) == 1
    async with books.database.unit() as session:
        await inbox.judged(session, first, "paid", NOW)
    assert await waiting(books, 30) == [second]


async def test_what_is_said_again_is_looked_into_again(books: Books) -> None:
    event_id = await keep(books)
    async with books.database.unit() as session:
        await inbox.judged(session, event_id, "still_pending", NOW)
    assert await waiting(books, 3600) == []
    await keep(books)
    assert await waiting(books, 3600) == [event_id]


async def test_an_event_is_tried_less_and_less_often(books: Books) -> None:
    event_id = await keep(books)
    for number, pause in enumerate([30, 60, 120, 240, 300, 300], start=1):
        async with books.database.unit() as session:
            assert (await inbox.tried(session, event_id, NOW)).attempts == number
        assert await waiting(books, pause - 1) == []
        assert await waiting(books, pause) == [event_id]


async def test_a_pause_that_the_provider_asked_for_is_kept(books: Books) -> None:
    event_id = await keep(books)
    async with books.database.unit() as session:
        await inbox.put_off(session, event_id, NOW + timedelta(minutes=10))
    assert await waiting(books, 600) == []
    assert await waiting(books, 630) == [event_id]


async def test_an_event_that_is_gone_cannot_be_tried(books: Books) -> None:
    async with books.database.unit() as session:
        with pytest.raises(NoResultFound):
            await inbox.tried(session, 999, NOW)
