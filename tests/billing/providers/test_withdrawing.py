"""Calling a payment off, at every provider that can: nobody can pay it any more, and what was paid stays paid."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ferryman.billing.provider import GROUP, PaymentState, Withdrawing
from ferryman.kit import plugins
from ferryman.kit.errors import NotFound, Retry
from tests.billing.providers.worlds import PLACES, World

CAN = sorted(name for name, kind in plugins.load(GROUP).items() if hasattr(kind, "withdraw"))


@pytest.fixture(params=CAN)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    async with PLACES[request.param]["emulator"].enter() as world:
        yield world


@pytest.fixture
def provider(world: World) -> Any:
    assert isinstance(world.provider, Withdrawing)
    return world.provider


async def test_what_is_called_off_is_cancelled_and_can_be_asked_about(world: World, provider: Any) -> None:
    external_id = await world.opened()
    for _ in range(2):
        fact = await provider.withdraw(external_id)
        assert (fact.external_id, fact.state) == (external_id, PaymentState.CANCELLED)
    assert (await world.provider.look_up(external_id)).state is PaymentState.CANCELLED
    assert world.control is not None
    with pytest.raises(AssertionError):
        await world.control.pay(external_id)


async def test_what_was_paid_before_is_paid(world: World, provider: Any) -> None:
    _, fact = await world.paid()
    assert (await provider.withdraw(fact.external_id)).state is PaymentState.SUCCEEDED


async def test_an_answer_that_is_lost_changes_nothing_about_the_next(world: World, provider: Any) -> None:
    external_id = await world.opened()
    assert world.control is not None
    await world.control.fault(mode="drop_after", route="expire", method="POST")
    with pytest.raises(Retry):
        await provider.withdraw(external_id)
    assert (await provider.withdraw(external_id)).state is PaymentState.CANCELLED


async def test_nobodys_payment_is_not_found(world: World, provider: Any) -> None:
    with pytest.raises(NotFound):
        await provider.withdraw(world.unknown_id)
