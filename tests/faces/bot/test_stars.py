"""Paying in Stars, from the question to the key, and everything that may come between."""

import copy
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from ferryman.billing.provider import RawWebhook
from ferryman.billing.providers.stars import Stars
from ferryman.faces.bot import stars_checkout
from ferryman.faces.bot.stars_checkout import LONGEST_REFUSAL
from ferryman.flows.payments import banking, buying, settling
from ferryman.flows.shop import setup
from ferryman.flows.tools import Tools
from ferryman.messaging.telegram import Telegram
from ferryman.messaging.texts import voice
from ferryman_sandbox.telegram import invoices
from tests.conftest import MovableClock
from tests.faces.bot.conftest import RunningBot, inbox_is_empty
from tests.faces.bot.test_restart import no_work
from tests.support.chat import BOT_ID, TOKEN, Messenger, Person, until
from tests.support.shop import PLANS, Town

PRICE = 150
# Seconds to judge a question in: Telegram itself waits ten.
UNHURRIED = 9.0
# Read before the tests give themselves more time.
SHIPPED = stars_checkout.JUDGE_SECONDS


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make the bot refuse."""
    monkeypatch.setattr(stars_checkout, "JUDGE_SECONDS", UNHURRIED)


@pytest.fixture
async def star_shop(tools: Tools, telegram: Telegram, telegram_world: Messenger, shop: Town) -> Town:
    """The shop, selling for Stars too."""
    there = {"telegram_token": SecretStr(TOKEN), "telegram_api_base": telegram_world.url}
    tools.settings = tools.settings.model_copy(update=there)
    tools.providers = {**tools.providers, "stars": Stars}
    plans: Any = copy.deepcopy(PLANS)
    for plan in plans:
        for term in plan["terms"]:
            term["prices"]["XTR"] = str(PRICE)
    wanted = shop.spec | {"plans": plans, "providers": [*shop.spec["providers"], {"name": "stars", "config": {}}]}
    await setup.apply(tools, setup.Shop.model_validate(wanted))
    await shop.work()
    return shop


@pytest.fixture
async def ann(star_shop: Town, bot: RunningBot, anna: Person) -> Person:
    """Known to the shop, with the bot running."""
    await anna.starts("Здравствуйте")
    return anna


async def invoice_for(shop: Town, person: Person, *, keep: bool = False) -> str:
    """The link to a new order's invoice."""
    customer = await shop.value("SELECT id FROM customers WHERE telegram_id = :id", id=person.id)
    wish = buying.Wish(customer, await shop.term(), "stars", secrets.token_hex(8), keep=keep)
    checkout = await buying.begin(shop.tools, wish)
    assert checkout.pay_url is not None
    return checkout.pay_url


def ask(person: Person, link: str) -> str:
    """Press Pay; answers the question's id."""
    invoice = invoices.by_slug(person.cloud.world, link)
    return str(person.cloud.checkouts.begin(invoice, person.id)["id"])


async def answered(person: Person, query: str, patience: float = 15.0) -> dict[str, Any]:
    await until(lambda: person.cloud.checkouts.by_id(query)["state"] != "waiting", "the bot's answer", patience)
    found: dict[str, Any] = person.cloud.checkouts.by_id(query)
    return found


async def pay(person: Person, link: str) -> dict[str, Any]:
    checkout = await answered(person, ask(person, link))
    assert checkout["state"] == "paid", checkout["error"]
    return checkout


async def settled(shop: Town, person: Person) -> None:
    """What Telegram had for the bot is kept, worked through, and settled."""
    await until(lambda: not person.cloud.updates.pending(BOT_ID), "the updates to be kept")
    await inbox_is_empty(shop)
    await shop.work()


async def grants(shop: Town) -> int:
    return int(await shop.value("SELECT count(*) FROM grants"))


async def books(shop: Town) -> dict[str, int]:
    query = (
        "SELECT account, sum(minor) FROM ledger_entries WHERE currency = 'XTR' GROUP BY account HAVING sum(minor) <> 0"
    )
    return {account: int(total) for account, total in await shop.rows(query)}


async def test_from_the_menu_to_the_key_in_stars(star_shop: Town, ann: Person) -> None:
    for button, sees in (("v1:buy", "Выберите тариф"), ("v1:plan", "На какой срок?"), ("v1:term", "Как удобнее")):
        await ann.press(button, sees)
    await ann.press("v1:pay:stars", "К оплате")
    link = ann.link()
    assert link is not None and link.startswith("https://t.me/$")
    await pay(ann, link)
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1
    assert await star_shop.value("SELECT state FROM orders") == "paid"
    charge = await star_shop.value("SELECT external_id FROM payments")
    assert charge == ann.cloud.stars.charges(BOT_ID)[0]["id"]
    assert await books(star_shop) == {"provider:stars": PRICE, "sales": -PRICE}
    await until(
        lambda: any(f"{PRICE}\N{NO-BREAK SPACE}⭐" in str(one.get("text")) for one in ann.shown()), "the notice"
    )


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ("UPDATE customers SET banned = true", "banned"),
        ("UPDATE payments SET minor = minor + 1", "amount"),
        ("UPDATE orders SET state = 'paid', paid_at = now()", "paid"),
        ("UPDATE terms SET active = false", "withdrawn"),
        ("UPDATE plans SET active = false", "withdrawn"),
        ("UPDATE payments SET ref = ref || 'x'", "unknown"),
    ],
)
async def test_what_must_not_be_paid_is_refused_before_the_money_moves(
    star_shop: Town, ann: Person, change: str, refusal: str
) -> None:
    link = await invoice_for(star_shop, ann)
    await star_shop.rows(f"{change} RETURNING 1")
    checkout = await answered(ann, ask(ann, link))
    assert (checkout["state"], checkout["error"]) == ("refused", voice("ru").plain(f"refused-{refusal}"))


async def test_an_invoice_that_was_passed_on_is_not_paid_by_another(
    star_shop: Town, ann: Person, telegram_world: Messenger
) -> None:
    bob = telegram_world.person(first_name="Bob", language_code="en")
    checkout = await answered(bob, ask(bob, await invoice_for(star_shop, ann)))
    assert (checkout["state"], checkout["error"]) == ("refused", voice("en").plain("refused-stranger"))


@pytest.mark.parametrize("keep", [False, True])
async def test_money_of_another_person_goes_straight_back_to_them_and_does_not_come_again(
    star_shop: Town, ann: Person, telegram_world: Messenger, keep: bool
) -> None:
    """Telegram asked somebody else than us, or we were wrong: the Stars came all the same."""
    bob = telegram_world.person(first_name="Bob", language_code="en")
    invoice = invoices.by_slug(bob.cloud.world, await invoice_for(star_shop, ann, keep=keep))
    query = bob.cloud.checkouts.begin(invoice, bob.id, unheard=True)["id"]
    bob.cloud.checkouts.answer(BOT_ID, query, ok=True, error="")
    await until(lambda: bob.cloud.stars.charges(BOT_ID)[0]["state"] == "refunded", "the Stars to go back")
    await settled(star_shop, ann)

    def rows() -> list[str]:
        return [row["canceled"] for row in bob.cloud.stars.subscriptions(BOT_ID, bob.id)]

    await until(lambda: rows() == (["bot"] if keep else []), "a row of payments to be stopped")
    assert await grants(star_shop) == 0
    assert await books(star_shop) == {}
    await pay(ann, invoice["slug"])
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1, "whose invoice it is can still pay it"


@asynccontextmanager
async def locked(database_url: str, table: str) -> AsyncIterator[None]:
    """Nobody else can read or write a table."""
    connection = await psycopg.AsyncConnection.connect(database_url)
    try:
        await connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield
    finally:
        await connection.close()


async def test_38_a_slow_database_gets_a_polite_no_while_telegram_waits(
    star_shop: Town, ann: Person, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within two seconds, as it is shipped: the payer looks at a spinner for as long."""
    assert SHIPPED < 2
    link = await invoice_for(star_shop, ann)
    monkeypatch.setattr(stars_checkout, "JUDGE_SECONDS", SHIPPED)
    async with locked(database_url, "payments"):
        checkout = await answered(ann, ask(ann, link))
    assert (checkout["state"], checkout["error"]) == ("refused", voice("ru").plain("refused-busy"))
    monkeypatch.setattr(stars_checkout, "JUDGE_SECONDS", UNHURRIED)
    await pay(ann, link)


async def test_38_an_inbox_that_cannot_be_written_keeps_nobody_waiting(
    star_shop: Town, ann: Person, database_url: str
) -> None:
    link = await invoice_for(star_shop, ann)
    async with locked(database_url, "telegram_updates"):
        ann.write("hello")
        await until(lambda: ann.messenger.called("getUpdates") > 2, "the poll that brings the words")
        await pay(ann, link)
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1


async def test_a_question_is_answered_past_a_chat_that_is_stuck(
    star_shop: Town, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await invoice_for(star_shop, ann)
    async with no_work(monkeypatch):
        for _ in range(5):
            ann.write("hello?")
        await pay(ann, link)


async def test_a_question_that_nobody_understands_stops_nothing(star_shop: Town, ann: Person) -> None:
    for odd in ({"id": "1"}, {"id": "2", "from": {"id": "x"}}, {}):
        ann.cloud.updates.push(BOT_ID, "pre_checkout_query", odd, ann.id)
    await pay(ann, await invoice_for(star_shop, ann))


@pytest.mark.parametrize("weather", [{"mode": "drop_before"}, {"mode": "drop_after"}, {"mode": "html"}])
async def test_an_answer_that_got_lost_is_given_again(
    star_shop: Town, ann: Person, telegram_world: Messenger, weather: dict[str, Any]
) -> None:
    link = await invoice_for(star_shop, ann)
    telegram_world.fault(route="answerPreCheckoutQuery", **weather)
    await pay(ann, link)
    await until(lambda: telegram_world.called("answerPreCheckoutQuery") == 2, "the second answer")


async def test_a_question_that_is_too_old_is_let_go(
    star_shop: Town, ann: Person, bot: RunningBot, telegram_world: Messenger
) -> None:
    link = await invoice_for(star_shop, ann)
    await bot.kill()
    query = ask(ann, link)
    telegram_world.emulator.clock.advance(60)
    bot.start()
    await until(lambda: telegram_world.called("answerPreCheckoutQuery") == 1, "the late answer")
    assert ann.cloud.checkouts.by_id(query)["state"] == "expired"
    await pay(ann, link)
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1


async def test_39_two_payments_of_one_invoice_are_one_grant_and_a_credit(star_shop: Town, ann: Person) -> None:
    link = await invoice_for(star_shop, ann)
    for query in [ask(ann, link), ask(ann, link)]:
        assert (await answered(ann, query))["state"] == "paid"
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1
    customer = await star_shop.value("SELECT id FROM customers WHERE telegram_id = :id", id=ann.id)
    assert await books(star_shop) == {"provider:stars": 2 * PRICE, "sales": -PRICE, f"customer:{customer}": -PRICE}


async def test_40_a_message_that_comes_twice_grants_once(
    star_shop: Town, ann: Person, telegram_world: Messenger
) -> None:
    link = await invoice_for(star_shop, ann)
    telegram_world.emulator.cloud.updates.duplicates_left = 2
    await pay(ann, link)
    await settled(star_shop, ann)
    said = await star_shop.rows("SELECT raw FROM telegram_updates WHERE raw->'message' ? 'successful_payment'")
    assert len(said) == 1
    ann.cloud.updates.push(BOT_ID, "message", said[0][0]["message"], ann.id)  # under another number
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1
    assert await star_shop.value("SELECT repeats FROM webhook_events") == 1


async def test_41_a_kill_between_the_message_and_its_settling_loses_nothing(
    star_shop: Town, ann: Person, bot: RunningBot, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = await invoice_for(star_shop, ann)
    async with no_work(monkeypatch):
        await pay(ann, link)
        await until(lambda: not ann.cloud.updates.pending(BOT_ID), "the message to be confirmed to Telegram")
        await bot.kill()
    assert await grants(star_shop) == 0
    clock.advance(seconds=20)
    bot.start()
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1


async def test_41_a_message_that_never_came_is_found_in_the_list(star_shop: Town, ann: Person, bot: RunningBot) -> None:
    link = await invoice_for(star_shop, ann)
    await bot.kill()
    query = ask(ann, link)
    ann.cloud.checkouts.answer(BOT_ID, query, ok=True, error="")
    ann.cloud.updates.drop_all(BOT_ID)
    await star_shop.later(seconds=15)
    assert await grants(star_shop) == 1
    assert await books(star_shop) == {"provider:stars": PRICE, "sales": -PRICE}


@pytest.mark.parametrize("off", ["UPDATE payment_methods SET enabled = false", "DELETE FROM payment_methods"])
async def test_45_a_payment_for_a_method_that_is_off_is_kept_and_settled(
    star_shop: Town, ann: Person, off: str
) -> None:
    link = await invoice_for(star_shop, ann)
    await star_shop.rows(f"{off} WHERE name = 'stars' RETURNING 1")
    await pay(ann, link)
    await settled(star_shop, ann)
    assert await grants(star_shop) == 1


@pytest.mark.parametrize("look", ["", "user", "other"])
async def test_stars_that_went_back_elsewhere_are_booked_once_however_often_it_is_said(
    star_shop: Town, ann: Person, look: str
) -> None:
    link = await invoice_for(star_shop, ann)
    charge = (await pay(ann, link))["charge"]
    await settled(star_shop, ann)
    if look:
        ann.cloud.stars.take_back(BOT_ID, charge, look=look, told=True)
    else:
        ann.cloud.stars.refund(BOT_ID, ann.id, charge)
    message = ann.cloud.world.messages(ann.chat)[-1]
    for _ in range(2):
        await settled(star_shop, ann)
        ann.cloud.updates.push(BOT_ID, "message", message, ann.id)
    await settled(star_shop, ann)
    events = await star_shop.rows("SELECT event, repeats FROM webhook_events ORDER BY id")
    assert [tuple(event) for event in events] == [("successful_payment", 0), ("refunded_payment", 2)]
    assert await star_shop.value("SELECT count(*) FROM telegram_updates WHERE state = 'failed'") == 0
    await banking.compare(star_shop.tools, "stars")
    origin = "chargeback" if look == "other" else "provider"
    assert await star_shop.rows("SELECT origin, minor FROM refunds") == [(origin, PRICE)]


async def test_the_web_cannot_pretend_to_be_telegram(star_shop: Town, ann: Person) -> None:
    await invoice_for(star_shop, ann)
    ref = await star_shop.value("SELECT ref FROM payments")
    said = {"currency": "XTR", "total_amount": PRICE, "invoice_payload": f"{ref}.{ann.id}"}
    body = {"payer": ann.id, "date": 1, "successful_payment": said | {"telegram_payment_charge_id": "stx1"}}
    assert (await settling.webhook_came(star_shop.tools, "stars", RawWebhook(repr(body).encode())))[0] == 404
    assert await star_shop.value("SELECT count(*) FROM webhook_events") == 0


async def test_a_change_of_an_unknown_repetition_waits_for_its_payment(star_shop: Town, ann: Person) -> None:
    user = {"id": ann.id, "is_bot": False, "first_name": "Anna"}
    body = {"user": user, "invoice_payload": f"nothing.{ann.id}", "state": "canceled"}
    ann.cloud.updates.push(BOT_ID, "subscription", body, ann.id)

    async def tried() -> bool:
        query = "SELECT count(*) FROM telegram_updates WHERE kind = 'subscription' AND error LIKE '%nobody here knows%'"
        return bool(await star_shop.value(query))

    await until(tried, "the first try")
    assert await star_shop.value("SELECT lane FROM telegram_updates WHERE kind = 'subscription'") == str(ann.id)


@pytest.mark.parametrize(("command", "sees"), [("/paysupport", "Помощь с оплатой"), ("/terms", "Условия продажи")])
async def test_the_commands_that_telegram_demands_are_answered(
    star_shop: Town, ann: Person, tools: Tools, command: str, sees: str
) -> None:
    tools.settings = tools.settings.model_copy(update={"support_contact": "@helper"})
    ann.write(command)
    message = await ann.sees(sees)
    assert "@helper" in message["text"]
    assert ann.link() == "https://t.me/helper"
    await ann.press("v1:rules", "Правила")


def test_every_refusal_fits_telegram() -> None:
    for language in ("ru", "en"):
        for reason in ("unknown", "stranger", "amount", "paid", "banned", "withdrawn", "busy"):
            assert len(voice(language).plain(f"refused-{reason}")) <= LONGEST_REFUSAL


async def test_40_a_month_that_repeats_is_granted_again_until_it_is_stopped(
    star_shop: Town, ann: Person, clock: MovableClock
) -> None:
    await pay(ann, await invoice_for(star_shop, ann, keep=True))
    await settled(star_shop, ann)
    charge = ann.cloud.stars.charges(BOT_ID)[0]["id"]
    await a_month_passes(star_shop, ann, clock)
    assert await grants(star_shop) == 2
    assert await books(star_shop) == {"provider:stars": 2 * PRICE, "sales": -2 * PRICE}
    ann.cloud.stars.edit_by_person(BOT_ID, charge, canceled=True)
    await settled(star_shop, ann)
    assert await star_shop.value("SELECT state FROM renewals") == "stopped"
    await a_month_passes(star_shop, ann, clock)
    assert await grants(star_shop) == 2


async def a_month_passes(shop: Town, person: Person, clock: MovableClock) -> None:
    person.messenger.emulator.clock.advance(30 * 86400 + 60)
    clock.advance(days=30, seconds=60)
    person.cloud.stars.renew_due()
    await settled(shop, person)
