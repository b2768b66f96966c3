"""Every notice, in every language: what it says, that it fits, and that it is queued once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from ferryman.faces.bot.press import parse
from ferryman.flows.tools import Tools
from ferryman.messaging import alerts, money_back, notice
from ferryman.messaging.alerts import (
    FleetAnswers,
    FleetInDoubt,
    NodeBack,
    NodeDegraded,
    NodeDown,
    NodeFlapping,
    NodeQuarantined,
)
from ferryman.messaging.notice import (
    KeyReady,
    KeyReplaced,
    LocationSwitched,
    Notice,
    PaymentCancelled,
    PaymentInReview,
    PaymentLink,
    PaymentSucceeded,
    SecondPaymentCredited,
    read,
)
from ferryman.messaging.prices import CodeSpentCredited
from ferryman.messaging.texts import LANGUAGE_NAMES, voice
from ferryman.people.customer import Customer
from ferryman_sandbox.telegram.entities import formatted
from ferryman_sandbox.yookassa.payment import PAYER_REASONS
from tests.messaging.renewal_notices import renewal_notices

ODD = '<b>&"🙂'
LINK = "https://shop.example/s/abcdefghijklmnopqrstuvwx"
PLACES: list[dict[str, Any]] = [{"flag": "🇳🇱", "title": {"ru": "Нидерланды", "en": "Netherlands"}}]

ACCESS = ("same", "shorter", "less", "ended")
AGAIN = ("same", "longer", "more")
UNTIL = "2026-12-22T10:00:00+00:00"

EVERY = [
    PaymentLink("FM-1", "https://pay.example/1"),
    PaymentSucceeded("FM-1", 19900, "RUB", "⛵", {"ru": ODD, "en": ODD}, 30),
    PaymentCancelled("FM-1", "insufficient_funds"),
    PaymentCancelled("FM-1", "card_expired"),
    PaymentCancelled("FM-1", "expired_on_confirmation"),
    PaymentCancelled("FM-1", "3d_secure_failed"),
    PaymentCancelled("FM-1", ODD),
    PaymentCancelled("FM-1", ""),
    PaymentInReview(ODD),
    SecondPaymentCredited("FM-1", 19950, "RUB"),
    notice.CancelledOrderCredited("FM-1", 19950, "RUB"),
    KeyReady(1, PLACES),
    KeyReady(1, [{"flag": "🇳🇱", "title": {"en": ODD * 20}}] * 60),
    KeyReady(1, [{"flag": "", "title": {}}]),
    notice.TrafficLow("abcdefghjk", "⛵", {"ru": ODD, "en": ODD}, 80, 20 * 1024**3),
    notice.TrafficLow("abcdefghjk", "", {}, 95, 0),
    notice.TrafficUsedUp("abcdefghjk", "⛵", {"ru": ODD, "en": ODD}),
    KeyReplaced(1, PLACES),
    KeyReplaced(1, [{"flag": "🇳🇱", "title": {"en": ODD * 20}}] * 60),
    LocationSwitched("abcdefghjk", PLACES),
    LocationSwitched("abcdefghjk", []),
    NodeDown("de-1", "🇩🇪", "de-1: its panel gave no answer."),
    NodeDown(ODD, "", ODD * 30),
    *renewal_notices(),
    *(
        NodeDegraded("de-1", "🇩🇪", ailment, ODD)
        for ailment in ("core", "inbounds", "ports", "clock", "slow", "refused", "")
    ),
    NodeBack("de-1", "🇩🇪", 17, 0),
    NodeBack("de-1", "🇩🇪", 17, 2),
    NodeFlapping("de-1", "🇩🇪", 10),
    NodeQuarantined("de-1", "🇩🇪", 5, 2),
    FleetInDoubt(3),
    FleetAnswers(1, 3),
    *(
        money_back.MoneyBack("FM-1", 19900, "RUB", through, access, UNTIL)
        for through in ("provider", "balance", "hand")
        for access in ACCESS
    ),
    money_back.MoneyBack("FM-1", 5, "XTR", "provider", "same", ""),
    notice.PaymentOfBarredCredited("FM-1", 19900, "RUB"),
    notice.PartCredited("FM-1", 9950, "USD"),
    CodeSpentCredited("FM-1", 19900, "RUB"),
    *(alerts.BankDiffers("yookassa", count, ODD * 30) for count in (1, 3, 5)),
    *(
        alerts.MoneyAlarm(what, 2, 17, ODD * 30)
        for what in (
            "stuck",
            "unexplained",
            "unread",
            "review",
            "denied",
            "silent",
            "unknown",
            "unopened",
            "endless",
            "refunds",
            "uncompared",
            "",
        )
    ),
    *(money_back.ChargedBack("FM-1", 19900, "RUB", access, UNTIL) for access in ACCESS),
    money_back.GiftRedeemed("⛵", {"ru": ODD, "en": ODD}, 30),
    money_back.GiftCredited(50000, "RUB"),
    alerts.CustomerUntold(7, "key_ready", 8),
    money_back.BarredPaid("pay-1", 19900, "RUB", 7),
    money_back.RefundFailed("pay-1", 19900, "RUB", ODD * 30),
    *(money_back.RefundedElsewhere("pay-1", 19900, "RUB", 7, access) for access in ACCESS),
    *(money_back.ChargebackCame("pay-1", 19900, "RUB", 7, access) for access in ACCESS),
    *(money_back.PaymentStands("FM-1", 19900, "RUB", access, UNTIL) for access in AGAIN),
    money_back.PaymentStands("FM-1", 19900, "RUB", "same", ""),
    *(money_back.ChargebackWon("pay-1", 19900, "RUB", 7, access) for access in AGAIN),
    *(money_back.RefundReturned("FM-1", 19900, "RUB", access, UNTIL) for access in (*AGAIN, "same")),
    *(money_back.RefundBounced("pay-1", 19900, "RUB", 7, access) for access in (*AGAIN, "same")),
]
WITH_LINK = (KeyReady, KeyReplaced)


def said(what: Notice, language: str) -> str:
    more = {"link": LINK} if isinstance(what, WITH_LINK) else {}
    return formatted(what.text(voice(language), **more), "html").text


def test_no_notice_is_forgotten_here() -> None:
    assert {type(what) for what in EVERY} == set(Notice.kinds.values())


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
@pytest.mark.parametrize("what", EVERY, ids=lambda what: what.kind)
def test_every_notice_fits_and_parses(what: Notice, language: str) -> None:
    assert 1 <= len(said(what, language)) <= (1024 if isinstance(what, WITH_LINK) else 4096)
    keyboard = what.keyboard(voice(language))
    assert keyboard is not None
    for button in (button for row in keyboard.rows for button in row):
        assert button.data is None or parse(button.data)


def test_a_receipt_names_what_was_bought_and_for_how_much() -> None:
    russian = said(PaymentSucceeded("FM-1", 19900, "RUB", "⛵", {"ru": "Стандарт", "en": "Standard"}, 31), "ru")
    assert "⛵ Стандарт · 31 день" in russian
    assert "199\N{NO-BREAK SPACE}₽" in russian
    assert "FM-1" in russian


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("insufficient_funds", "There was not enough money on the card."),
        ("expired_on_confirmation", "The time to pay ran out."),
        ("3d_secure_failed", "3-D Secure"),
        ("brand_new_reason", "declined it"),
        ("", "declined it"),
    ],
)
def test_a_cancelled_payment_gives_its_reason_in_words(reason: str, words: str) -> None:
    text = said(PaymentCancelled("FM-1", reason), "en")
    assert words in text
    assert "You were not charged" in text


@pytest.mark.parametrize("language", LANGUAGE_NAMES)
def test_every_reason_that_a_bank_may_name_has_words_of_its_own(language: str) -> None:
    fallback = said(PaymentCancelled("FM-1", "brand_new_reason"), language)
    assert [why for why in PAYER_REASONS if said(PaymentCancelled("FM-1", why), language) == fallback] == []


def test_a_second_payment_is_said_to_be_on_the_balance() -> None:
    text = said(SecondPaymentCredited("FM-1", 19950, "RUB"), "ru")
    assert "199,50\N{NO-BREAK SPACE}₽ зачислены на ваш баланс" in text


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "одна локация"), (2, "2 локации"), (5, "5 локаций"), (21, "21 локация"), (22, "22 локации")],
)
def test_locations_are_counted_in_russian(count: int, words: str) -> None:
    text = said(KeyReady(1, PLACES * count), "ru")
    assert words in text
    assert text.count("🇳🇱") == min(count, notice.MOST_LOCATIONS)
    assert LINK in text


def test_a_pay_link_can_be_followed_and_checked() -> None:
    keyboard = PaymentLink("FM-1", "https://pay.example/1").keyboard(voice("en"))
    assert [(button.url, button.data) for row in keyboard.rows for button in row] == [
        ("https://pay.example/1", None),
        (None, "v1:check:FM-1"),
    ]


async def customer(tools: Tools) -> int:
    async with tools.db.unit() as session:
        person = Customer(telegram_id=7, first_name="Anna", language="ru")
        session.add(person)
    return person.id


async def test_what_was_queued_is_read_back_the_same(tools: Tools) -> None:
    who = await customer(tools)
    for number, what in enumerate(EVERY):
        async with tools.db.unit() as session:
            queued = await notice.queue(session, who, what, f"key-{number}")
        async with tools.db.unit() as session:
            row = await session.get_one(notice.QueuedNotice, queued)
        assert row.notice() == what
        assert (row.state, row.attempts, row.customer_id) == ("queued", 0, who)


async def test_one_key_is_one_notice(tools: Tools) -> None:
    who = await customer(tools)

    async def queue(key: str) -> int | None:
        async with tools.db.unit() as session:
            return await notice.queue(session, who, PaymentInReview("FM-1"), key)

    assert await queue("one") is not None
    assert await queue("one") is None
    outcomes = await asyncio.gather(*(queue("two") for _ in range(6)))
    assert sum(outcome is not None for outcome in outcomes) == 1


async def test_a_rolled_back_story_says_nothing(tools: Tools) -> None:
    who = await customer(tools)

    async def broken_story() -> None:
        async with tools.db.unit() as session:
            await notice.queue(session, who, PaymentInReview("FM-1"), "one")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken_story()
    async with tools.db.unit() as session:
        assert await session.scalar(text("SELECT count(*) FROM notices")) == 0


async def test_only_known_states_with_their_times_are_possible(tools: Tools) -> None:
    who = await customer(tools)
    async with tools.db.unit() as session:
        await notice.queue(session, who, PaymentInReview("FM-1"), "one")
    for wrong in ("state = 'odd'", "state = 'sent'", "sent_at = now()"):
        with pytest.raises(IntegrityError):
            async with tools.db.unit() as session:
                await session.execute(text(f"UPDATE notices SET {wrong}"))


@pytest.mark.parametrize(("kind", "payload"), [("nonsense", {}), ("payment_in_review", {"other": 1})])
def test_a_notice_of_another_version_is_named_not_guessed(kind: str, payload: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match=kind):
        read(kind, payload)
