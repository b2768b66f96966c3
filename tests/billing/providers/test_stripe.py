"""Stripe's own wire: what is sent, what each answer means, and how a session, a kept card and a dispute end."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from pydantic import ValidationError

from ferryman.billing.provider import (
    Capturing,
    Charging,
    Fact,
    Listing,
    PaymentProvider,
    PaymentState,
    ProviderTools,
    Refunding,
    RefundState,
)
from ferryman.billing.providers.stripe import Stripe
from ferryman.billing.providers.stripe.settings import AccountConfig
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Conflict, Misconfigured, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.stripe_world import SECRET_KEY, WEBHOOK_SECRET, emulated_stripe, stripe
from tests.billing.providers.world import Control, World, a_request

PAGE_URL = "https://checkout.example/c/pay/cs_test_1"


def charge(**changes: Any) -> dict[str, Any]:
    books = {"id": "txn_1", "object": "balance_transaction", "fee": 88, "currency": "eur"}
    card = {"type": "card", "card": {"brand": "visa", "last4": "4242"}}
    base = {"id": "ch_1", "amount": 19900, "amount_refunded": 0, "currency": "eur", "disputed": False}
    return base | {"balance_transaction": books, "payment_method_details": card} | changes


def intent(**changes: Any) -> dict[str, Any]:
    base = {"id": "pi_1", "object": "payment_intent", "status": "succeeded", "amount": 19900, "currency": "eur"}
    return base | {"livemode": False, "latest_charge": charge(), "payment_method": "pm_1"} | changes


def session(**changes: Any) -> dict[str, Any]:
    """A session as the API shows it while it waits for its payer."""
    return {
        "id": "cs_test_1",
        "object": "checkout.session",
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": 19900,
        "currency": "eur",
        "livemode": False,
        "metadata": {"payment_id": "ours"},
        "payment_intent": None,
        "url": PAGE_URL,
    } | changes


def paid(**changes: Any) -> dict[str, Any]:
    return session(status="complete", payment_status="paid", url=None, payment_intent=intent(**changes))


def refusal(status: int, **error: Any) -> Scripted:
    return Scripted(status, {"error": {"type": "invalid_request_error", "message": "No."} | error})


def euros(amount: str = "199") -> Any:
    return a_request(amount, "EUR")


def form(api: Recorder, number: int = 0) -> dict[str, str]:
    return dict(parse_qsl(api.received[number].body.decode()))


@pytest.fixture
def shop(http: Http, api: Recorder) -> Stripe:
    api.say(Scripted(200, session()))
    return stripe(http, f"{api.url}/v1")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with emulated_stripe() as world:
        yield world


def test_it_can_do_all_but_hold(shop: Stripe) -> None:
    provider: PaymentProvider = shop
    assert isinstance(provider, Charging) and isinstance(provider, Refunding) and isinstance(provider, Listing)
    assert not isinstance(provider, Capturing)
    assert provider.answer(None) == (400, "")
    assert provider.needs_contact is False


async def test_a_creation_is_a_form_with_a_key_and_our_ref_in_three_places(shop: Stripe, api: Recorder) -> None:
    request = replace(euros("199.50"), contact="somebody@shop.example")
    opened = await shop.open(request)
    sent, body = api.received[0], form(api)
    assert (opened.external_id, opened.pay_url) == ("cs_test_1", PAGE_URL)
    assert (sent.method, sent.path) == ("POST", "/v1/checkout/sessions")
    assert sent.headers["authorization"] == f"Bearer {SECRET_KEY}"
    assert sent.headers["idempotency-key"] == request.idempotency_key
    assert sent.headers["stripe-version"] == "2024-06-20"
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert body == {
        "mode": "payment",
        "client_reference_id": request.ref,
        "success_url": "https://t.me/ferryman_bot",
        "cancel_url": "https://t.me/ferryman_bot",
        "locale": "en",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "19950",
        "line_items[0][price_data][product_data][name]": "30 days, three locations",
        "payment_intent_data[description]": "30 days, three locations",
        "metadata[payment_id]": request.ref,
        "metadata[order_id]": request.order_ref,
        "payment_intent_data[metadata][payment_id]": request.ref,
        "payment_intent_data[metadata][order_id]": request.order_ref,
        "customer_email": "somebody@shop.example",
    }


async def test_a_card_is_kept_only_when_that_is_asked_for(shop: Stripe, api: Recorder) -> None:
    await shop.open(replace(euros(), keep=True, contact="+15550100"))
    body = form(api)
    assert body["payment_intent_data[setup_future_usage]"] == "off_session"
    assert body["customer_creation"] == "always"
    assert "customer_email" not in body


async def test_yen_have_no_cents(shop: Stripe, api: Recorder) -> None:
    await shop.open(replace(euros(), amount=Money(500, "JPY")))
    assert form(api)["line_items[0][price_data][unit_amount]"] == "500"


async def test_a_repeat_is_the_same_bytes_under_the_same_key(shop: Stripe, api: Recorder) -> None:
    request = euros()
    api.say(Scripted(500, raw=b""), Scripted(200, session()))
    with pytest.raises(Unreachable):
        await shop.open(request)
    await shop.open(request)
    assert len({(sent.headers["idempotency-key"], sent.body) for sent in api.received}) == 1


async def test_the_same_key_for_another_sum_is_a_conflict(world: World) -> None:
    request = world.request()
    await world.provider.open(request)
    with pytest.raises(Conflict):
        await world.provider.open(replace(request, amount=world.money(29900)))


@pytest.mark.parametrize("amount", [Money(250, "XTR"), Money(0, "EUR"), Money(-100, "EUR"), Money(100, "CLP")])
async def test_what_cannot_be_collected_never_leaves(shop: Stripe, api: Recorder, amount: Money) -> None:
    for call in (
        shop.open(replace(euros(), amount=amount)),
        shop.charge(replace(euros(), amount=amount), "cus_1:pm_1"),
    ):
        with pytest.raises(Refused, match="cannot collect"):
            await call
    assert api.received == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, param="amount"), Refused),
        (refusal(400, type="idempotency_error"), Conflict),
        (refusal(401), AccessDenied),
        (refusal(402, type="card_error", code="card_declined"), Refused),
        (refusal(403), AccessDenied),
        (refusal(404, code="resource_missing"), NotFound),
        (refusal(409, type="idempotency_error", code="idempotency_key_in_use"), Busy),
        (refusal(429, code="lock_timeout"), Busy),
        (refusal(429), Busy),
        (refusal(500, type="api_error"), Unreachable),
        (Scripted(502, raw=b"<html>502</html>"), Unreachable),
        (Scripted(200, raw=b""), Unreachable),
        (Scripted(200, raw=b"[" * 100_000), Unreachable),
        (Scripted(200, []), Unreachable),
        (Scripted(200, {}), Unreachable),
        (Scripted(200, session(id=7)), Unreachable),
        (Scripted(200, session(id="../refunds")), Unreachable),
    ],
)
async def test_each_answer_to_a_creation_says_what_to_do_next(
    shop: Stripe, api: Recorder, answer: Scripted, error: type[Exception]
) -> None:
    api.say(answer)
    with pytest.raises(error) as raised:
        await shop.open(euros())
    assert type(raised.value) is error
    assert SECRET_KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("thing", "state", "reason"),
    [
        (session(), PaymentState.PENDING, None),
        (
            session(
                payment_intent=intent(status="requires_payment_method", last_payment_error={"code": "card_declined"})
            ),
            PaymentState.PENDING,
            "card_declined",
        ),
        (paid(), PaymentState.SUCCEEDED, None),
        (session(status="expired"), PaymentState.CANCELLED, "expired"),
        (
            session(status="complete", payment_intent=intent(status="processing")),
            PaymentState.PENDING,
            "complete, unpaid",
        ),
        (
            session(
                status="complete",
                payment_intent=intent(
                    status="requires_payment_method",
                    last_payment_error={"code": "card_declined", "decline_code": "insufficient_funds"},
                ),
            ),
            PaymentState.CANCELLED,
            "insufficient_funds",
        ),
        (
            session(status="complete", payment_status="no_payment_required"),
            PaymentState.PENDING,
            "complete, no_payment_required",
        ),
        (session(status="teleported"), PaymentState.PENDING, "unknown status teleported"),
    ],
)
async def test_only_complete_and_paid_is_success(
    shop: Stripe, api: Recorder, thing: dict[str, Any], state: PaymentState, reason: str | None
) -> None:
    api.say(Scripted(200, thing))
    fact = await shop.look_up("cs_test_1")
    assert (fact.state, fact.reason, fact.ref, fact.amount) == (state, reason, "ours", Money(19900, "EUR"))


@pytest.mark.parametrize(
    "changes",
    [
        {"amount_total": None},
        {"amount_total": "19900"},
        {"amount_total": True},
        {"amount_total": -5},
        {"currency": "€"},
        {"currency": None},
        {"livemode": None},
        {"livemode": "false"},
        {"status": None},
        {"id": "cs_test_2"},
    ],
)
async def test_an_answer_without_the_facts_is_no_answer(shop: Stripe, api: Recorder, changes: dict[str, Any]) -> None:
    api.say(Scripted(200, session(**changes)))
    with pytest.raises(Unreachable):
        await shop.look_up("cs_test_1")


async def test_the_fee_is_known_in_the_orders_currency_and_kept_as_it_is_in_another(
    shop: Stripe, api: Recorder
) -> None:
    api.say(Scripted(200, paid()))
    fact = await shop.look_up("cs_test_1")
    assert (fact.fee, fact.details) == (Money(88, "EUR"), {"brand": "visa", "last4": "4242"})
    books = {"fee": 95, "currency": "usd", "exchange_rate": 1.0871}
    api.say(Scripted(200, paid(latest_charge=charge(balance_transaction=books))))
    fact = await shop.look_up("cs_test_1")
    assert fact.fee is None
    assert fact.details == {
        "brand": "visa",
        "last4": "4242",
        "books_fee": "95",
        "books_currency": "usd",
        "books_exchange_rate": "1.0871",
    }


async def test_live_money_is_told_from_play_money(shop: Stripe, api: Recorder) -> None:
    api.say(Scripted(200, session(livemode=True)))
    assert (await shop.look_up("cs_test_1")).test is False
    api.say(Scripted(200, {"object": "balance", "livemode": True}))
    with pytest.raises(Misconfigured, match="disagree"):
        await shop.check()


async def test_a_declined_card_leaves_the_session_open_for_another(world: World, control: Control) -> None:
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/refuse", {"reason": "insufficient_funds"})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.PENDING, "insufficient_funds")
    await control.pay(external_id)
    assert (await world.provider.look_up(external_id)).state is PaymentState.SUCCEEDED


async def test_a_bank_that_thinks_for_days_says_yes_in_the_end(world: World, control: Control) -> None:
    external_id = await world.opened()
    await control.post(f"payments/{external_id}/wait")
    assert (await world.provider.look_up(external_id)).state is PaymentState.PENDING
    await control.pay(external_id)
    assert (await world.provider.look_up(external_id)).state is PaymentState.SUCCEEDED
    claims = [world.provider.read_webhook(raw) for raw in await control.webhooks(2)]
    assert [claim.event for claim in claims] == [
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
    ]
    assert {claim.external_id for claim in claims} == {external_id}


async def test_a_session_is_over_after_a_day(world: World, control: Control) -> None:
    external_id = await world.opened()
    await control.post("clock", {"advance": 24 * 3600 + 1})
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "expired")


async def kept_card(world: World) -> str:
    kept = (await world.paid(keep=True))[1].kept
    assert kept is not None and kept.title == "Visa •••• 4242"
    return kept.token


@pytest.mark.parametrize("reason", ["insufficient_funds", "authentication_required", "expired_card"])
async def test_a_kept_card_that_declines_is_a_fact_with_the_banks_word(
    world: World, control: Control, reason: str
) -> None:
    shop, token, request = world.provider, await kept_card(world), world.request()
    assert isinstance(shop, Charging)
    await control.post(f"cards/{token.partition(':')[2]}", {"declines": reason})
    fact = await shop.charge(request, token)
    assert (fact.state, fact.reason, fact.ref) == (PaymentState.CANCELLED, reason, request.ref)
    assert await shop.charge(request, token) == fact
    looked_up = await world.provider.look_up(fact.external_id)
    assert (looked_up.state, looked_up.reason) == (PaymentState.CANCELLED, reason)


async def test_a_charge_of_a_kept_card_can_be_looked_up_listed_and_given_back(world: World) -> None:
    shop, request = world.provider, world.request()
    assert isinstance(shop, Charging) and isinstance(shop, Refunding) and isinstance(shop, Listing)
    fact = await shop.charge(request, await kept_card(world))
    assert fact.external_id.startswith("pi_")
    assert await world.provider.look_up(fact.external_id) == fact
    now = datetime.now(UTC)
    listed = [one async for one in shop.listed(now - timedelta(hours=1), now + timedelta(hours=1))]
    assert [one.ref for one in listed].count(request.ref) == 1
    await shop.refund(world.refund(request, fact, 5000))
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money(5000)


@pytest.mark.parametrize("token", ["", "pm_1", "cus_1:pm_1\n", "cus_1:../x", "cus_1:pm_1&amount=1"])
async def test_what_is_no_kept_card_never_leaves(shop: Stripe, api: Recorder, token: str) -> None:
    with pytest.raises(Refused, match="no card"):
        await shop.charge(euros(), token)
    assert api.received == []


async def test_a_refund_from_the_dashboard_is_seen_and_its_event_leads_to_the_payment(
    world: World, control: Control
) -> None:
    request, fact = await world.paid()
    await control.post("refund", {"payment_id": fact.external_id, "amount": 900})
    claim = world.provider.read_webhook((await control.webhooks(2))[1])
    assert (claim.event, claim.ref) == ("charge.refunded", request.ref)
    assert (await told(world, claim.external_id)).refunded == world.money(900)


async def test_what_the_dashboard_gave_back_before_us_is_done(world: World, control: Control) -> None:
    request, fact = await world.paid()
    await control.post("refund", {"payment_id": fact.external_id})
    shop = world.provider
    assert isinstance(shop, Refunding)
    refund = await shop.refund(world.refund(request, fact))
    assert (refund.state, refund.amount, refund.ref) == (RefundState.SUCCEEDED, fact.amount, None)


async def test_a_refund_that_fails_later_says_why_and_counts_no_more(world: World, control: Control) -> None:
    request, fact = await world.paid()
    shop, wish = world.provider, world.refund(request, fact)
    assert isinstance(shop, Refunding)
    await control.post("refunds", {"slow": True})
    refund = await shop.refund(wish)
    assert refund.state is RefundState.PENDING
    await control.post(f"refunds/{refund.external_id}/fail")
    found = await shop.look_up_refund(wish, refund.external_id)
    assert found is not None
    assert (found.state, found.reason) == (RefundState.FAILED, "expired_or_canceled_card")
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money(0)


async def test_a_dispute_takes_the_money_back_until_it_is_won(world: World, control: Control) -> None:
    _, fact = await world.paid()
    assert fact.charged_back == world.money(0)
    dispute = await control.post(f"payments/{fact.external_id}/dispute")
    claim = world.provider.read_webhook((await control.webhooks(2))[1])
    assert (claim.event, claim.external_id) == ("charge.dispute.created", dispute["payment_intent"])
    disputed = await told(world, claim.external_id)
    assert (disputed.external_id, disputed.state) == (fact.external_id, PaymentState.SUCCEEDED)
    assert (disputed.charged_back, disputed.dispute_fee) == (fact.amount, world.money(1500))
    await control.post(f"disputes/{dispute['id']}/win")
    won = await world.provider.look_up(fact.external_id)
    assert (won.charged_back, won.dispute_fee) == (world.money(0), world.money(0))


async def test_a_dispute_that_is_lost_stays_taken_back(world: World, control: Control) -> None:
    _, fact = await world.paid()
    dispute = await control.post(f"payments/{fact.external_id}/dispute")
    await control.post(f"disputes/{dispute['id']}/lose")
    assert (await world.provider.look_up(fact.external_id)).charged_back == fact.amount


async def told(world: World, external_id: str | None) -> Fact:
    assert external_id is not None
    return await world.provider.look_up(external_id)


async def test_the_search_pages_on_by_the_last_id(shop: Stripe, api: Recorder) -> None:
    request = euros()
    other = session(id="cs_test_2", metadata={})
    mine = session(metadata={"payment_id": request.ref})
    empty = Scripted(200, {"data": [], "has_more": False})
    api.say(
        Scripted(200, {"data": [other], "has_more": True}), Scripted(200, {"data": [mine], "has_more": False}), empty
    )
    found = await shop.find(request)
    assert found is not None and found.external_id == "cs_test_1"
    assert [sent.query.get("starting_after") for sent in api.received] == [None, "cs_test_2", None]
    assert [sent.path for sent in api.received] == ["/v1/checkout/sessions"] * 2 + ["/v1/payment_intents"]


async def test_more_than_it_will_read_is_busy_and_not_a_no(shop: Stripe, api: Recorder) -> None:
    api.say(Scripted(200, {"data": [session(metadata={})], "has_more": True}))
    with pytest.raises(Busy, match="more than"):
        await shop.find(euros())


@pytest.mark.parametrize(
    ("key", "test"), [("sk_test_a", True), ("rk_test_a", True), ("sk_live_a_test_b", False), ("rk_live_a", False)]
)
def test_the_key_says_whether_its_money_is_real(http: Http, key: str, test: bool) -> None:
    config = AccountConfig.model_validate({"secret_key": key, "webhook_secret": WEBHOOK_SECRET})
    assert Stripe(config, ProviderTools(http, SystemClock(), sandbox=True)).test_mode is test
    if not test:
        Stripe(config, ProviderTools(http, SystemClock(), sandbox=False))
        return
    with pytest.raises(Misconfigured, match="play money"):
        Stripe(config, ProviderTools(http, SystemClock(), sandbox=False))


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"secret_key": "pk_live_canary"}, "secret_key"),
        ({"secret_key": "sk_live_canary\r\nX: 1"}, "secret_key"),
        ({"webhook_secret": ""}, "webhook_secret"),
        ({"previous_webhook_secret": "canary"}, "previous_webhook_secret"),
        ({"api_base": "http://api.stripe.com/v1"}, "https://"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_setting_names_itself_and_shows_no_secret(changes: dict[str, Any], names: str) -> None:
    good = {"secret_key": "sk_live_canary", "webhook_secret": "whsec_canary"}
    assert AccountConfig.model_validate(good).api_base == "https://api.stripe.com/v1"
    with pytest.raises(ValidationError) as wrong:
        AccountConfig.model_validate(good | changes)
    assert names in str(wrong.value)
    assert "canary" not in str(wrong.value) + repr(AccountConfig.model_validate(good))


async def test_the_account_may_have_its_own_return_address_and_must_have_one(http: Http, api: Recorder) -> None:
    api.say(Scripted(200, session()))
    own = stripe(http, f"{api.url}/v1", return_url="https://shop.example/thanks")
    await own.open(euros())
    assert form(api)["success_url"] == "https://shop.example/thanks"
    with pytest.raises(Misconfigured, match="return_url"):
        await stripe(http, f"{api.url}/v1").open(replace(euros(), return_url=""))
