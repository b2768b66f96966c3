"""Stars beyond the common contract: invoices, what the bot hands over, the list in both its orders, and strangers."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from ferryman.billing.provider import Fact, NoSettings, PaymentState, ProviderTools, RawWebhook
from ferryman.billing.providers.stars import Stars, transactions
from ferryman.billing.telegram import TelegramAccess, payload, read_payload
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import Busy, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from ferryman_sandbox.telegram import deeds, invoices
from tests.billing.providers.stars_world import BOT_ID, StarsControl, StarsWorld, emulated_stars

TOKEN_OF_TESTS = SecretStr("123456:AAF-token")
MONTH = 30 * 86400
EVER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2090, 1, 1, tzinfo=UTC)


@pytest.fixture
async def world() -> AsyncIterator[StarsWorld]:
    async with emulated_stars() as world:
        yield world


@pytest.fixture
def control(world: StarsWorld) -> StarsControl:
    return world.control


def invoice_of(control: StarsControl, link: str) -> dict[str, Any]:
    found: dict[str, Any] = invoices.by_slug(control.cloud.world, link)
    return found


async def everything(world: StarsWorld) -> list[Fact]:
    return [fact async for fact in world.provider.listed(*EVER)]


def test_a_payload_carries_the_ref_and_its_owner() -> None:
    assert read_payload(payload("aB3_-x", 7)) == ("aB3_-x", 7)
    assert read_payload(payload("aB3", 0)) == ("aB3", 0)
    for odd in ("", ".", "a.b", "a.-1", "a.7x", "a." + "9" * 30, "a.٧"):
        assert read_payload(odd) == (odd, 0)


async def test_an_invoice_says_what_is_bought_within_telegrams_limits(world: StarsWorld, control: StarsControl) -> None:
    request = world.request(amount=Money(250, "XTR"), description="Стандарт · 30 дней ·  ⛵ " + "много слов " * 40)
    opened = await world.provider.open(request)
    invoice = invoice_of(control, opened.pay_url)
    assert opened.external_id is None
    assert (invoice["amount"], invoice["period"]) == (250, 0)
    assert read_payload(invoice["payload"]) == (request.ref, control.person)
    assert (len(invoice["title"]), len(invoice["description"])) == (32, 255)
    assert invoice["description"].startswith("Стандарт · 30 дней · ⛵ много")


async def test_a_month_can_repeat_and_no_other_time_can(world: StarsWorld, control: StarsControl) -> None:
    opened = await world.provider.open(world.request(amount=Money(10_000, "XTR"), every_days=30))
    assert invoice_of(control, opened.pay_url)["period"] == MONTH
    for wrong in ({"every_days": 90}, {"every_days": 30, "amount": Money(10_001, "XTR")}):
        with pytest.raises(Refused):
            await world.provider.open(world.request(**wrong))


@pytest.mark.parametrize("amount", [Money(0, "XTR"), Money(100_001, "XTR"), Money(100, "RUB")])
async def test_what_cannot_be_asked_for_is_refused_before_telegram_is_called(
    world: StarsWorld, control: StarsControl, amount: Money
) -> None:
    with pytest.raises(Refused):
        await world.provider.open(world.request(amount=amount))
    assert control.emulator.calls == type(control.emulator.calls)(maxlen=control.emulator.calls.maxlen)


async def test_telegrams_message_is_a_fact_and_the_list_says_the_same(world: StarsWorld, control: StarsControl) -> None:
    request, fact = await world.paid(amount=Money(250, "XTR"))
    claim = world.read((await control.webhooks(1))[0])
    told = claim.fact
    assert told is not None
    assert (claim.external_id, claim.ref) == (fact.external_id, request.ref)
    assert (told.state, told.amount, told.test) == (PaymentState.SUCCEEDED, Money(250, "XTR"), True)
    assert told == fact
    assert told.details["payer"] == control.person


async def test_a_refund_is_told_under_the_same_charge_and_another_key(world: StarsWorld, control: StarsControl) -> None:
    request, fact = await world.paid()
    await world.provider.refund(world.refund(request, fact))
    paid, back = (world.read(raw) for raw in await control.webhooks(2))
    assert paid.external_id == back.external_id
    assert paid.dedup_key != back.dedup_key
    assert back.fact is None, "who took them back stands in the list"
    assert back.external_id is not None
    assert (await world.provider.look_up(back.external_id)).refunded == fact.amount


async def test_a_refund_of_a_part_is_refused_and_of_another_persons_money_too(world: StarsWorld) -> None:
    request, fact = await world.paid()
    with pytest.raises(Refused, match="whole"):
        await world.provider.refund(world.refund(request, fact, minor=1))
    with pytest.raises(Refused, match=r"CHARGE_ID_INVALID|user not found"):
        await world.provider.refund(world.refund(world.request(payer=5), fact))


async def test_42_a_second_refund_is_a_success(world: StarsWorld, control: StarsControl) -> None:
    wish = world.refund(*await world.paid())
    first = await world.provider.refund(wish)
    assert await world.provider.refund(wish) == first
    assert len(control.messages()) == 2, "one payment and one refund"


@pytest.mark.parametrize("order", ["oldest", "newest"])
async def test_many_pages_are_read_from_whichever_end(world: StarsWorld, control: StarsControl, order: str) -> None:
    link = (await world.provider.open(world.request(amount=Money(1, "XTR")))).pay_url
    charges = []
    for _ in range(235):
        control.emulator.clock.advance(60)
        charges.append(control.pay_link(link))
    control.cloud.stars.refund(BOT_ID, control.person, charges[3])
    await control.post("stars/transactions", {"id": "withdrawn", "receiver": {"type": "fragment"}})
    await control.post("stars", {"order": order})
    facts = {fact.external_id: fact for fact in await everything(world)}
    assert set(charges) <= set(facts)
    assert [one.external_id for one in facts.values() if one.refunded] == [charges[3]]
    for place in (0, 3, 99, 100, 134, 200, 234):
        assert (await world.provider.look_up(charges[place])).refunded == (Money(1, "XTR") if place == 3 else None)
    late = datetime.fromtimestamp(control.emulator.clock.now() - 600, UTC)
    recent = [fact.external_id async for fact in world.provider.listed(late, EVER[1])]
    assert set(charges[-9:]) <= set(recent) <= {*charges[-11:], charges[3], "withdrawn"}


async def test_the_end_of_a_long_list_is_found_again_in_a_few_calls(world: StarsWorld, control: StarsControl) -> None:
    request = world.request(amount=Money(1, "XTR"), placed_at=datetime.now(UTC) + timedelta(days=2))
    link = (await world.provider.open(request)).pay_url
    for _ in range(430):
        control.emulator.clock.advance(600)
        control.pay_link(link)
    assert await world.provider.find(request) is not None
    before = len(control.emulator.calls)
    control.emulator.clock.advance(600)
    newest = control.pay_link(link)
    assert (await world.provider.look_up(newest)).external_id == newest
    assert len(control.emulator.calls) - before <= 4


async def test_a_refund_of_a_payment_older_than_the_list_asked_for_is_told_with_its_payment(
    world: StarsWorld, control: StarsControl
) -> None:
    request, fact = await world.paid()
    control.emulator.clock.advance(86400 * 10)
    since = datetime.fromtimestamp(control.emulator.clock.now() - 60, UTC)
    control.cloud.stars.refund(BOT_ID, control.person, fact.external_id)
    (found,) = [one async for one in world.provider.listed(since, EVER[1])]
    assert (found.external_id, found.ref, found.refunded) == (fact.external_id, request.ref, fact.amount)


async def test_what_went_back_of_a_payment_too_old_to_be_read_is_known_by_its_own_line(
    world: StarsWorld, control: StarsControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.cloud.stars.sort("newest")
    _, fact = await world.paid()
    for _ in range(3):
        await world.paid()
    monkeypatch.setattr(transactions, "PAGE", 1)
    monkeypatch.setattr(transactions, "MOST_PAGES", 2)
    with pytest.raises(Busy):
        await world.provider.look_up(fact.external_id)
    control.cloud.stars.refund(BOT_ID, control.person, fact.external_id)
    assert (await world.provider.look_up(fact.external_id)).refunded == fact.amount


@pytest.mark.parametrize(("look", "taken"), [("user", "refunded"), ("other", "charged_back")])
async def test_stars_that_were_clawed_back_are_seen(
    world: StarsWorld, control: StarsControl, look: str, taken: str
) -> None:
    _, fact = await world.paid()
    control.cloud.stars.take_back(BOT_ID, fact.external_id, look=look, told=True)
    assert [claim.fact for claim in map(world.read, await control.webhooks(2))][1] is None
    after = await world.provider.look_up(fact.external_id)
    assert getattr(after, taken) == fact.amount
    assert [getattr(one, taken) for one in await everything(world)] == [fact.amount]


async def test_39_two_payments_of_one_invoice_are_two_facts_of_one_ref(
    world: StarsWorld, control: StarsControl
) -> None:
    request = world.request()
    link = (await world.provider.open(request)).pay_url
    charges = {control.pay_link(link), control.pay_link(link)}
    facts = [claim.fact for claim in map(world.read, await control.webhooks(2)) if claim.fact]
    assert {fact.external_id for fact in facts} == charges
    assert {fact.ref for fact in facts} == {request.ref}
    assert not any(fact.renews for fact in [*facts, *await everything(world)])


async def test_40_a_renewal_is_known_by_the_message_and_by_the_list(world: StarsWorld, control: StarsControl) -> None:
    await world.paid(amount=Money(100, "XTR"), every_days=30)
    for _ in range(2):
        control.emulator.clock.advance(MONTH + 5)
        control.cloud.stars.renew_due()
    told = [claim.fact for claim in map(world.read, await control.webhooks(1)) if claim.fact]
    assert [fact.renews for fact in told] == [True], "older messages were never fetched, and are gone after a day"
    listed = sorted(await everything(world), key=lambda fact: str(fact.details["paid_at"]))
    assert [fact.renews for fact in listed] == [False, True, True]
    assert len({fact.ref for fact in listed}) == 1
    since = datetime.fromtimestamp(control.emulator.clock.now() - 86400, UTC)
    assert [fact.renews async for fact in world.provider.listed(since, EVER[1])] == [True]
    assert (await world.provider.look_up(listed[1].external_id)).renews


async def test_money_of_a_stranger_names_no_payment_of_ours(world: StarsWorld, control: StarsControl) -> None:
    bob = int(deeds.new_person(control.cloud, {"first_name": "Bob"})["id"])
    control.cloud.stars.set_person(bob, 100_000)
    request = world.request()
    link = (await world.provider.open(request)).pay_url
    charge = control.pay_link(link, person=bob)
    claim = world.read((await control.webhooks(1))[0])
    assert (claim.ref, claim.external_id) == (None, charge)
    fact = await world.provider.look_up(charge)
    assert fact.ref is None
    assert (fact.details["stranger"], fact.details["meant"], fact.details["payer"]) == (True, request.ref, bob)
    assert await world.provider.find(request) is None
    own = control.pay_link(link)
    found = await world.provider.find(request)
    assert found is not None
    assert found.external_id == own


async def test_a_repeating_payment_is_stopped_and_taken_up_again(world: StarsWorld, control: StarsControl) -> None:
    _, fact = await world.paid(amount=Money(100, "XTR"), every_days=30)
    for _ in range(2):
        await world.provider.stop(control.person, fact.external_id)
    assert control.cloud.stars.subscription_of(BOT_ID, fact.external_id)["canceled"] == "bot"
    await world.provider.resume(control.person, fact.external_id)
    assert control.cloud.stars.subscription_of(BOT_ID, fact.external_id)["canceled"] == ""
    with pytest.raises(Refused):
        await world.provider.stop(control.person, "stx-unknown")


GOOD = {
    "currency": "XTR",
    "total_amount": 5,
    "invoice_payload": "p.7",
    "telegram_payment_charge_id": "stx1",
    "provider_payment_charge_id": "7_1",
}


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": "RUB"},
        {"total_amount": 0},
        {"total_amount": "5"},
        {"total_amount": True},
        {"invoice_payload": None},
        {"telegram_payment_charge_id": ""},
        {"telegram_payment_charge_id": "x" * 256},
    ],
)
def test_what_is_not_a_payment_in_stars_is_refused(changes: dict[str, Any]) -> None:
    provider = provider_at("https://api.telegram.org", sandbox=True)
    body = {"payer": 7, "date": 1, "successful_payment": GOOD}
    assert provider.read_message(RawWebhook(json.dumps(body).encode())).ref == "p"
    for wrong in ({**body, "successful_payment": {**GOOD, **changes}}, {**body, "payer": "7"}, {**body, "date": None}):
        with pytest.raises(Refused):
            provider.read_message(RawWebhook(json.dumps(wrong).encode()))
    with pytest.raises(Refused):
        provider.read_message(RawWebhook(b"[" * 5000))
    with pytest.raises(Refused):
        provider.read_webhook(RawWebhook(json.dumps(body).encode()))


def provider_at(api_base: str, *, sandbox: bool) -> Stars:
    access = TelegramAccess(api_base, TOKEN_OF_TESTS)
    return Stars(NoSettings(), ProviderTools(Http(), SystemClock(), sandbox=sandbox, telegram=access))


def test_stars_need_a_bot_and_refuse_an_emulator_in_production() -> None:
    with pytest.raises(Misconfigured, match="FERRYMAN_TELEGRAM_TOKEN"):
        Stars(NoSettings(), ProviderTools(Http(), SystemClock(), sandbox=True))
    with pytest.raises(Misconfigured):
        provider_at("http://127.0.0.1:8081", sandbox=False)
    assert provider_at("http://127.0.0.1:8081", sandbox=True).test_mode
    assert not provider_at("https://api.telegram.org", sandbox=True).test_mode, "real Stars are real money"


@pytest.mark.parametrize(
    ("weather", "error"),
    [
        ({"mode": "status", "status": 429, "body": {"ok": False, "parameters": {"retry_after": 3}}}, Busy),
        ({"mode": "status", "status": 500, "body": {"ok": False, "description": "restart"}}, Unreachable),
        ({"mode": "html"}, Unreachable),
        ({"mode": "drop_after"}, Unreachable),
    ],
)
async def test_a_refund_in_bad_weather_is_unknown_unless_it_certainly_did_not_happen(
    world: StarsWorld, control: StarsControl, weather: dict[str, Any], error: type[Exception]
) -> None:
    wish = world.refund(*await world.paid())
    await control.fault(route="refundStarPayment", **weather)
    with pytest.raises(error):
        await world.provider.refund(wish)
    assert (await world.provider.refund(wish)).amount == wish.amount
    assert len(control.messages()) == 2


async def test_a_list_that_cannot_be_read_is_no_empty_list(world: StarsWorld, control: StarsControl) -> None:
    await world.paid()
    await control.post("stars/transactions", {"date": "yesterday", "source": {"type": "user"}})
    with pytest.raises(Busy):
        await world.provider.look_up("stx-unknown")


async def test_odd_transactions_are_passed_over(world: StarsWorld, control: StarsControl) -> None:
    _, fact = await world.paid()
    for odd in (
        {"source": {"type": "user", "transaction_type": "gift_purchase", "user": {"id": 7}}},
        {"source": {"type": "telegram_ads"}},
        {"source": None},
        {},
        {"amount": 0, "source": {"type": "user"}},
    ):
        await control.post("stars/transactions", odd)
    assert [one.external_id for one in await everything(world)] == [fact.external_id]
    with pytest.raises(NotFound):
        await world.provider.look_up("stx-unknown")


async def test_since_then_means_since_then(world: StarsWorld, control: StarsControl) -> None:
    await world.paid()
    later = datetime.now(UTC) + timedelta(hours=1)
    assert [one async for one in world.provider.listed(later, EVER[1])] == []
