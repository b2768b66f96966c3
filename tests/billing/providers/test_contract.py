"""What every payment provider must do, whoever wrote it: each installed one is found by its entry point.

A provider without a place in `worlds.PLACES` fails here, so none can be added untested.
"""

from collections.abc import AsyncIterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ferryman.billing.provider import GROUP, PaymentProvider, PaymentState, RawWebhook
from ferryman.kit import plugins
from ferryman.kit.errors import AccessDenied, NotFound, Refused, Retry, Unreachable
from ferryman.kit.money import Money
from tests.billing.providers.worlds import PLACES, Control, World

INSTALLED: dict[str, type[PaymentProvider]] = plugins.load(GROUP)


MARKS = {"emulator": [], "nowhere": [], "real": [pytest.mark.real_shop, pytest.mark.enable_socket]}


def places() -> list[Any]:
    return [
        pytest.param((name, place), id=f"{name}-{place}", marks=MARKS[place])
        for name in sorted(INSTALLED)
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
    assert set(provider.title) >= {"ru", "en"}
    assert all(provider.title.values())
    assert provider.icon
    assert provider.currencies
    assert all(Money(1, currency).currency == currency for currency in provider.currencies)
    assert provider.acknowledgement[0] in range(200, 300)
    with pytest.raises(ValidationError):
        provider.Config.model_validate({"no_such_setting": 1})


@pytest.mark.parametrize("name", sorted(INSTALLED))
def test_it_can_be_tried_without_an_account(name: str) -> None:
    assert "emulator" in PLACES[name]


def test_every_provider_of_the_package_is_found() -> None:
    assert "yookassa" in {entry.name for entry in entry_points(group=GROUP)}


async def test_an_opened_payment_waits_under_our_ref_for_the_exact_amount(world: World) -> None:
    request = world.request(amount=Money(19950, "RUB"))
    opened = await world.provider.open(request)
    fact = await world.provider.look_up(opened.external_id)
    assert opened.pay_url.startswith("http")
    assert (fact.external_id, fact.ref) == (opened.external_id, request.ref)
    assert (fact.state, fact.amount) == (PaymentState.PENDING, Money(19950, "RUB"))
    assert fact.test is world.provider.test_mode


async def test_the_same_request_twice_is_one_payment(world: World) -> None:
    request = world.request()
    first, second = await world.provider.open(request), await world.provider.open(request)
    assert first == second


async def test_another_key_is_another_payment(world: World) -> None:
    request = world.request()
    first = await world.provider.open(request)
    second = await world.provider.open(world.request(ref=request.ref, idempotency_key=f"{request.ref}-2"))
    assert first.external_id != second.external_id


async def test_what_was_opened_is_found_by_our_ref_alone(world: World) -> None:
    request = world.request()
    opened = await world.provider.open(request)
    await world.provider.open(world.request())
    found = await world.provider.find(request)
    assert found is not None
    assert found.external_id == opened.external_id


async def test_nothing_is_found_for_what_was_never_opened(world: World) -> None:
    assert await world.provider.find(world.request()) is None


async def test_an_unknown_id_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.provider.look_up("00000000-000f-5000-8000-000000000000")


@pytest.mark.parametrize("external_id", ["", "../refunds", "a/b", "x?limit=1", "%2e%2e", "a" * 65, "é", "a\n", "a b"])
async def test_an_id_that_could_lead_the_call_elsewhere_is_refused(world: World, external_id: str) -> None:
    with pytest.raises(Refused):
        await world.provider.look_up(external_id)


async def test_good_credentials_are_told_in_a_sentence_without_them(world: World) -> None:
    said = await world.provider.check()
    assert said.endswith(".")
    assert not any(secret in said for secret in world.secrets)


async def test_wrong_credentials_are_told_apart_from_trouble_and_never_shown(world: World) -> None:
    for call in (
        world.stranger.check(),
        world.stranger.open(world.request()),
        world.stranger.look_up("22e12f66-000f-5000-8000-18db351245c7"),
        world.stranger.find(world.request()),
    ):
        with pytest.raises(AccessDenied) as refusal:
            await call
        assert not any(secret in repr(refusal.value) for secret in world.secrets)


async def test_a_dead_service_is_unreachable_for_every_verb(world: World) -> None:
    for call in (
        world.orphan.check(),
        world.orphan.open(world.request()),
        world.orphan.look_up("22e12f66-000f-5000-8000-18db351245c7"),
        world.orphan.find(world.request()),
    ):
        with pytest.raises(Unreachable):
            await call


async def test_a_paid_payment_is_a_fact_and_its_notification_names_it(world: World, control: Control) -> None:
    request = world.request()
    opened = await world.provider.open(request)
    await control.pay(opened.external_id)
    fact = await world.provider.look_up(opened.external_id)
    assert (fact.state, fact.amount, fact.ref) == (PaymentState.SUCCEEDED, request.amount, request.ref)
    claim = world.provider.read_webhook((await control.webhooks(1))[0])
    assert claim.external_id == opened.external_id or claim.ref == request.ref


async def test_a_declined_payment_says_why(world: World, control: Control) -> None:
    opened = await world.provider.open(world.request())
    await control.decline(opened.external_id)
    fact = await world.provider.look_up(opened.external_id)
    assert (fact.state, fact.reason) == (PaymentState.CANCELLED, "insufficient_funds")


async def test_a_repeated_notification_has_the_same_key_and_another_event_a_different_one(
    world: World, control: Control
) -> None:
    await control.post("webhooks", {"mode": "duplicate"})
    paid, declined = await world.provider.open(world.request()), await world.provider.open(world.request())
    await control.pay(paid.external_id)
    await control.webhooks(2)
    await control.decline(declined.external_id)
    keys = [world.provider.read_webhook(raw).dedup_key for raw in await control.webhooks(3)]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("mode", ["drop_after", "html_after"])
async def test_a_lost_answer_leaves_one_payment_that_a_repeat_returns(
    world: World, control: Control, mode: str
) -> None:
    request = world.request()
    await control.fault(mode=mode, method="POST", route="payments")
    with pytest.raises(Unreachable):
        await world.provider.open(request)
    found = await world.provider.find(request)
    opened = await world.provider.open(request)
    assert found is not None
    assert found.external_id == opened.external_id
    assert len(await control.payments()) == 1


@pytest.mark.parametrize(
    "weather", [{"mode": "drop_before"}, {"mode": "html"}, {"mode": "empty"}, {"mode": "html", "status": 200}]
)
async def test_a_garbled_answer_means_unknown_to_an_opening_and_later_to_a_question(
    world: World, control: Control, weather: dict[str, Any]
) -> None:
    await control.fault(**weather, times=-1)
    with pytest.raises(Unreachable):
        await world.provider.open(world.request())
    for call in (world.provider.look_up("22e12f66"), world.provider.check(), world.provider.find(world.request())):
        with pytest.raises(Retry):
            await call


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=400) | JSON.map(lambda value: repr(value).encode("utf-8", "surrogatepass")))
async def test_garbage_on_the_webhook_is_refused_and_nothing_else(world: World, body: bytes) -> None:
    with pytest.raises(Refused):
        world.provider.read_webhook(RawWebhook(body))
