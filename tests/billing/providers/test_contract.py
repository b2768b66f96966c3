"""What every payment provider must do, whoever wrote it: each installed one is found by its entry point.

A provider without a place in `worlds.PLACES` fails here, so none can be added untested.
"""

from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ferryman.billing.provider import (
    GROUP,
    Capturing,
    Charging,
    Fact,
    Listing,
    Offered,
    PaymentProvider,
    PaymentState,
    RawWebhook,
    Refunding,
    RefundState,
)
from ferryman.kit import plugins
from ferryman.kit.errors import AccessDenied, NotFound, Refused, Retry, Unreachable
from ferryman.kit.money import Money
from tests.billing.providers.worlds import PLACES, Control, World

INSTALLED: dict[str, type[Offered]] = plugins.load(GROUP)
# What is paid out of our own books is nowhere else.
OUTSIDE = sorted({name for name, kind in INSTALLED.items() if not hasattr(kind, "collect")} | set(PLACES))


MARKS = {"emulator": [], "nowhere": [], "real": [pytest.mark.real_shop, pytest.mark.enable_socket]}


def places() -> list[Any]:
    return [
        pytest.param((name, place), id=f"{name}-{place}", marks=MARKS[place])
        for name in OUTSIDE
        for place in PLACES.get(name, {"nowhere": None})
    ]


@pytest.fixture(params=places())
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    name, where = request.param
    place = PLACES[name][where]
    if place.missing:
        pytest.skip(f"set {', '.join(place.missing)} to run against the real service")
    async with place.enter() as world:
        yield world


@pytest.fixture
def control(world: World) -> Control:
    if world.control is None:
        pytest.skip("nobody can be made to pay at the real service")
    return world.control


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_it_carries_its_own_face_and_settings(name: str) -> None:
    provider = INSTALLED[name]
    assert provider.name == name
    faces: list[Any] = [provider, *provider.ways]
    for face in faces:
        assert set(face.title) >= {"ru", "en"}
        assert all(face.title.values())
        assert face.icon
    assert all(Money(1, currency).currency == currency for currency in provider.currencies)
    assert len({way.code for way in provider.ways}) == len(provider.ways)
    with pytest.raises(ValidationError):
        provider.Config.model_validate({"no_such_setting": 1})


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_its_ways_keep_to_its_currencies_and_their_limits_make_sense(name: str) -> None:
    provider = INSTALLED[name]
    for way in provider.ways:
        assert not provider.currencies or set(way.currencies) <= set(provider.currencies)
        for currency, least in way.least.items():
            assert 0 < least <= way.most.get(currency, least)


@pytest.mark.parametrize("name", OUTSIDE)
def test_it_can_be_tried_without_an_account(name: str) -> None:
    assert "emulator" in PLACES[name]


def test_every_provider_of_the_package_is_found() -> None:
    assert "yookassa" in {entry.name for entry in entry_points(group=GROUP)}


async def test_an_opened_payment_waits_under_our_ref_for_the_exact_amount(world: World) -> None:
    seen_unpaid(world)
    request = world.request(amount=world.money(19950))
    opened = await world.provider.open(request)
    external_id = await world.id_of(opened, request)
    fact = await world.provider.look_up(external_id)
    assert opened.pay_url.startswith("http")
    assert (fact.external_id, fact.ref) == (external_id, request.ref)
    assert (fact.state, fact.amount) == (PaymentState.PENDING, world.money(19950))
    assert fact.test is world.provider.test_mode


async def test_the_same_request_twice_is_one_payment(world: World) -> None:
    seen_unpaid(world)
    request = world.request()
    first, second = await world.provider.open(request), await world.provider.open(request)
    assert first == second


async def test_another_key_is_another_payment(world: World) -> None:
    if not world.keyed:
        pytest.skip("our ref alone says which payment it is")
    request = world.request()
    first = await world.provider.open(request)
    second = await world.provider.open(world.request(ref=request.ref, idempotency_key=f"{request.ref}-2"))
    assert first.external_id != second.external_id


async def test_what_was_opened_is_found_by_our_ref_alone(world: World) -> None:
    seen_unpaid(world)
    request = world.request()
    external_id = await world.id_of(await world.provider.open(request), request)
    await world.opened()
    found = await world.provider.find(request)
    assert found is not None
    assert found.external_id == external_id
    assert (found.ref, found.amount) == (request.ref, request.amount)


async def test_nothing_is_found_for_what_was_never_opened(world: World) -> None:
    assert await world.provider.find(world.request()) is None


async def test_an_unknown_id_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.provider.look_up(world.unknown_id)


@pytest.mark.parametrize("external_id", ["", "../refunds", "a/b", "x?limit=1", "%2e%2e", "a" * 65, "é", "a\n", "a b"])
async def test_an_id_that_could_lead_the_call_elsewhere_is_refused(world: World, external_id: str) -> None:
    with pytest.raises(Refused):
        await world.provider.look_up(external_id)


async def test_good_credentials_are_told_in_a_sentence_without_them(world: World) -> None:
    said = await world.provider.check()
    assert said.endswith(".")
    assert not any(secret in said for secret in world.secrets)


def questions(world: World, provider: PaymentProvider) -> list[Awaitable[Any]]:
    """Every verb that asks, none that may change anything."""
    return [provider.check(), provider.look_up(world.unknown_id), provider.find(world.request())]


async def test_wrong_credentials_are_told_apart_from_trouble_and_never_shown(world: World) -> None:
    opening = [world.stranger.open(world.request())] if world.calls_to_open else []
    for call in (*questions(world, world.stranger), *opening):
        with pytest.raises(AccessDenied) as refusal:
            await call
        assert not any(secret in repr(refusal.value) for secret in world.secrets)


async def test_a_dead_service_is_unreachable_for_every_verb(world: World) -> None:
    opening = [world.orphan.open(world.request())] if world.calls_to_open else []
    for call in (*questions(world, world.orphan), *opening):
        with pytest.raises(Unreachable):
            await call


async def test_a_paid_payment_is_a_fact_and_its_notification_names_it(world: World, control: Control) -> None:
    request, fact = await world.paid()
    assert (fact.state, fact.amount, fact.ref) == (PaymentState.SUCCEEDED, request.amount, request.ref)
    claim = world.read((await control.webhooks(1))[0])
    assert claim.external_id == fact.external_id or claim.ref == request.ref
    assert world.provider.answer(claim)[0] == 200


async def test_a_declined_payment_says_why(world: World, control: Control) -> None:
    if world.declined is None:
        pytest.skip("nobody declines: it is paid or left")
    request = world.request()
    external_id = await world.id_of(await world.provider.open(request), request)
    await control.decline(external_id)
    fact = await world.provider.look_up(external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, world.declined)


async def test_a_repeated_notification_has_the_same_key_and_another_event_a_different_one(
    world: World, control: Control
) -> None:
    await control.post("webhooks", {"mode": "duplicate"})
    await world.paid()
    await control.webhooks(2)
    await world.paid()
    keys = [world.read(raw).dedup_key for raw in await control.webhooks(3)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("mode", ["drop_after", "html_after"])
async def test_a_lost_answer_leaves_one_payment_that_a_repeat_returns(
    world: World, control: Control, mode: str
) -> None:
    if not world.calls_to_open:
        pytest.skip("an opening calls nobody")
    seen_unpaid(world)
    request = world.request()
    await control.fault(mode=mode, method="POST", route=world.creation)
    with pytest.raises(Unreachable):
        await world.provider.open(request)
    found = await world.provider.find(request)
    opened = await world.provider.open(request)
    assert found is not None
    assert found.external_id == await world.id_of(opened, request)
    assert len(await control.payments()) == 1


@pytest.mark.parametrize(
    "weather", [{"mode": "drop_before"}, {"mode": "html"}, {"mode": "empty"}, {"mode": "html", "status": 200}]
)
async def test_a_garbled_answer_means_unknown_to_an_opening_and_later_to_a_question(
    world: World, control: Control, weather: dict[str, Any]
) -> None:
    await control.fault(**weather, times=-1)
    if world.calls_to_open:
        with pytest.raises(Unreachable):
            await world.provider.open(world.request())
    for call in questions(world, world.provider):
        with pytest.raises(Retry):
            await call


async def test_an_instrument_is_kept_only_when_asked_and_charged_once_per_request(
    world: World, control: Control
) -> None:
    shop = having(Charging, world)
    assert (await world.paid())[1].kept is None
    kept = (await world.paid(keep=True))[1].kept
    assert kept is not None and kept.token and kept.title
    request = world.request()
    first, again = await shop.charge(request, kept.token), await shop.charge(request, kept.token)
    assert (first.state, first.amount, first.ref) == (PaymentState.SUCCEEDED, request.amount, request.ref)
    assert again.external_id == first.external_id
    assert len([one for one in await all_of(world) if one.ref == request.ref]) == 1


async def test_a_lost_answer_to_a_charge_charges_once(world: World, control: Control) -> None:
    shop = having(Charging, world)
    kept = (await world.paid(keep=True))[1].kept
    assert kept is not None
    request = world.request()
    await control.fault(mode="drop_after", method="POST", route=world.creation)
    with pytest.raises(Unreachable):
        await shop.charge(request, kept.token)
    found = await world.provider.find(request)
    assert found is not None
    assert (await shop.charge(request, kept.token)).external_id == found.external_id


async def test_an_instrument_that_is_not_there_is_refused(world: World, control: Control) -> None:
    with pytest.raises(Refused):
        await having(Charging, world).charge(world.request(), world.unknown_id)


async def test_held_money_is_taken_once_and_only_when_it_is_held(world: World, control: Control) -> None:
    shop = having(Capturing, world)
    request = world.request()
    external_id = await world.id_of(await world.provider.open(request), request)
    with pytest.raises(Refused):
        await shop.capture(external_id, request.amount, "too-early")
    await control.hold(external_id)
    assert (await world.provider.look_up(external_id)).state is PaymentState.HELD
    for key in ("one", "one", "two"):
        fact = await shop.capture(external_id, request.amount, key)
        assert (fact.state, fact.amount) == (PaymentState.SUCCEEDED, request.amount)


async def test_a_payment_is_given_back_once_however_often_it_is_said(world: World, control: Control) -> None:
    shop = having(Refunding, world)
    request, fact = await world.paid()
    wish = world.refund(request, fact)
    assert await shop.look_up_refund(wish, None) is None
    first = await shop.refund(wish)
    assert await shop.refund(wish) == first
    assert (first.payment_external_id, first.amount) == (fact.external_id, fact.amount)
    for external_id in (first.external_id, None):
        found = await shop.look_up_refund(wish, external_id)
        assert found is not None
        assert (found.external_id, found.state) == (first.external_id, RefundState.SUCCEEDED)
    after = await world.provider.look_up(fact.external_id)
    assert (after.state, after.refunded) == (PaymentState.SUCCEEDED, fact.amount)


async def test_a_payment_is_given_back_in_parts_and_no_more_than_was_paid(world: World, control: Control) -> None:
    shop = having(Refunding, world)
    if not shop.partly:
        pytest.skip("it gives back all or nothing")
    request, fact = await world.paid()
    parts = [world.refund(request, fact, fact.amount.minor // 4) for _ in range(2)]
    ids = {(await shop.refund(part)).external_id for part in parts}
    assert len(ids) == 2
    assert (await world.provider.look_up(fact.external_id)).refunded == world.money(fact.amount.minor // 4 * 2)
    with pytest.raises(Refused):
        await shop.refund(world.refund(request, fact, fact.amount.minor))


async def test_a_lost_answer_to_a_refund_refunds_once(world: World, control: Control) -> None:
    shop = having(Refunding, world)
    wish = world.refund(*await world.paid())
    await control.fault(mode="drop_after", method="POST", route=world.refunding)
    with pytest.raises(Unreachable):
        await shop.refund(wish)
    found = await shop.look_up_refund(wish, None)
    assert found is not None
    assert (await shop.refund(wish)).external_id == found.external_id


async def test_what_was_not_paid_is_not_given_back(world: World, control: Control) -> None:
    seen_unpaid(world)
    shop = having(Refunding, world)
    request = world.request()
    external_id = await world.id_of(await world.provider.open(request), request)
    with pytest.raises(Refused):
        await shop.refund(world.refund(request, await world.provider.look_up(external_id)))


async def test_the_list_has_what_was_paid_in_its_time_and_nothing_from_before_the_shop_was_there(
    world: World, control: Control
) -> None:
    shop = having(Listing, world)
    paid = {(await world.paid())[1].external_id for _ in range(3)}
    now = datetime.now(UTC)
    listed = {fact.external_id: fact async for fact in shop.listed(now - timedelta(days=1), now + timedelta(days=1))}
    assert paid <= set(listed)
    assert all(listed[each].state is PaymentState.SUCCEEDED for each in paid)
    assert [one async for one in shop.listed(now - timedelta(days=9), now - timedelta(days=8))] == []


def seen_unpaid(world: World) -> None:
    if not world.seen_unpaid:
        pytest.skip("nothing is over there before somebody pays")


def having(ability: Any, world: World) -> Any:
    """The world's provider as one that can do this; skips where it cannot."""
    if not isinstance(world.provider, ability):
        pytest.skip(f"it is not {ability.__name__}")
    return world.provider


async def all_of(world: World) -> list[Fact]:
    now = datetime.now(UTC)
    shop = having(Listing, world)
    return [fact async for fact in shop.listed(now - timedelta(days=1), now + timedelta(days=1))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400) | JSON.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
async def test_garbage_on_the_webhook_is_refused_and_nothing_else(world: World, body: bytes) -> None:
    for read in (world.provider.read_webhook, world.read):
        with pytest.raises(Refused):
            read(RawWebhook(body))
