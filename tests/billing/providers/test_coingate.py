"""CoinGate's own wire: what is sent, field by field, and what each of its answers means to us."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from ferryman.billing.provider import (
    Capturing,
    Charging,
    Listing,
    Opened,
    PaymentProvider,
    PaymentRequest,
    PaymentState,
    Refunding,
)
from ferryman.billing.providers.coingate import CoinGate
from ferryman.kit.clock import SystemClock
from ferryman.kit.errors import AccessDenied, Busy, Conflict, FerrymanError, NotFound, Refused, Unreachable
from ferryman.kit.http import Http
from ferryman.kit.money import Money
from tests.billing.providers.coingate_wire import PAGE_URL, account, at, order, page, refusal
from tests.billing.providers.recorder import Recorder, Scripted
from tests.billing.providers.worlds import EMULATED_KEY, Control, World, a_request, coingate


def euros(**changes: Any) -> PaymentRequest:
    return replace(a_request(currency="EUR"), hook_url="https://bot.example/hooks/coingate/x", **changes)


@pytest.fixture
def shop(http: Http, api: Recorder) -> CoinGate:
    api.say(Scripted(200, order()))
    return coingate(http, f"{api.url}/v2")


@pytest.fixture
async def there() -> AsyncIterator[tuple[World, Control]]:
    async with account() as pair:
        yield pair


async def test_it_lists_and_does_nothing_else_beyond_the_ordinary(shop: CoinGate) -> None:
    """A refund needs the payer's wallet, which the port does not carry: it is a task for a person."""
    provider: PaymentProvider = shop
    assert isinstance(provider, Listing)
    assert not isinstance(provider, (Refunding, Charging, Capturing))
    assert provider.answer(None) == (200, "")
    assert not provider.needs_contact


async def test_a_creation_is_a_form_with_exact_text_for_the_sum(shop: CoinGate, api: Recorder) -> None:
    request = euros()
    opened = await shop.open(request)
    sent = api.received[0]
    form = {name: values[0] for name, values in parse_qs(sent.body.decode(), strict_parsing=True).items()}
    assert (opened.external_id, opened.pay_url) == ("538", PAGE_URL)
    assert (sent.method, sent.path) == ("POST", "/v2/orders")
    assert sent.headers["authorization"] == f"Token {EMULATED_KEY}"
    assert sent.headers["content-type"].startswith("application/x-www-form-urlencoded")
    token = form.pop("token")
    assert len(token) == 32
    assert form == {
        "order_id": request.ref,
        "price_amount": "199.00",
        "price_currency": "EUR",
        "title": "30 days, three locations",
        "description": f"30 days, three locations ({request.order_ref})",
        "callback_url": "https://bot.example/hooks/coingate/x",
        "success_url": "https://t.me/ferryman_bot",
        "cancel_url": "https://t.me/ferryman_bot",
    }


async def test_the_token_of_an_order_is_its_own_and_always_the_same(http: Http, api: Recorder) -> None:
    first, second = euros(), euros()
    for request, answers in ((first, [order()]), (second, [order()]), (first, [page().body, order()])):
        api.say(*(Scripted(200, answer) for answer in answers))
        # Another object each time: nothing is kept between two.
        await coingate(http, f"{api.url}/v2").open(request)
    sent = [parse_qs(one.body.decode()) for one in api.received if one.method == "POST"]
    tokens = [form["token"][0] for form in sent]
    assert tokens[0] == tokens[2] != tokens[1]
    assert EMULATED_KEY not in "".join(tokens)


@pytest.mark.parametrize("description", ["", "a", "ab"])
async def test_a_description_too_short_for_the_api_is_filled_up(there: tuple[World, Control], description: str) -> None:
    world, _ = there
    assert (await world.provider.open(world.request(description=description))).pay_url


async def test_a_description_too_long_for_the_api_is_cut(there: tuple[World, Control]) -> None:
    world, control = there
    await world.provider.open(world.request(description="щ" * 600))
    assert (await control.payments())[0]["title"] == "щ" * 150


async def test_what_the_account_is_credited_in_is_said_when_it_is_set(http: Http, api: Recorder) -> None:
    api.say(Scripted(200, order()))
    await coingate(http, f"{api.url}/v2", receive_currency="DO_NOT_CONVERT").open(euros())
    assert b"receive_currency=DO_NOT_CONVERT" in api.received[0].body


@pytest.mark.parametrize("amount", [Money(250, "XTR"), Money(19900, "RUB"), Money(0, "EUR"), Money(-100, "EUR")])
async def test_what_cannot_be_collected_never_leaves(shop: CoinGate, api: Recorder, amount: Money) -> None:
    with pytest.raises(Refused, match="cannot collect"):
        await shop.open(euros(amount=amount))
    assert api.received == []


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("new", PaymentState.PENDING, "new"),
        ("pending", PaymentState.PENDING, "pending"),
        ("confirming", PaymentState.PENDING, "confirming"),
        ("paid", PaymentState.SUCCEEDED, None),
        ("partially_refunded", PaymentState.SUCCEEDED, None),
        ("refunded", PaymentState.SUCCEEDED, None),
        ("expired", PaymentState.CANCELLED, "expired"),
        ("canceled", PaymentState.CANCELLED, "canceled"),
        ("invalid", PaymentState.CANCELLED, "invalid"),
        ("on_the_moon", PaymentState.PENDING, "unknown status on_the_moon"),
    ],
)
async def test_every_status_means_something(
    shop: CoinGate, api: Recorder, status: str, state: PaymentState, reason: str | None
) -> None:
    api.say(Scripted(200, order(status=status)))
    fact = await shop.look_up("538")
    assert (fact.state, fact.reason, fact.test) == (state, reason, True)
    assert (fact.ref, fact.amount) == ("ours", Money(19900, "EUR"))


@pytest.mark.parametrize("written", ["199", "199.0", "199.00", "199.00000", 199])
async def test_zeros_at_the_end_change_no_sum(shop: CoinGate, api: Recorder, written: Any) -> None:
    api.say(Scripted(200, order(price_amount=written)))
    assert (await shop.look_up("538")).amount == Money(19900, "EUR")


async def test_a_sum_written_as_a_json_number_stays_exact(shop: CoinGate, api: Recorder) -> None:
    api.say(Scripted(200, raw=b'{"id": 538, "status": "paid", "price_amount": 0.29, "price_currency": "EUR"}'))
    assert (await shop.look_up("538")).amount == Money(29, "EUR")


async def test_the_coins_are_kept_for_the_books(shop: CoinGate, api: Recorder) -> None:
    fees = [{"type": "processing_fee", "amount": "0.000002", "currency": {"id": 1, "symbol": "BTC"}}, "garbage", {}]
    api.say(
        Scripted(
            200,
            order(
                status="paid",
                pay_amount="0.00016069",
                pay_currency="BTC",
                receive_amount="0.000152",
                receive_currency="BTC",
                overpaid_amount="0.00000001",
                conversion_rate="62232.9",
                fees=fees,
            ),
        )
    )
    fact = await shop.look_up("538")
    assert fact.fee is None
    assert fact.details == {
        "paid": "0.00016069",
        "coin": "BTC",
        "surplus": "0.00000001",
        "received": "0.000152",
        "received_in": "BTC",
        "rate": "62232.9",
        "fees": ["0.000002 BTC"],
    }


async def test_a_fee_in_the_prices_own_currency_is_a_fee(shop: CoinGate, api: Recorder) -> None:
    fee = {"type": "processing_fee", "amount": "1.99", "currency": {"symbol": "EUR"}}
    api.say(Scripted(200, order(status="paid", fees=[fee, fee])))
    assert (await shop.look_up("538")).fee == Money(398, "EUR")


async def test_paid_counts_even_when_a_shortage_is_shown_and_the_shortage_is_kept(
    shop: CoinGate, api: Recorder
) -> None:
    api.say(Scripted(200, order(status="paid", pay_currency="BTC", underpaid_amount="0.00001")))
    fact = await shop.look_up("538")
    assert (fact.state, fact.details["shortfall"]) == (PaymentState.SUCCEEDED, "0.00001")


@pytest.mark.parametrize("status", ["expired", "canceled"])
@pytest.mark.parametrize("came", [{"underpaid_amount": "0.00001"}, {"is_refundable": True}])
async def test_an_order_that_ended_with_coins_on_it_is_for_a_person(
    shop: CoinGate, api: Recorder, status: str, came: dict[str, Any]
) -> None:
    api.say(Scripted(200, order(status=status, **came)))
    fact = await shop.look_up("538")
    assert fact.state is PaymentState.SHORT
    assert fact.reason is not None
    assert fact.reason.startswith(status)


@pytest.mark.parametrize(
    ("received", "came"), [("0", None), (None, None), ("0.1", Money(14925, "EUR")), ("nonsense", None)]
)
async def test_too_little_is_ours_only_when_the_order_says_that_we_received_it(
    shop: CoinGate, api: Recorder, received: str | None, came: Money | None
) -> None:
    coins = {"pay_amount": "0.4", "underpaid_amount": "0.1", "receive_amount": received}
    api.say(Scripted(200, order(status="expired", **coins)))
    assert (await shop.look_up("538")).came == came


REFUND = {"id": 1, "status": "completed", "request_amount": "50.5", "request_currency": "EUR"}


@pytest.mark.parametrize(
    ("status", "refunds", "refunded"),
    [
        ("paid", [], Money(0, "EUR")),
        ("paid", [REFUND | {"status": "pending"}], Money(0, "EUR")),
        ("refunded", [], Money(19900, "EUR")),
        ("partially_refunded", [REFUND], Money(5050, "EUR")),
        ("partially_refunded", [REFUND, REFUND | {"status": "rejected"}, REFUND], Money(10100, "EUR")),
        ("partially_refunded", [REFUND] * 9, Money(19900, "EUR")),
        ("partially_refunded", [REFUND | {"request_currency": "BTC"}], None),
        ("partially_refunded", [REFUND | {"request_amount": "much"}], None),
        ("partially_refunded", [], None),
        ("partially_refunded", "garbage", None),
        ("expired", [], None),
    ],
)
async def test_what_was_given_back_is_told_or_honestly_not(
    shop: CoinGate, api: Recorder, status: str, refunds: Any, refunded: Money | None
) -> None:
    api.say(Scripted(200, order(status=status, refunds=refunds)))
    assert (await shop.look_up("538")).refunded == refunded


@pytest.mark.parametrize(
    "changes",
    [{"id": None}, {"id": "x"}, {"id": True}, {"price_amount": None}, {"price_amount": 1.005}, {"price_currency": 7}],
)
async def test_an_answer_that_lacks_the_essentials_is_none(
    shop: CoinGate, api: Recorder, changes: dict[str, Any]
) -> None:
    api.say(Scripted(200, order(**changes)))
    with pytest.raises(Unreachable):
        await shop.look_up("538")


async def test_an_answer_about_another_order_is_none(shop: CoinGate, api: Recorder) -> None:
    api.say(Scripted(200, order(id=539)))
    with pytest.raises(Unreachable, match="another order"):
        await shop.look_up("538")


@pytest.mark.parametrize(
    ("answer", "opening", "asking"),
    [
        (refusal(401, "BadCredentials"), AccessDenied, AccessDenied),
        (refusal(401, "BadAuthToken"), AccessDenied, AccessDenied),
        (refusal(404, "OrderNotFound"), NotFound, NotFound),
        (refusal(422, "OrderIsNotValid", "Title is too short"), Refused, Refused),
        (refusal(429, "RateLimitExceeded"), Busy, Busy),
        (refusal(429, "RateLimitException"), Busy, Busy),
        (refusal(500, "InternalServerError"), Unreachable, Busy),
        (Scripted(200, raw=b""), Unreachable, Busy),
        (Scripted(200, raw=b"[]"), Unreachable, Busy),
        (Scripted(302, raw=b""), Unreachable, Busy),
    ],
)
async def test_every_refusal_is_sorted_by_what_to_do_next(
    shop: CoinGate, api: Recorder, answer: Scripted, opening: type[FerrymanError], asking: type[FerrymanError]
) -> None:
    api.say(answer)
    with pytest.raises(opening) as refused:
        await shop.open(euros())
    assert type(refused.value) is opening
    with pytest.raises(asking) as refused:
        await shop.look_up("538")
    assert type(refused.value) is asking
    assert EMULATED_KEY not in str(refused.value)


async def test_over_the_rate_limit_a_minute_is_waited(shop: CoinGate, api: Recorder) -> None:
    api.say(refusal(429, "RateLimitExceeded"))
    with pytest.raises(Busy) as busy:
        await shop.check()
    assert busy.value.after == 60.0


async def test_the_cap_on_orders_is_no_fault_of_the_payer(there: tuple[World, Control]) -> None:
    """The operator reads what it is and what to do; whoever calls may try again later."""
    world, control = there
    await control.post("app", {"orders_per_hour": 1})
    await world.provider.open(world.request())
    with pytest.raises(Busy, match=r"no more orders this hour.*raise it") as busy:
        await world.provider.open(world.request())
    assert busy.value.after == 600.0
    assert len(await control.payments()) == 1


async def test_an_answer_lost_after_the_creation_makes_no_second_order(there: tuple[World, Control]) -> None:
    """It is looked for by our ref before anything is created again; by another process too, which remembers nothing."""
    world, control = there
    request = world.request()
    await control.fault(mode="drop_after", method="POST", route="orders")
    with pytest.raises(Unreachable):
        await world.provider.open(request)
    again = await world.provider.open(request)
    later = await at(control, Later(60)).open(request)
    assert again == later
    assert len(await control.payments()) == 1


async def test_an_answer_lost_before_the_creation_makes_one_order(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    await control.fault(mode="drop_before", method="POST", route="orders")
    with pytest.raises(Unreachable):
        await world.provider.open(request)
    assert (await world.provider.open(request)).pay_url
    assert len(await control.payments()) == 1


async def test_a_first_call_searches_nothing_and_a_late_one_searches_first(shop: CoinGate, api: Recorder) -> None:
    await shop.open(euros())
    assert [sent.method for sent in api.received] == ["POST"]
    api.received.clear()
    api.say(page(), Scripted(200, order()))
    await shop.open(euros(placed_at=datetime.now(UTC) - timedelta(seconds=6)))
    assert [sent.method for sent in api.received] == ["GET", "POST"]


async def test_without_a_certain_search_nothing_is_created(shop: CoinGate, api: Recorder) -> None:
    api.say(Scripted(500, {"message": "No.", "reason": "InternalServerError"}))
    with pytest.raises(Busy):
        await shop.open(euros(placed_at=datetime.now(UTC) - timedelta(minutes=1)))
    assert {sent.method for sent in api.received} == {"GET"}


async def test_an_order_found_again_for_another_sum_is_a_conflict(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    await world.provider.open(request)
    with pytest.raises(Conflict):
        await world.provider.open(replace(request, amount=world.money(29900)))
    assert len(await control.payments()) == 1


async def test_an_order_found_again_after_its_end_cannot_be_paid(there: tuple[World, Control]) -> None:
    world, control = there
    request = world.request()
    first = await world.provider.open(request)
    await control.post(f"payments/{first.external_id}/expire")
    second = await world.provider.open(request)
    assert (second.external_id, second.pay_url) == (first.external_id, "")


async def test_a_button_pressed_twice_makes_one_order(there: tuple[World, Control]) -> None:
    """The second press is told to wait for the first; each has a provider object of its own."""
    world, control = there
    request = world.request()
    await control.fault(mode="delay", seconds=1.0, method="POST", route="orders")
    shops = [at(control, SystemClock()) for _ in range(2)]
    first, second = await asyncio.gather(*(shop.open(request) for shop in shops), return_exceptions=True)
    assert isinstance(first, Opened)
    assert isinstance(second, Busy)
    assert await shops[1].open(request) == first
    assert len(await control.payments()) == 1


class Later(SystemClock):
    """A clock that is some seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._ahead
